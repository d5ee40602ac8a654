"""Bodies of `/v3/policies` (Identity API v3, Policies)."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

Type = Annotated[str, Meta(max_length=255)]


class PolicyFields(Struct):
    """What a client may say of a policy; other keys are kept in `extra` and given back, as the original does."""

    blob: str
    type: Type
    id: str | None = None


class PolicyBody(Struct):
    policy: PolicyFields


class PolicyChanges(Struct):
    blob: str | UnsetType = UNSET
    type: Type | UnsetType = UNSET
    id: str | None = None


class PolicyChangesBody(Struct):
    policy: PolicyChanges


class PolicyQuery(Struct):
    type: str | None = None
