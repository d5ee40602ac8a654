"""Bodies of `/manageable_volumes` and `/manageable_snapshots` (Block Storage API)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from cumulet.volume.bodies import Boolean, Metadata, Name, Uuid


class ManagedVolume(Struct, forbid_unknown_fields=True):
    ref: dict[str, Any] | str
    host: Name | None = None
    cluster: Name | None = None
    name: Name | None = None
    description: Name | None = None
    volume_type: Name | None = None
    availability_zone: Name | None = None
    bootable: Boolean = None
    metadata: Metadata | None = None


class ManagedSnapshot(Struct, forbid_unknown_fields=True):
    ref: dict[str, Any] | str | None
    volume_id: Uuid
    name: Name | None = None
    description: Name | None = None
    metadata: Metadata | None = None
