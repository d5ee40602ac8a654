"""Rows of deleted servers leave the tables: archived as JSON lines in files, purged when nobody needs those either."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.compute.service import Compute
from cumulet.compute.tables import block_devices, instance_actions, instance_events, migrations, servers

_DAY = "%Y-%m-%d"


def folder(compute: Compute) -> Path:
    return compute.env.paths.state / "archive" / "compute"


def archive(compute: Compute, most: int, before: int | None, *, purge: bool) -> dict[str, int]:
    """Move up to `most` deleted servers, with what belongs to them, out of the tables; returns rows by table.

    `before`: only those deleted earlier, microseconds since 1970 UTC. `purge`: without keeping them in files. The file
    is complete before its rows are deleted: an interruption leaves rows in both, never in neither.
    """
    with compute.db.write() as connection:
        chosen = sa.select(servers.c.id).where(servers.c.deleted)
        if before is not None:
            chosen = chosen.where(servers.c.deleted_at < before)
        ids = list(connection.execute(chosen.order_by(servers.c.deleted_at).limit(most)).scalars())
        if not ids:
            return {}
        counted: dict[str, int] = {}
        lines: list[bytes] = []
        for table, condition in _of(ids):
            rows = [
                {str(name): value for name, value in row._mapping.items()}
                for row in connection.execute(sa.select(table).where(condition))
            ]
            if rows:
                counted[str(table.name)] = len(rows)
                lines += [msgspec.json.encode({"table": str(table.name), "row": row}) for row in rows]
        if not purge:
            _keep(compute, lines)
        _delete(connection, ids)
    return counted


def _of(ids: list[str]) -> list[tuple[sa.Table, sa.ColumnElement[bool]]]:
    """Parents first; children go with their parents or right before them."""
    actions = sa.select(instance_actions.c.id).where(instance_actions.c.server_id.in_(ids))
    return [
        (servers, servers.c.id.in_(ids)),
        (instance_actions, instance_actions.c.server_id.in_(ids)),
        (instance_events, instance_events.c.action_id.in_(actions)),
        (block_devices, block_devices.c.server_id.in_(ids)),
        (migrations, migrations.c.server_id.in_(ids)),
    ]


def _delete(connection: Connection, ids: list[str]) -> None:
    for table, condition in reversed(_of(ids)):
        connection.execute(sa.delete(table).where(condition))


def _keep(compute: Compute, lines: list[bytes]) -> None:
    file = folder(compute) / f"{time.strftime(_DAY, time.gmtime(compute.now() / 1_000_000))}.jsonl"
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.open("ab") as out:
        out.write(b"\n".join(lines) + b"\n")
        out.flush()


def purge(compute: Compute, before: int | None) -> int:
    """Delete archives of days before this moment, all without one. Returns how many rows went."""
    gone = 0
    for file in sorted(folder(compute).glob("*.jsonl")):
        if before is not None and file.stem >= time.strftime(_DAY, time.gmtime(before / 1_000_000)):
            continue
        with file.open("rb") as lines:
            gone += sum(1 for _ in lines)
        file.unlink()
    return gone


def count(counted: dict[str, int], more: dict[str, int]) -> dict[str, int]:
    return {name: counted.get(name, 0) + more.get(name, 0) for name in sorted({*counted, *more})}
