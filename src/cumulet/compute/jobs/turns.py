"""Whose turn it is: what plugs something into a guest, and what moves or rebuilds the guest, go one after another.

A server that has no task may be asked for both at once: an attachment is no task, and a move may begin before it is
done. Each would read and write the same rows, and the one would plug in where the other has left. So a job waits for
those that were asked for before it; the order is the same for all of them, so that no two wait for each other.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from cumulet.compute.domain import assisted_snapshots, attachments, external_events, interfaces, moves, tasks
from cumulet.compute.service import Compute
from cumulet.compute.tables import jobs
from cumulet.kernel.jobs import Job, Retry

_AGAIN_S: Final = 0.1
PLUGGING: Final = (
    *(attachments.ATTACH, attachments.DETACH, attachments.SWAP, attachments.SWAPPED, attachments.SWAP_BACK),
    *(assisted_snapshots.CREATE, assisted_snapshots.DELETE),
    *(external_events.EXTEND, interfaces.ATTACH, interfaces.DETACH),
)
MOVING: Final = (
    *(one.kind for one in (tasks.CONFIRM, tasks.REVERT, tasks.RESIZE, tasks.LIVE, tasks.EVACUATE)),
    *(one.kind for one in (tasks.REBUILD, tasks.SHELVE, tasks.OFFLOAD, tasks.UNSHELVE)),
    *(tasks.UNDO, tasks.REOFFLOAD, moves.HEAL),
)
BOTH: Final = (*PLUGGING, *MOVING)


def await_turn(job: Job, compute: Compute, kinds: tuple[str, ...]) -> None:
    """Raises Retry while an older job of these kinds on the same server has not ended.

    The end of a swap is waited for even when it is younger, as the swap that it belongs to is not: it waits for nobody.
    """
    c = jobs.c
    is_older = sa.tuple_(c.created_at, c.id) < sa.tuple_(sa.literal(job.row.created_at), sa.literal(job.id))
    query = sa.select(c.id).where(
        c.subject == job.subject,
        c.finished_at.is_(None),
        c.kind.in_(kinds),
        sa.or_(is_older, c.kind.in_((attachments.SWAPPED, attachments.SWAP_BACK))),
    )
    with compute.db.read() as connection:
        older = connection.execute(query.limit(1)).first()
    if older is not None:
        raise Retry(_AGAIN_S, "Other work on the server has to end first.")
