"""`/v2.1/os-server-groups` (Compute API, Server groups)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET
from sqlalchemy.engine import Row

from cumulet.compute import views
from cumulet.compute.bodies import read
from cumulet.compute.domain import server_groups
from cumulet.compute.schemas.server_groups import Body, OldBody, SoftBody
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def _may(call: Call[Compute], verb: str, project_id: str | None) -> None:
    call.service.policy.can(call.ctx, f"os_compute_api:os-server-groups:{verb}", {"project_id": project_id})


def _view(call: Call[Compute], row: Row[Any], members: list[str]) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": row.id, "name": row.name}
    if call.version >= (2, 64):
        shown |= {"policy": row.policy, "rules": msgspec.Raw(row.rules.encode())}
    else:
        shown |= {"policies": [row.policy], "metadata": {}}
    shown["members"] = members
    if call.version >= (2, 13):
        shown |= {"project_id": row.project_id, "user_id": row.user_id}
    return shown


def index(call: Call[Compute]) -> Reply:
    views.require_known(call, ("all_projects", "limit", "offset"))
    query = call.query()
    everybody = "all_projects" in query and call.ctx.is_admin
    if not everybody:
        _may(call, "index", call.ctx.project_id)
    numbers = []
    for key, default in (("limit", "1000"), ("offset", "0")):
        text = (query.get(key) or [default])[-1] or default
        if not text.isdigit():
            raise BadRequest(
                f"Invalid input for query parameters {key}. Value: {text}. '{text}' does not match '^[0-9]*$'"
            )
        numbers.append(min(int(text), call.service.conf.api.max_limit) if key == "limit" else int(text))
    with call.service.db.read() as connection:
        rows = server_groups.find(connection, None if everybody else call.ctx.project_id, *numbers)
        members = server_groups.members_of(connection, [row.id for row in rows])
    return Reply({"server_groups": [_view(call, row, members[row.id]) for row in rows]})


def show(call: Call[Compute], group_id: str) -> Reply:
    with call.service.db.read() as connection:
        row = server_groups.load(connection, group_id, call.ctx)
        _may(call, "show", row.project_id)
        members = server_groups.members_of(connection, [group_id])[group_id]
    return Reply({"server_group": _view(call, row, members)})


def create(call: Call[Compute]) -> Reply:
    name, policy, rules = _read(call)
    _may(call, "create", call.ctx.project_id)
    row = server_groups.create(call.service, call.ctx, name, policy, rules)
    return Reply({"server_group": _view(call, row, [])})


def _read(call: Call[Compute]) -> tuple[str, str, dict[str, int]]:
    if call.version >= (2, 64):
        group = read(call, Body).server_group
        limit = UNSET if group.rules is UNSET else group.rules.max_server_per_host
        if limit is not UNSET and group.policy != "anti-affinity":
            raise BadRequest("Only anti-affinity policy supports rules.")
        return group.name, group.policy, {} if limit is UNSET else {"max_server_per_host": limit}
    old = read(call, SoftBody).server_group if call.version >= (2, 15) else read(call, OldBody).server_group
    return old.name, old.policies[0], {}


def delete(call: Call[Compute], group_id: str) -> Reply:
    with call.service.db.read() as connection:
        row = server_groups.load(connection, group_id, call.ctx)
    _may(call, "delete", row.project_id)
    server_groups.delete(call.service, call.ctx, group_id)
    return NO_CONTENT
