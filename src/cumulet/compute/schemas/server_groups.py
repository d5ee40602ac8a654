"""Bodies of `/v2.1/os-server-groups` (Compute API, Server groups)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from cumulet.compute.schemas.names import Trimmed

Old = Literal["affinity", "anti-affinity"]
Soft = Literal["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"]


class OldGroup(Struct, forbid_unknown_fields=True):
    name: Trimmed
    policies: Annotated[list[Old], Meta(min_length=1, max_length=1)]


class SoftGroup(Struct, forbid_unknown_fields=True):
    """2.15: soft policies too."""

    name: Trimmed
    policies: Annotated[list[Soft], Meta(min_length=1, max_length=1)]


class Rules(Struct, forbid_unknown_fields=True, omit_defaults=True):
    max_server_per_host: Annotated[int, Meta(ge=1)] | UnsetType = UNSET


class Group(Struct, forbid_unknown_fields=True):
    """2.64: one policy with rules."""

    name: Trimmed
    policy: Soft
    rules: Rules | UnsetType = UNSET


class OldBody(Struct, forbid_unknown_fields=True):
    server_group: OldGroup


class SoftBody(Struct, forbid_unknown_fields=True):
    server_group: SoftGroup


class Body(Struct, forbid_unknown_fields=True):
    server_group: Group
