"""Bodies of `/v3/services` (Identity API v3, Service catalog and endpoints)."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from cumulet.identity.schemas.fields import Description

Word = Annotated[str, Meta(min_length=1, max_length=255)]


class _Service(Struct, kw_only=True):
    """What a client may say of a service; other keys are kept in `extra` and given back, as the original does."""

    id: str | None = None
    name: Word | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET


class ServiceFields(_Service, kw_only=True):
    type: Word


class ServiceChanges(_Service, kw_only=True):
    type: Word | UnsetType = UNSET


class ServiceBody(Struct):
    service: ServiceFields


class ServiceChangesBody(Struct):
    service: ServiceChanges


class ServiceQuery(Struct):
    name: str | None = None
    type: str | None = None
