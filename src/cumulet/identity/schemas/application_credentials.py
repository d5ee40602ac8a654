"""Bodies of `/v3/users/{user_id}/application_credentials` (Identity API v3, Application Credentials)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from cumulet.identity.schemas.fields import Description, Id, Name
from cumulet.identity.schemas.trusts import RoleReference

Path = Annotated[str, Meta(max_length=128, pattern=r"^/")]


class AccessRuleFields(Struct):
    """Either the id of a rule the user has, or a whole one."""

    id: Id | UnsetType = UNSET
    service: Id | UnsetType = UNSET
    path: Path | UnsetType = UNSET
    method: Literal["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"] | UnsetType = UNSET


class ApplicationCredentialFields(Struct, kw_only=True, forbid_unknown_fields=True):
    """`id`, `project_id` and `system` are the server's to say and read over."""

    id: str | UnsetType = UNSET
    name: Name
    secret: Annotated[str, Meta(max_length=4096)] | None = None
    description: Description | None = None
    expires_at: str | None = None
    project_id: str | UnsetType = UNSET
    roles: list[RoleReference] = []
    access_rules: list[AccessRuleFields] | UnsetType = UNSET
    unrestricted: bool | None = None
    system: str | None = None


class ApplicationCredentialBody(Struct, forbid_unknown_fields=True):
    application_credential: ApplicationCredentialFields


class ApplicationCredentialQuery(Struct):
    name: str | None = None


class AccessRuleQuery(Struct):
    service: str | None = None
    path: str | None = None
    method: str | None = None
