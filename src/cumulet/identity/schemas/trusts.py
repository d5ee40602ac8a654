"""Bodies of `/v3/OS-TRUST/trusts` (Identity API v3 extensions, OS-TRUST)."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from cumulet.identity.schemas.fields import Id, Name


class RoleReference(Struct, forbid_unknown_fields=True):
    """By id or by name, never both."""

    id: Id | UnsetType = UNSET
    name: Name | UnsetType = UNSET


class TrustFields(Struct, kw_only=True):
    """Other keys are kept and given back, as the original does."""

    trustor_user_id: Id
    trustee_user_id: Id
    impersonation: bool
    project_id: Id | None = None
    remaining_uses: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    expires_at: str | None = None
    allow_redelegation: bool | None = None
    redelegation_count: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    redelegated_trust_id: str | None = None
    roles: list[RoleReference] = []


class TrustBody(Struct, forbid_unknown_fields=True):
    trust: TrustFields


class TrustQuery(Struct):
    trustor_user_id: str | None = None
    trustee_user_id: str | None = None
