"""Wishes of users about one server that a job fulfils: checked, entered and enqueued in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from sqlalchemy.engine import Connection, Row

from cumulet.compute.domain import server_states, servers
from cumulet.compute.service import Compute
from cumulet.compute.tables import jobs
from cumulet.kernel.context import Context
from cumulet.kernel.errors import Conflict
from cumulet.kernel.jobs import enqueue


class Task(NamedTuple):
    """One kind of wish: its name in history, the job that fulfils it, and the states before and while.

    `verb` is what refusals call it. `launched`: only for a server that was active once.
    `locked`: also while the server is locked, as what only copies it.
    """

    action: str
    kind: str
    task_state: str | None
    allowed: tuple[str, ...]
    verb: str
    launched: bool = True
    idle: bool = True
    deadline_s: float = 300.0
    locked: bool = False


REBUILD: Final = Task("rebuild", "server.rebuild", "rebuilding", ("active", "stopped", "error"), "rebuild")
REIMAGE: Final = REBUILD._replace(deadline_s=3600.0)
"""A rebuild that has the image written onto the root volume first."""
RESCUE: Final = Task("rescue", "server.rescue", "rescuing", ("active", "stopped", "error"), "rescue")
UNRESCUE: Final = Task("unrescue", "server.unrescue", "unrescuing", ("rescued",), "unrescue")
_COPIED: Final = ("active", "stopped", "paused", "suspended")
SNAPSHOT: Final = Task(
    "createImage", "server.snapshot", "image_snapshot_pending", _COPIED, "createImage", deadline_s=3600.0, locked=True
)
BACKUP: Final = SNAPSHOT._replace(action="createBackup", task_state="image_backup", verb="createBackup")
SHELVE: Final = Task("shelve", "server.shelve", "shelving", _COPIED, "shelve", deadline_s=3600.0)
OFFLOAD: Final = Task("shelveOffload", "server.offload", "shelving_offloading", ("shelved",), "shelveOffload")
UNSHELVE: Final = Task("unshelve", "server.unshelve", "unshelving", ("shelved", "shelved_offloaded"), "unshelve")
RESTORE: Final = Task("restore", "server.restore", "restoring", ("soft-delete",), "restore")
RESIZE: Final = Task("resize", "server.move", "resize_prep", ("active", "stopped"), "resize", deadline_s=3600.0)
MIGRATE: Final = RESIZE._replace(action="migrate", verb="migrate")
CONFIRM: Final = Task("confirmResize", "server.confirm", None, ("resized",), "confirmResize")
REVERT: Final = Task(
    "revertResize", "server.revert", "resize_reverting", ("resized",), "revertResize", deadline_s=3600.0
)
LIVE: Final = Task(
    "live-migration", "server.live", "migrating", ("active", "paused"), "os-migrateLive", deadline_s=3600.0
)
EVACUATE: Final = Task("evacuate", "server.evacuate", "rebuilding", ("active", "stopped", "error"), "evacuate")
UNDO: Final = "server.undo"
REOFFLOAD: Final = "server.reoffload"
"""Kinds of jobs that nobody wishes for: the way back of a move and of an unshelving that failed."""

Prepare = Callable[[Connection, Row[Any]], dict[str, Any]]
"""`prepare(connection, row)`: checks and writes in the wish's transaction; returns what the job needs beside."""


def request(
    compute: Compute,
    ctx: Context,
    server_id: str,
    task: Task,
    *,
    payload: dict[str, Any] | None = None,
    values: dict[str, Any] | None = None,
    prepare: Prepare | None = None,
) -> Row[Any]:
    """Have it done; returns the server as it waits for it. Raises Conflict in a state that does not allow it.

    `values` are columns to set at once.
    """
    with compute.db.write() as connection:
        row = servers.load(connection, server_id, lock=True)
        require_allowed(row, task, ctx)
        more = {} if prepare is None else prepare(connection, row)
        action_id = servers.begin(compute, connection, ctx, server_id, task.action)
        generation = row.generation + 1
        changes = {"task_state": task.task_state, "generation": generation, **(values or {})}
        servers.change(connection, server_id, compute.now(), **changes)
        work = {**(payload or {}), **more, "action_id": action_id, "generation": generation}
        enqueue(connection, jobs, task.kind, work, subject=server_id, deadline_s=task.deadline_s, ctx=ctx)
        wanted = servers.load(connection, server_id)
    compute.wake()
    return wanted


def require_allowed(row: Row[Any], task: Task, ctx: Context) -> None:
    """What `request` asks of the server, to be known before something is done elsewhere."""
    if not task.locked:
        server_states.require_unlocked(row, admin=ctx.is_admin)
    require(row, task)


def require(row: Row[Any], task: Task) -> None:
    """Raises Conflict unless the server's state allows the task."""
    server_states.require(row, task.verb, task.allowed, idle=task.idle)
    if task.launched and row.launched_at is None:
        raise Conflict(f"Cannot '{task.verb}' instance {row.id} which has never been active")


def follow(
    compute: Compute,
    connection: Connection,
    row: Row[Any],
    kind: str,
    payload: dict[str, Any],
    *,
    deadline_s: float = 3600.0,
) -> None:
    """In a job's transaction: another job goes on with the server, which waits for that one then."""
    generation = row.generation + 1
    servers.change(connection, row.id, compute.now(), generation=generation)
    work = {**payload, "generation": generation}
    enqueue(connection, jobs, kind, work, subject=row.id, deadline_s=deadline_s)
