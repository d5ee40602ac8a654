"""Bodies of `/v3/registered_limits` (Identity API v3, Unified limits)."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from cumulet.identity.schemas.fields import Name, RegionId, ShortDescription

Amount = Annotated[int, Meta(ge=-1, le=0x7FFFFFFF)]
"""How much of a resource; -1 is no bound."""


class RegisteredLimitFields(Struct, forbid_unknown_fields=True, kw_only=True):
    service_id: str
    region_id: RegionId | None = None
    resource_name: Name
    default_limit: Amount
    description: ShortDescription | None = None


class RegisteredLimitsBody(Struct, forbid_unknown_fields=True):
    registered_limits: Annotated[list[RegisteredLimitFields], Meta(min_length=1)]


class RegisteredLimitChanges(Struct, forbid_unknown_fields=True, kw_only=True):
    service_id: str | UnsetType = UNSET
    region_id: RegionId | UnsetType | None = UNSET
    resource_name: Name | UnsetType = UNSET
    default_limit: Amount | UnsetType = UNSET
    description: ShortDescription | UnsetType | None = UNSET


class RegisteredLimitChangesBody(Struct, forbid_unknown_fields=True):
    registered_limit: RegisteredLimitChanges


class RegisteredLimitQuery(Struct):
    service_id: str | None = None
    region_id: RegionId | None = None
    resource_name: Name | None = None
