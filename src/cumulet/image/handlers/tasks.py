"""`/v2/tasks` (Image API v2, Tasks)."""

from __future__ import annotations

import uuid
from urllib.parse import urlencode

from cumulet.image.bodies import read_object
from cumulet.image.domain import imports, tasks
from cumulet.image.guards import Guard
from cumulet.image.handlers import shown
from cumulet.image.schemas.imports import parse_task
from cumulet.image.service import ImageService
from cumulet.kernel.errors import BadRequest, MethodNotAllowed
from cumulet.kernel.http import Call, Reply


def _allow(call: Call[ImageService]) -> Guard:
    call.service.policy.can(call.ctx, "tasks_api_access")
    return Guard(call.service, call.ctx)


def index(call: Call[ImageService]) -> Reply:
    guard = _allow(call)
    query = {name: values[-1] for name, values in call.query().items()}
    limit = _limit(query.get("limit"), call.service.conf.limit_param_default)
    limit = min(limit, call.service.conf.api_limit_max)
    direction = query.get("sort_dir", "desc")
    if direction not in ("asc", "desc"):
        raise BadRequest(f"Invalid sort direction: {direction}")
    if query.get("status") and query["status"] not in tasks.STATUSES:
        raise BadRequest(f"Invalid status value: {query['status']}")
    if query.get("type") and query["type"] not in tasks.TYPES:
        raise BadRequest(f"Invalid type value: {query['type']}")
    found = tasks.find(
        call.service,
        call.ctx,
        is_admin=guard.is_admin,
        filters=query,
        sort_key=query.get("sort_key", "created_at"),
        descending=direction == "desc",
        limit=limit,
        marker=_marker(query.get("marker")),
    )
    return Reply(_collection(query, found, limit))


def _limit(text: str | None, default: int) -> int:
    if text is None:
        return default
    try:
        limit = int(text)
    except ValueError:
        raise BadRequest("limit param must be an integer") from None
    if limit < 0:
        raise BadRequest("limit param must be positive")
    return limit


def _marker(text: str | None) -> str | None:
    if not text:
        return None
    try:
        uuid.UUID(text)
    except ValueError:
        raise BadRequest("Invalid marker format") from None
    return text


def _collection(query: dict[str, str], found: list[tasks.Task], limit: int) -> dict[str, object]:
    plain = {name: value for name, value in query.items() if name != "marker"}
    body: dict[str, object] = {
        "tasks": [shown.task_stub(task) for task in found],
        "first": "/v2/tasks" + (f"?{urlencode(plain)}" if plain else ""),
        "schema": "/v2/schemas/tasks",
    }
    if found and len(found) == limit:
        body["next"] = f"/v2/tasks?{urlencode({**plain, 'marker': found[-1]['id']})}"
    return body


def create(call: Call[ImageService]) -> Reply:
    guard = _allow(call)
    request = parse_task(read_object(call))
    task = imports.start_legacy(call.service, guard, request.input)
    return Reply(shown.task(task), 201, {"Location": f"{call.base_url}/v2/tasks/{task['id']}"})


def show(call: Call[ImageService], task_id: str) -> Reply:
    guard = _allow(call)
    return Reply(shown.task(tasks.show(call.service, call.ctx, task_id, is_admin=guard.is_admin)))


def delete(call: Call[ImageService], task_id: str) -> Reply:
    _allow(call)
    raise MethodNotAllowed(
        "This operation is currently not permitted on Glance Tasks. They are auto deleted after reaching the time "
        "based on their expires_at property.",
        headers={"Allow": "GET"},
    )
