"""What of images and tasks is shown to whom."""

from __future__ import annotations

from typing import Any

import msgspec

from cumulet.image.domain.records import SHOWN_NAMES, Image
from cumulet.image.domain.tasks import Task
from cumulet.image.service import ImageService
from cumulet.image.views import moment
from cumulet.kernel.context import Context
from cumulet.kernel.http import Reply

HTML = "text/html; charset=UTF-8"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_PROPERTIES = SHOWN_NAMES.index("properties")


def nothing(status: int) -> Reply:
    """An answer without a body, of the type that the original's have all the same."""
    return Reply(b"", status, content_type=HTML)


def image(service: ImageService, ctx: Context, one: Image) -> bytes:
    if service.protections is not None:
        one.properties = service.protections.readable(ctx, one.properties)
    return service.view.image(one)


def rows(service: ImageService, ctx: Context, found: list[Any]) -> list[bytes]:
    """With property protections each row's properties are read first."""
    if service.protections is not None:
        found = [_readable(service, ctx, row) for row in found]
    return [service.view.row(row) for row in found]


def _readable(service: ImageService, ctx: Context, row: Any) -> tuple[Any, ...]:
    values = list(row)
    assert service.protections is not None
    properties = service.protections.readable(ctx, _decode(values[_PROPERTIES]))
    values[_PROPERTIES] = _encode(properties).decode()
    return tuple(values)


_TASK_STUB = ("id", "type", "status", "owner")
_TASK_OPTIONAL = ("image_id", "request_id", "user_id")


def task_stub(task: Task) -> dict[str, Any]:
    """A task in a list."""
    view = {name: task[name] for name in _TASK_STUB}
    view["created_at"], view["updated_at"] = moment(task["created_at"]), moment(task["updated_at"])
    if task["expires_at"] is not None:
        view["expires_at"] = moment(task["expires_at"])
    view["self"] = f"/v2/tasks/{task['id']}"
    view["schema"] = "/v2/schemas/task"
    return view


def task(one: Task) -> dict[str, Any]:
    view = {**task_stub(one), "input": one["input"], "result": one["result"], "message": one["message"]}
    view.update({name: one[name] for name in _TASK_OPTIONAL if one[name]})
    return view


def image_task(one: Task) -> dict[str, Any]:
    """A task below its image: the row with times as the original's database writes them, to the second."""
    times = ("created_at", "updated_at", "expires_at")
    view = {name: value for name, value in one.items() if name not in times}
    for name in times:
        view[name] = None if one[name] is None else moment(one[name])[:-1] + ".000000"
    return {**view, "deleted": False, "deleted_at": None}
