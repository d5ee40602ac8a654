"""Bodies of `/v3/endpoints` (Identity API v3, Service catalog and endpoints)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from cumulet.identity.schemas.fields import Description

Interface = Literal["admin", "internal", "public"]
Url = Annotated[str, Meta(max_length=225, pattern=r"^[a-zA-Z0-9+.-]+:.+")]
Region = Annotated[str, Meta(max_length=255)]


class _Endpoint(Struct, kw_only=True):
    """What a client may say of an endpoint; other keys are kept in `extra` and given back, as the original does.

    `region` is the older name of `region_id`: one that there is not is made.
    """

    id: str | None = None
    region_id: Region | UnsetType | None = UNSET
    region: Region | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    name: Description | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET


class EndpointFields(_Endpoint, kw_only=True):
    interface: Interface
    service_id: str
    url: Url


class EndpointChanges(_Endpoint, kw_only=True):
    interface: Interface | UnsetType = UNSET
    service_id: str | UnsetType = UNSET
    url: Url | UnsetType = UNSET


class EndpointBody(Struct, forbid_unknown_fields=True):
    endpoint: EndpointFields


class EndpointChangesBody(Struct, forbid_unknown_fields=True):
    endpoint: EndpointChanges


class EndpointQuery(Struct):
    interface: Interface | None = None
    service_id: str | None = None
    region_id: str | None = None
