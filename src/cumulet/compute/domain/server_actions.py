"""What can be done to a server on its host: in which states, and what it leaves behind."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from cumulet.compute.domain import moves, server_states, servers
from cumulet.compute.domain.server_states import PAUSED, RUNNING, SHUTDOWN, SUSPENDED
from cumulet.compute.service import Compute
from cumulet.compute.tables import jobs
from cumulet.kernel.context import Context
from cumulet.kernel.errors import Conflict
from cumulet.kernel.jobs import enqueue


class Power(NamedTuple):
    """One operation: its name in history, the agent's method, and the states before, while and after."""

    action: str
    method: str
    event: str
    task_state: str
    allowed: tuple[str, ...]
    vm_state: str
    power_state: int


_REBOOTED: Final = ("active", "stopped", "paused", "suspended", "error")
POWERS: Final = {
    "start": Power("start", "start", "compute_start_instance", "powering-on", ("stopped",), "active", RUNNING),
    "stop": Power(
        "stop", "stop", "compute_stop_instance", "powering-off", ("active", "error", "rescued"), "stopped", SHUTDOWN
    ),
    "reboot_soft": Power("reboot", "reboot", "compute_reboot_instance", "rebooting", ("active",), "active", RUNNING),
    "reboot_hard": Power("reboot", "reboot", "compute_reboot_instance", "rebooting_hard", _REBOOTED, "active", RUNNING),
    "pause": Power("pause", "pause", "compute_pause_instance", "pausing", ("active",), "paused", PAUSED),
    "unpause": Power("unpause", "unpause", "compute_unpause_instance", "unpausing", ("paused",), "active", RUNNING),
    "suspend": Power(
        "suspend", "suspend", "compute_suspend_instance", "suspending", ("active",), "suspended", SUSPENDED
    ),
    "resume": Power("resume", "resume", "compute_resume_instance", "resuming", ("suspended",), "active", RUNNING),
}


def request(compute: Compute, ctx: Context, server_id: str, name: str) -> None:
    """Have an operation done. Raises Conflict in a state that does not allow it, and for a locked server."""
    power = POWERS[name]
    with compute.db.write() as connection:
        row = servers.load(connection, server_id, lock=True)
        server_states.require_unlocked(row, admin=ctx.is_admin)
        hard_again = name == "reboot_hard" and row.task_state in ("rebooting", "rebooting_hard")
        server_states.require(row, power.action, power.allowed, idle=not hard_again)
        if row.host is None:
            raise Conflict(f"Instance {server_id} is not ready")
        action_id = servers.begin(compute, connection, ctx, server_id, power.action)
        generation = row.generation + 1
        servers.change(connection, server_id, compute.now(), task_state=power.task_state, generation=generation)
        payload = {"operation": name, "action_id": action_id, "generation": generation}
        enqueue(connection, jobs, servers.ACT, payload, subject=server_id, deadline_s=servers.DEADLINE_S, ctx=ctx)
    compute.wake()


def set_lock(compute: Compute, ctx: Context, server_id: str, locked: bool, reason: str | None = None) -> None:
    """Only administrators change a locked server from then on; it is unlocked by its owner or by one of them."""
    with compute.db.write() as connection:
        row = servers.load(connection, server_id, lock=True)
        by = ("owner" if ctx.project_id == row.project_id and not ctx.is_admin else "admin") if locked else None
        servers.begin(compute, connection, ctx, server_id, "lock" if locked else "unlock")
        values: dict[str, Any] = {"locked": locked, "locked_by": by, "locked_reason": reason if locked else None}
        servers.change(connection, server_id, compute.now(), **values)


def reset(compute: Compute, ctx: Context, server_id: str, state: str) -> None:
    """Set the state without touching the host; whatever is under way loses its say. A move is ended by a job: the
    server stays on the host it is on, and what was taken elsewhere is given back."""
    with compute.db.write() as connection:
        row = servers.load(connection, server_id, lock=True)
        servers.begin(compute, connection, ctx, server_id, "resetState")
        values = {"vm_state": state, "task_state": None, "generation": row.generation + 1}
        servers.change(connection, server_id, compute.now(), **values)
        under_way = moves.open_of(connection, server_id)
        for move in under_way:
            moves.enqueue_heal(connection, move)
    if under_way:
        compute.wake()
