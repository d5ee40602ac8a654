"""Bodies of `/v3/roles` (Identity API v3, Roles)."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from cumulet.identity.schemas.fields import Description, Name, ResourceId


class RoleOptions(Struct, forbid_unknown_fields=True):
    """`immutable`: None takes the option away."""

    immutable: bool | UnsetType | None = UNSET


class _Role(Struct, kw_only=True):
    """What a client may say of a role; other keys are kept in `extra` and given back, as the original does."""

    id: str | None = None
    description: Description | UnsetType | None = UNSET
    domain_id: ResourceId | UnsetType | None = UNSET
    options: RoleOptions | UnsetType = UNSET


class RoleFields(_Role, kw_only=True):
    name: Name


class RoleChanges(_Role, kw_only=True):
    name: Name | UnsetType = UNSET


class RoleBody(Struct, forbid_unknown_fields=True):
    role: RoleFields


class RoleChangesBody(Struct, forbid_unknown_fields=True):
    role: RoleChanges


class RoleQuery(Struct):
    name: Name | None = None
    domain_id: ResourceId | None = None
