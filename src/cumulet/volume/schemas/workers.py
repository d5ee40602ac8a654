"""The body of `/workers/cleanup` (Block Storage API, Workers)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from cumulet.volume.bodies import Boolean, Name, Uuid


class CleanupBody(Struct, forbid_unknown_fields=True):
    cluster_name: Name | None = None
    host: Name | None = None
    service_id: int | None = None
    is_up: Boolean = None
    disabled: Boolean = None
    resource_id: Uuid | None = None
    resource_type: Literal["Volume", "Snapshot", "volume", "snapshot"] | None = None
    binary: Literal["cinder-volume", "cinder-scheduler", "cinder-backup"] | None = None
