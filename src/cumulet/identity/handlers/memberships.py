"""Who is in which group: `/v3/groups/{id}/users` and `/v3/users/{id}/groups` (Identity API v3, Groups)."""

from __future__ import annotations

from typing import Any

from cumulet.identity.domain import groups as groups_domain
from cumulet.identity.domain import memberships
from cumulet.identity.domain import users as users_domain
from cumulet.identity.handlers import groups, users
from cumulet.identity.schemas.groups import MemberGroupView
from cumulet.identity.service import Identity
from cumulet.kernel.errors import NotFound
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def users_of_group(call: Call[Identity], group_id: str) -> Reply:
    groups.allowed(call, group_id, "identity:list_users_in_group")
    return users.listed(call, {"in_group": group_id})


def groups_of_user(call: Call[Identity], user_id: str) -> Reply:
    users.allowed(call, user_id, "identity:list_groups_for_user")
    return groups.listed(call, {"of_user": user_id}, MemberGroupView)


def _can(call: Call[Identity], rule: str, group_id: str, user_id: str) -> None:
    """A caller who may not does not learn whether either exists."""
    target: dict[str, Any] = {}
    try:
        target["user"] = users.target(users_domain.show(call.service, user_id))
        target["group"] = groups.target(groups_domain.show(call.service, group_id))
    except NotFound:
        call.service.policy.can(call.ctx, rule, {"target": target})
        raise
    call.service.policy.can(call.ctx, rule, {"target": target})


def check(call: Call[Identity], group_id: str, user_id: str) -> Reply:
    _can(call, "identity:check_user_in_group", group_id, user_id)
    memberships.check(call.service, group_id, user_id)
    return NO_CONTENT


def add(call: Call[Identity], group_id: str, user_id: str) -> Reply:
    _can(call, "identity:add_user_to_group", group_id, user_id)
    memberships.add(call.service, group_id, user_id)
    return NO_CONTENT


def remove(call: Call[Identity], group_id: str, user_id: str) -> Reply:
    _can(call, "identity:remove_user_from_group", group_id, user_id)
    memberships.remove(call.service, group_id, user_id)
    return NO_CONTENT
