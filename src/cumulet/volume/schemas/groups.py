"""Bodies of `/groups`, `/group_snapshots` and `/group_types` (Block Storage API)."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from cumulet.volume.bodies import Boolean, Name, NonEmpty, Uuid

SpecKey = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9\-_:.]{1,255}$")]
Specs = dict[SpecKey, Annotated[str, Meta(max_length=255)] | None]


class NewGroup(Struct, forbid_unknown_fields=True):
    group_type: NonEmpty
    volume_types: Annotated[list[NonEmpty], Meta(min_length=1)]
    name: Name | None = None
    description: Name | None = None
    availability_zone: Name | None = None


class FromSource(Struct, forbid_unknown_fields=True):
    name: Name | None = None
    description: Name | None = None
    source_group_id: Uuid | UnsetType = UNSET
    group_snapshot_id: Uuid | UnsetType = UNSET


class ChangedGroup(Struct, forbid_unknown_fields=True):
    name: Name | UnsetType | None = UNSET
    description: Name | UnsetType | None = UNSET
    add_volumes: str | UnsetType | None = UNSET
    remove_volumes: str | UnsetType | None = UNSET


class DeleteGroup(Struct, forbid_unknown_fields=True, rename={"delete_volumes": "delete-volumes"}):
    delete_volumes: Boolean = None


class NewGroupSnapshot(Struct, forbid_unknown_fields=True):
    group_id: Uuid
    name: Name | None = None
    description: Name | None = None


class NewGroupType(Struct, forbid_unknown_fields=True):
    name: NonEmpty
    description: Name | None = None
    is_public: Boolean = None
    group_specs: Specs | None = None


class ChangedGroupType(Struct, forbid_unknown_fields=True):
    name: Name | None = None
    description: Name | None = None
    is_public: Boolean = None


class GroupSpecs(Struct, forbid_unknown_fields=True):
    group_specs: Specs
