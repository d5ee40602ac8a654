"""The snapshot of this process, brought up to date before it is read.

Asking costs one query of the seventeen change counters. Where a counter moved, only the providers that changed are
read again, so a search is never answered from stale inventories or usages and never reads them all.
"""

from __future__ import annotations

import threading

from cumulet.kernel.db import Database
from cumulet.placement.domain import changes
from cumulet.placement.domain.snapshot import loader
from cumulet.placement.domain.snapshot.loader import Counters
from cumulet.placement.domain.snapshot.model import Snapshot


class SnapshotCache:
    def __init__(self, db: Database) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._state: tuple[Counters, Snapshot] = ({}, Snapshot())

    def current(self) -> Snapshot:
        """All that was committed when this was called."""
        with self._db.read() as connection:
            wanted = loader.counters(connection)
        seen, snapshot = self._state
        if seen == wanted:
            return snapshot
        with self._lock:
            seen, snapshot = self._state
            if _covers(seen, wanted):
                return snapshot
            with loader.consistent(self._db) as connection:
                now = loader.counters(connection)
                snapshot = _refresh(connection, snapshot, seen, now)
            self._state = now, snapshot
            return snapshot


def _covers(seen: Counters, wanted: Counters) -> bool:
    return all(shard in seen and seen[shard].value >= counter.value for shard, counter in wanted.items())


def _refresh(connection: loader.Connection, snapshot: Snapshot, seen: Counters, now: Counters) -> Snapshot:
    moved = {shard for shard, counter in now.items() if seen.get(shard) != counter}
    if changes.VOCABULARY in moved:
        snapshot = snapshot.with_vocabulary(*loader.vocabulary(connection))
        moved.remove(changes.VOCABULARY)
    if not moved:
        return snapshot
    if not seen:
        return snapshot.with_changes(loader.load(connection), ())
    removed: set[str] = set()
    for shard in moved:
        if seen[shard].deletions != now[shard].deletions:
            left = loader.uuids_in(connection, shard)
            removed |= {p.uuid for p in snapshot.providers.values() if p.shard == shard} - left
    changed = loader.load(connection, {shard: counter.value for shard, counter in seen.items()})
    return snapshot.with_changes(changed, removed)
