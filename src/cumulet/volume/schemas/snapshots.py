"""Bodies of `/snapshots` (Block Storage API, Volume snapshots)."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from cumulet.volume.bodies import Metadata, Name, Uuid


class NewSnapshot(Struct, forbid_unknown_fields=True):
    volume_id: Uuid | None
    name: str | None = None
    description: str | None = None
    display_name: str | None = None
    display_description: str | None = None
    force: bool | int | str | UnsetType | None = UNSET
    metadata: Metadata | None = None


class ChangedSnapshot(Struct, forbid_unknown_fields=True):
    name: Name | UnsetType | None = UNSET
    description: Name | UnsetType | None = UNSET
    display_name: Name | UnsetType | None = UNSET
    display_description: Name | UnsetType | None = UNSET
