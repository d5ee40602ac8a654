"""Bodies of `/v3/limits` (Identity API v3, Unified limits)."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from cumulet.identity.schemas.fields import Name, RegionId, ResourceId, ShortDescription
from cumulet.identity.schemas.registered_limits import Amount


class LimitFields(Struct, forbid_unknown_fields=True, kw_only=True):
    """Of one project or of one domain: exactly one of the two ids is given."""

    service_id: str
    region_id: RegionId | None = None
    resource_name: Name
    resource_limit: Amount
    project_id: ResourceId | UnsetType | None = UNSET
    domain_id: ResourceId | UnsetType | None = UNSET
    description: ShortDescription | None = None


class LimitsBody(Struct, forbid_unknown_fields=True):
    limits: Annotated[list[LimitFields], Meta(min_length=1)]


class LimitChanges(Struct, forbid_unknown_fields=True, kw_only=True):
    resource_limit: Amount | UnsetType = UNSET
    description: ShortDescription | UnsetType | None = UNSET


class LimitChangesBody(Struct, forbid_unknown_fields=True):
    limit: LimitChanges


class LimitQuery(Struct):
    service_id: str | None = None
    region_id: RegionId | None = None
    resource_name: Name | None = None
    project_id: ResourceId | None = None
    domain_id: ResourceId | None = None
