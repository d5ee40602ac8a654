"""Bodies of `/v3/OS-OAUTH1` (Identity API v3, OS-OAUTH1)."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from cumulet.identity.schemas.fields import Description, Name, ResourceId


class ConsumerFields(Struct):
    """What a client may say of a consumer; other keys are kept in `extra` and given back, as the original does."""

    description: Description | UnsetType | None = UNSET
    id: str | None = None


class ConsumerBody(Struct):
    consumer: ConsumerFields


class RoleRef(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A role by id or by name, not both."""

    id: ResourceId | None = None
    name: Name | None = None


class AuthorizeBody(Struct):
    roles: list[RoleRef] = []
