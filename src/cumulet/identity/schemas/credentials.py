"""Bodies of `/v3/credentials` and `/v3/users/{user_id}/credentials/OS-EC2` (Identity API v3, Credentials, OS-EC2)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from cumulet.identity.schemas.fields import Id


class CredentialFields(Struct, kw_only=True):
    """Other keys are kept and given back, as the original does."""

    id: str | None = None
    user_id: Id
    type: Annotated[str, Meta(max_length=255)]
    blob: str
    project_id: Id | None = None


class CredentialBody(Struct):
    credential: CredentialFields


class CredentialChanges(Struct, forbid_unknown_fields=True):
    blob: str


class CredentialChangesBody(Struct):
    credential: CredentialChanges


class CredentialQuery(Struct):
    user_id: str | None = None
    type: str | None = None


class Ec2Body(Struct):
    tenant_id: str | None = None
