"""Bodies of `/os-services` (Block Storage API, Services)."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from cumulet.volume.bodies import Name, NonEmpty


class ServiceBody(Struct):
    host: NonEmpty
    binary: Name | None = None
    service: Name | None = None
    disabled_reason: Name | UnsetType = UNSET  # left out is right; null is not


class HostBody(Struct):
    host: NonEmpty
    backend_id: Name | None = None
    cluster: Name | None = None


class LogBody(Struct, forbid_unknown_fields=True):
    binary: str | None = None
    server: Name | None = None
    prefix: Name | None = None
    level: Name | None = None
