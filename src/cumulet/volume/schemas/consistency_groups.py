"""Bodies of `/consistencygroups` and `/cgsnapshots` (Block Storage API, Consistency groups)."""

from __future__ import annotations

from msgspec import Struct

from cumulet.volume.bodies import Name


class NewConsistencyGroup(Struct):
    volume_types: str | None = None
    name: Name | None = None
    description: Name | None = None
    availability_zone: Name | None = None


class FromConsistencySource(Struct):
    name: Name | None = None
    description: Name | None = None
    cgsnapshot_id: str | None = None
    source_cgid: str | None = None


class ChangedConsistencyGroup(Struct):
    name: Name | None = None
    description: Name | None = None
    add_volumes: str | None = None
    remove_volumes: str | None = None


class NewConsistencySnapshot(Struct):
    consistencygroup_id: str
    name: Name | None = None
    description: Name | None = None
