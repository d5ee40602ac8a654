"""Tasks: what imports are shown as (Image API v2, Tasks), and the lock that keeps an image for one of them."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.image.domain.records import Image
from cumulet.image.service import ImageService
from cumulet.image.tables import jobs
from cumulet.image.tables import tasks as table
from cumulet.kernel import jobs as kernel_jobs
from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest, Conflict, NotFound
from cumulet.kernel.ids import uuid_id

IMPORT = "import"
IMAGE_IMPORT = "api_image_import"
LOCATION_IMPORT = "location_import"
TYPES = (IMPORT, IMAGE_IMPORT, LOCATION_IMPORT)
STATUSES = ("pending", "processing", "success", "failure")

LOCK = "os_glance_import_task"
IMPORTING = "os_glance_importing_to_stores"
FAILED = "os_glance_failed_import"
"""Properties of an image that show the task it is kept for and how far that is."""

_PATIENCE_S = 2 * 86400.0
_HOUR_US = 3_600_000_000
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
Task = dict[str, Any]
_SORTABLE = ("created_at", "updated_at", "id", "type", "status", "owner", "image_id", "expires_at")


def _task(row: Row[Any]) -> Task:
    task = dict(row._mapping)
    task["input"] = _decode(task["input"])
    task["result"] = None if task["result"] is None else _decode(task["result"])
    return task


def create(
    service: ImageService,
    connection: Connection,
    ctx: Context,
    kind: str,
    task_input: dict[str, Any],
    *,
    image_id: str | None = None,
    secret: str | None = None,
) -> Task:
    """A task that waits, with the job that does it. `secret` is for the job alone. Call `service.wake` afterwards."""
    now = service.now()
    task: Task = {
        "id": uuid_id(),
        "type": kind,
        "status": "pending",
        "owner": ctx.project_id or "",
        "image_id": image_id,
        "user_id": ctx.user_id,
        "request_id": ctx.request_id or None,
        "expires_at": None,
        "created_at": now,
        "updated_at": now,
        "input": task_input,
        "result": None,
        "message": "",
    }
    connection.execute(sa.insert(table).values(**{**task, "input": _encode(task_input).decode()}))
    payload = {"task_id": task["id"], "roles": list(ctx.roles), "secret": secret}
    kernel_jobs.enqueue(
        connection, jobs, kind, payload, subject=image_id or task["id"], ctx=ctx, deadline_s=_PATIENCE_S, max_attempts=5
    )
    return task


def start_on_image(
    service: ImageService,
    connection: Connection,
    ctx: Context,
    image: Image,
    kind: str,
    task_input: dict[str, Any],
    *,
    secret: str | None = None,
) -> Task:
    """A task that has the image, which the caller has locked and saves. Raises Conflict while another has it."""
    holder = image.properties.get(LOCK)
    if holder is not None and is_open(connection, holder):
        raise Conflict("Image has active task")
    task = create(service, connection, ctx, kind, task_input, image_id=image.id, secret=secret)
    image.properties[LOCK] = task["id"]
    image.updated_at = service.now()
    return task


def is_open(connection: Connection, task_id: str) -> bool:
    status = connection.execute(sa.select(table.c.status).where(table.c.id == task_id)).scalar()
    return status in ("pending", "processing")


def get(connection: Connection, task_id: str) -> Task | None:
    row = connection.execute(sa.select(table).where(table.c.id == task_id)).first()
    return None if row is None else _task(row)


def begin(service: ImageService, connection: Connection, task_id: str) -> Task | None:
    """Mark a task as worked on. None for one that is gone or over already."""
    task = get(connection, task_id)
    if task is None or task["status"] in ("success", "failure"):
        return None
    _write(connection, task_id, status="processing", updated_at=service.now())
    return task


def say(service: ImageService, connection: Connection, task_id: str, message: str) -> None:
    """How far the work is."""
    _write(connection, task_id, message=message, updated_at=service.now())


def set_image(connection: Connection, task_id: str, image_id: str) -> None:
    """The image that a task has made."""
    _write(connection, task_id, image_id=image_id)


def succeed(service: ImageService, connection: Connection, task_id: str, result: dict[str, Any]) -> None:
    _end(service, connection, task_id, status="success", result=_encode(result).decode(), message="")


def fail(service: ImageService, connection: Connection, task_id: str, reason: str) -> None:
    _end(service, connection, task_id, status="failure", message=reason)


def _end(service: ImageService, connection: Connection, task_id: str, **values: Any) -> None:
    now = service.now()
    keep = service.conf.task.task_time_to_live * _HOUR_US
    _write(connection, task_id, updated_at=now, expires_at=now + keep, **values)


def _write(connection: Connection, task_id: str, **values: Any) -> None:
    connection.execute(sa.update(table).where(table.c.id == task_id).values(**values))


def show(service: ImageService, ctx: Context, task_id: str, *, is_admin: bool) -> Task:
    """Raises NotFound."""
    with service.db.read() as connection:
        task = get(connection, task_id)
    mine = task is not None and (is_admin or task["owner"] == ctx.project_id)
    if task is None or not mine or _expired(service, task):
        raise NotFound(f"No task found with ID {task_id}")
    return task


def _expired(service: ImageService, task: Task) -> bool:
    return task["expires_at"] is not None and task["expires_at"] <= service.now()


def of_image(service: ImageService, image_id: str) -> list[Task]:
    alive = sa.or_(table.c.expires_at.is_(None), table.c.expires_at > service.now())
    query = sa.select(table).where(table.c.image_id == image_id, alive).order_by(table.c.created_at, table.c.id)
    with service.db.read() as connection:
        return [_task(row) for row in connection.execute(query)]


def find(
    service: ImageService,
    ctx: Context,
    *,
    is_admin: bool,
    filters: dict[str, str],
    sort_key: str,
    descending: bool,
    limit: int,
    marker: str | None,
) -> list[Task]:
    """Raises BadRequest for an unknown key to sort by or marker."""
    if sort_key not in _SORTABLE:
        raise BadRequest("Sort key supplied was not valid.")
    columns = table.c
    query = sa.select(table).where(sa.or_(columns.expires_at.is_(None), columns.expires_at > service.now()))
    if not is_admin:
        query = query.where(columns.owner == ctx.project_id)
    for name in ("type", "status", "owner", "image_id", "user_id", "request_id"):
        if name in filters:
            query = query.where(columns[name] == filters[name])
    order = [sort_key, *(key for key in ("created_at", "id") if key != sort_key)]
    with service.db.read() as connection:
        if marker is not None:
            last = get(connection, marker)
            if last is None:
                raise BadRequest(f"No task found with ID {marker}")
            query = query.where(_after(order, last, descending=descending))
        query = query.order_by(*(_column(key).desc() if descending else _column(key).asc() for key in order))
        return [_task(row) for row in connection.execute(query.limit(limit))]


def _column(key: str) -> sa.ColumnElement[Any]:
    column = table.c[key]
    return sa.func.coalesce(column, 0 if key == "expires_at" else "") if key in ("expires_at", "image_id") else column


def _after(order: list[str], last: Task, *, descending: bool) -> sa.ColumnElement[bool]:
    values = {key: last[key] if last[key] is not None else (0 if key == "expires_at" else "") for key in order}
    alternatives = []
    for index, key in enumerate(order):
        equal = [_column(before) == values[before] for before in order[:index]]
        column = _column(key)
        alternatives.append(sa.and_(*equal, column < values[key] if descending else column > values[key]))
    return sa.or_(*alternatives)


def purge(service: ImageService) -> int:
    """Delete tasks whose time is over. Returns how many."""
    with service.db.write() as connection:
        done = connection.execute(sa.delete(table).where(table.c.expires_at <= service.now()))
        return int(done.rowcount)


def purge_before(service: ImageService, moment: int, *, most: int) -> int:
    """Delete tasks that were over before a moment (microseconds since 1970), at most `most` (-1: all)."""
    over = sa.select(table.c.id).where(table.c.status.in_(("success", "failure")), table.c.updated_at < moment)
    with service.db.write() as connection:
        ids = list(connection.execute(over if most < 0 else over.limit(most)).scalars())
        connection.execute(sa.delete(table).where(table.c.id.in_(ids)))
    return len(ids)
