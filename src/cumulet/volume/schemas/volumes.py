"""Bodies of `/volumes` (Block Storage API, Volumes)."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from cumulet.volume.bodies import Boolean, Metadata, Name, Size, Uuid


class VolumeFields(Struct):
    """What a new volume is described by; keys that are not here were let pass up to 3.52."""

    name: str | None = None
    description: str | None = None
    display_name: str | None = None
    display_description: str | None = None
    volume_type: Name | None = None
    metadata: Metadata | None = None
    snapshot_id: Uuid | None = None
    source_volid: Uuid | None = None
    consistencygroup_id: Uuid | None = None
    size: Size | None = None
    availability_zone: Name | None = None
    multiattach: Boolean = None
    image_id: Name | None = None
    imageRef: Name | None = None
    group_id: Name | None = None
    backup_id: Uuid | None = None


class StrictVolumeFields(VolumeFields, forbid_unknown_fields=True):
    """From 3.53 on."""


class ChangedFields(Struct, forbid_unknown_fields=True):
    name: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    display_name: str | UnsetType | None = UNSET
    display_description: str | UnsetType | None = UNSET
    metadata: Metadata | UnsetType = UNSET


class MetadataBody(Struct, forbid_unknown_fields=True):
    metadata: Metadata


class Hints(Struct):
    """`OS-SCH-HNT:scheduler_hints`: ids of volumes, one or several."""

    same_host: Any = None
    different_host: Any = None
    local_to_instance: Any = None
