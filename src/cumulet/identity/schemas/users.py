"""Bodies and queries of `/v3/users` (Identity API v3, Users)."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from cumulet.identity.schemas.fields import Description, Id, Name, ResourceId
from cumulet.identity.schemas.flags import Flag, FlagText
from cumulet.identity.schemas.projects import SelfLink

Methods = Annotated[list[str], Meta(min_length=1)]
"""Authentication methods that together are enough."""


class UserOptions(Struct, forbid_unknown_fields=True):
    """None takes an option away."""

    ignore_change_password_upon_first_use: bool | UnsetType | None = UNSET
    ignore_password_expiry: bool | UnsetType | None = UNSET
    ignore_lockout_failure_attempts: bool | UnsetType | None = UNSET
    ignore_user_inactivity: bool | UnsetType | None = UNSET
    lock_password: bool | UnsetType | None = UNSET
    multi_factor_auth_enabled: bool | UnsetType | None = UNSET
    multi_factor_auth_rules: list[Methods] | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        rules = [tuple(rule) for rule in self.multi_factor_auth_rules or ()]
        if len(set(rules)) < len(rules) or any(len(set(rule)) < len(rule) for rule in rules):
            raise ValueError("multi_factor_auth_rules has a rule, or a rule has a method, that stands there twice")


class Protocol(Struct):
    protocol_id: str
    unique_id: str


class Federated(Struct):
    idp_id: str
    protocols: Annotated[list[Protocol], Meta(min_length=1)]


class UserChanges(Struct, kw_only=True):
    """What a client may say of a user; other keys are kept in `extra` and given back, as the original does."""

    id: str | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    domain_id: ResourceId | UnsetType = UNSET
    default_project_id: Id | UnsetType | None = UNSET
    description: Description | UnsetType | None = UNSET
    enabled: Flag | UnsetType = UNSET
    password: str | UnsetType | None = UNSET
    options: UserOptions | UnsetType = UNSET
    federated: list[Federated] | UnsetType = UNSET
    # Said by the service alone; what a client says of them is read over.
    password_expires_at: Any = UNSET
    extra: Any = UNSET


class NewUser(UserChanges, kw_only=True):
    name: Name


class NewUserBody(Struct, forbid_unknown_fields=True):
    user: NewUser


class UserChangesBody(Struct, forbid_unknown_fields=True):
    user: UserChanges


class PasswordChange(Struct, forbid_unknown_fields=True):
    original_password: str
    password: str


class PasswordChangeBody(Struct, forbid_unknown_fields=True):
    user: PasswordChange


class UserQuery(Struct):
    domain_id: ResourceId | None = None
    enabled: FlagText | None = None
    name: Name | None = None
    password_expires_at: list[str] = []
    idp_id: str | None = None
    protocol_id: str | None = None
    unique_id: str | None = None


class UserView(Struct):
    """A user as the API shows it, but for the keys a client had added."""

    id: str
    name: str
    domain_id: str
    enabled: bool
    password_expires_at: str | None
    options: Raw
    links: SelfLink
    default_project_id: str | UnsetType = UNSET
