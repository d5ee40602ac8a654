"""Bodies of `/v3/OS-EP-FILTER/endpoint_groups` (Identity API v3, OS-EP-FILTER)."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from cumulet.identity.schemas.endpoints import Interface
from cumulet.identity.schemas.fields import Description, Name


class Filters(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What every endpoint of the group has."""

    interface: Interface | UnsetType = UNSET
    service_id: str | UnsetType = UNSET
    region_id: str | UnsetType | None = UNSET


class EndpointGroupFields(Struct, forbid_unknown_fields=True, kw_only=True):
    name: Name
    description: Description | UnsetType | None = UNSET
    filters: Filters


class EndpointGroupBody(Struct, forbid_unknown_fields=True):
    endpoint_group: EndpointGroupFields


class EndpointGroupChanges(Struct, forbid_unknown_fields=True, kw_only=True):
    name: Name | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    filters: Filters | UnsetType = UNSET


class EndpointGroupChangesBody(Struct, forbid_unknown_fields=True):
    endpoint_group: EndpointGroupChanges


class EndpointGroupQuery(Struct, forbid_unknown_fields=True):
    name: Name | None = None
