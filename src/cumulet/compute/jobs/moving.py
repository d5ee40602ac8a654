"""What all moves share: room on another host, ports that follow, and the way back."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Connection, Row

from cumulet.compute.clients import placement
from cumulet.compute.domain import console_tokens, moves, servers, services, tasks
from cumulet.compute.domain.server_states import RUNNING, SHUTDOWN
from cumulet.compute.jobs import disks, ending, ports
from cumulet.compute.jobs.work import Work, forget_password, is_for
from cumulet.compute.scheduling.claim import claim
from cumulet.compute.service import Compute
from cumulet.kernel.jobs import Job


def move_of(work: Work) -> Row[Any]:
    with work.compute.db.read() as connection:
        return moves.load(connection, work.payload["migration"])


def take_room(work: Work, *, status: str, task_state: str | None, flavor: dict[str, Any] | None = None) -> Row[Any]:
    """Have a destination claimed and entered; returns the move.

    The move itself holds what the server holds on its host from then on, the server what it gets on the other.
    """
    move = move_of(work)
    if move.dest_compute is not None:
        return move
    row, compute = work.row, work.compute
    owner = {"project_id": row.project_id, "user_id": row.user_id}
    if not placement.allocations(compute.session, move.uuid)["allocations"]:
        placement.hand_over(compute.session, row.id, move.uuid, kind="MIGRATION", **owner)
    place = claim(compute, row, work.payload["place"], flavor)

    def enter(connection: Connection) -> None:
        there = {"dest_compute": place.host, "dest_node": place.node}
        moves.change(connection, move.uuid, compute.now(), status=status, **there)

    work.change(enter, task_state=task_state)
    return move_of(work)


def zone_of(work: Work, host: str) -> str:
    with work.compute.db.read() as connection:
        return services.zones(connection).get(host, str(work.compute.conf.default_availability_zone))


def arrive(work: Work, move: Row[Any]) -> dict[str, Any]:
    """Columns of a server that is on the move's destination now."""
    return {
        "host": move.dest_compute,
        "node": move.dest_node,
        "availability_zone": zone_of(work, move.dest_compute),
    }


def end_move(work: Work, uuid: str, status: str) -> Any:
    """For `finish` and `change`: another status of the move. Consoles are where they were no longer."""

    def end(connection: Connection) -> None:
        console_tokens.forget(connection, work.row.id)
        moves.change(connection, uuid, work.compute.now(), status=status)

    return end


def size_of(flavor: dict[str, Any]) -> dict[str, Any]:
    """Columns of a server with this flavor."""
    return {
        "flavor": servers.encode(flavor),
        "flavor_id": flavor["id"],
        "vcpus": flavor["vcpus"],
        "memory_mb": flavor["ram"],
    }


def failed(event: str, *, status: str = "error", vm_state: str | None = None) -> Any:
    """The way back is a job of its own; until it has ended the server is shown as being moved.

    `vm_state`: what the server is afterwards, if not what it was.
    """

    def give_up(job: Job, compute: Compute, connection: Connection, reason: str) -> None:
        row = servers.load_any(connection, job.subject, lock=True)
        if row is None or not is_for(job, row):
            return
        ending.enter_event(compute, connection, job, event, row.host, reason)
        forget_password(connection, job)
        end = {"vm_state": vm_state or row.vm_state, "status": status, "reason": reason}
        tasks.follow(compute, connection, row, tasks.UNDO, {"migration": job.payload["migration"], "end": end})

    return give_up


def go_to(work: Work, host: str) -> None:
    """Have ports and volumes lead to this host; those of volumes to the other stay until `settle`."""
    ports.bind(work.compute, work.job, work.row, host, zone_of(work, host))
    disks.connect(work.job, work.compute, work.row, host)


def settle(work: Work) -> None:
    """The server is where it is to be: its volumes lead there and nowhere else."""
    disks.complete(work.job, work.compute, work.row)
    disks.let_go(work.job, work.compute, work.row)


def go_back(work: Work, move: Row[Any], *, power_on: bool, restart: bool = True) -> None:
    """Have the server on the host it came from, and nothing of it on the other. Each step may be repeated.

    `restart` False: it was never stopped there, or the host is dead.
    """
    row, source, dest = work.row, move.source_compute, move.dest_compute
    if dest is not None and dest != source:
        if restart or move.migration_type != moves.LIVE:
            work.insist(dest, "destroy", server_id=row.id)
        else:
            work.insist(dest, "cancel_live", server_id=row.id)
        go_to(work, source)
    if restart and dest is not None:
        volumes = disks.present(work.compute, row.id)
        work.insist(source, "revert_resize", server_id=row.id, volumes=volumes, power_on=power_on)
    settle(work)
    owner = {"project_id": row.project_id, "user_id": row.user_id}
    placement.hand_over(work.compute.session, move.uuid, row.id, kind="INSTANCE", **owner)


def power_after(vm_state: str) -> dict[str, Any]:
    return {"vm_state": vm_state, "power_state": RUNNING if vm_state == "active" else SHUTDOWN}
