"""`/v3/groups` (Identity API v3, Groups)."""

from __future__ import annotations

from typing import Any

from msgspec import Raw, Struct

from cumulet.identity import paging, rendering, views
from cumulet.identity.domain import groups
from cumulet.identity.domain.groups import Group
from cumulet.identity.schemas.groups import GroupChangesBody, GroupQuery, GroupView, MemberGroupView, NewGroupBody
from cumulet.identity.schemas.projects import SelfLink
from cumulet.identity.service import Identity
from cumulet.kernel.errors import NotFound
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def _view(call: Call[Identity], group: Group) -> dict[str, Any]:
    shown = {
        **group.extra,
        "id": group.id,
        "name": group.name,
        "domain_id": group.domain_id,
        "description": group.description,
    }
    return views.with_self(call, "groups", shown)


def listed(
    call: Call[Identity], more: dict[str, Any], kind: type[GroupView] | type[MemberGroupView] = GroupView
) -> Reply:
    """The groups that meet the query and the filters `more`."""
    query, wanted = call.query(), call.filters(GroupQuery)
    chosen: dict[str, Any] = {**paging.text_comparisons(query, "name"), **more}
    if wanted.domain_id is not None:
        chosen["domain_id"] = wanted.domain_id
    if wanted.name is not None:
        chosen["name"] = wanted.name
    page = groups.find(call.service, chosen, paging.window(call, query, "identity"))
    prefix = views.self_url(call, "groups/")
    shown: list[Struct | Raw] = [
        rendering.spliced(extra, kind(group_id, name, domain_id, description, SelfLink(prefix + group_id)))
        for group_id, domain_id, name, description, extra in page.rows
    ]
    return Reply(paging.body(call, "groups", shown, page))


def index(call: Call[Identity]) -> Reply:
    domain_id = call.ctx.domain_id
    target = None if domain_id is None else {"target": {"group": {"domain_id": domain_id}}}
    call.service.policy.can(call.ctx, "identity:list_groups", target)
    return listed(call, {} if domain_id is None else {"within": domain_id})


def allowed(call: Call[Identity], group_id: str, rule: str) -> Group:
    """The group, if the caller may do this. A caller who may not does not learn whether it exists."""
    try:
        group = groups.show(call.service, group_id)
    except NotFound:
        call.service.policy.can(call.ctx, rule)
        raise
    call.service.policy.can(call.ctx, rule, {"target": {"group": target(group)}})
    return group


def target(group: Group) -> dict[str, Any]:
    """What rules may ask of a group."""
    return {"id": group.id, "name": group.name, "domain_id": group.domain_id}


def show(call: Call[Identity], group_id: str) -> Reply:
    return Reply({"group": _view(call, allowed(call, group_id, "identity:get_group"))})


def create(call: Call[Identity]) -> Reply:
    values, extra = rendering.given(call, "group", NewGroupBody)
    values.pop("id", None)
    call.service.policy.can(call.ctx, "identity:create_group", {"target": {"group": values}})
    values.setdefault("domain_id", call.ctx.domain_id or call.service.conf.identity.default_domain_id)
    return Reply({"group": _view(call, groups.create(call.service, values, extra))}, 201)


def update(call: Call[Identity], group_id: str) -> Reply:
    allowed(call, group_id, "identity:update_group")
    values, extra = rendering.given(call, "group", GroupChangesBody)
    views.check_changes(values, extra, group_id)
    return Reply({"group": _view(call, groups.update(call.service, group_id, values, extra))})


def delete(call: Call[Identity], group_id: str) -> Reply:
    allowed(call, group_id, "identity:delete_group")
    groups.delete(call.service, group_id)
    return NO_CONTENT
