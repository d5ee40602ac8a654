"""Bodies and queries of `/v3/groups` (Identity API v3, Groups)."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from cumulet.identity.schemas.fields import Description, Name, ResourceId, ShortName
from cumulet.identity.schemas.projects import SelfLink


class GroupChanges(Struct, kw_only=True):
    """What a client may say of a group; other keys are kept in `extra` and given back, as the original does."""

    id: str | UnsetType = UNSET
    name: ShortName | UnsetType = UNSET
    domain_id: ResourceId | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    extra: Any = UNSET


class NewGroup(GroupChanges, kw_only=True):
    name: ShortName


class NewGroupBody(Struct, forbid_unknown_fields=True):
    group: NewGroup


class GroupChangesBody(Struct, forbid_unknown_fields=True):
    group: GroupChanges


class GroupQuery(Struct):
    domain_id: ResourceId | None = None
    name: Name | None = None


class GroupView(Struct):
    """A group as the API shows it, but for the keys a client had added."""

    id: str
    name: str
    domain_id: str
    description: str | None
    links: SelfLink


class MemberGroupView(Struct):
    """A group among a user's. Memberships that end by themselves come with federation only."""

    id: str
    name: str
    domain_id: str
    description: str | None
    links: SelfLink
    membership_expires_at: None = None
