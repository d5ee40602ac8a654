"""Giving a volume a pool: the scheduler's choice, made sure of under the pool's lock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.client import Unreachable
from cumulet.kernel.jobs import GiveUp, Job, Retry
from cumulet.volume.clients import compute
from cumulet.volume.domain import pools, types, volumes
from cumulet.volume.domain.pools import Pool
from cumulet.volume.scheduling import choice, filters
from cumulet.volume.service import Volume
from cumulet.volume.tables import volumes as table

NO_BACKEND = "No valid backend was found. No weighed backends available"


def place(
    job: Job, volume: Volume, row: Row[Any], *, near: str | None = None, excluded: Iterable[str] = ()
) -> str | None:
    """Choose a pool and enter it; returns it, None when nobody wants the volume any more.

    near: where its source is, which it has to be beside. Raises GiveUp when no pool takes it.
    """
    chosen = _choose(volume, row, near, list(excluded))
    with volume.db.write() as connection:
        job.fence(connection)
        now = volumes.load_any(connection, row.id, lock=True)
        if now is None or now.status != row.status:
            return None
        if now.host is not None and now.host not in excluded:
            return str(now.host)
        _make_sure(volume, connection, chosen, row)
        values = {"host": chosen.name, "service_uuid": chosen.service_id, "availability_zone": chosen.zone}
        connection.execute(sa.update(table).where(table.c.id == row.id).values(**values))
    return chosen.name


def _choose(volume: Volume, row: Row[Any], near: str | None, excluded: list[str]) -> Pool:
    with volume.db.read() as connection:
        found = pools.load_all(volume, connection)
        wish = wish_of(connection, row, near, excluded)
    wish.server_host = _server_host(volume, row)
    try:
        return choice.choose(volume, found, wish)[0]
    except choice.NoneLeft as error:
        raise GiveUp(f"{NO_BACKEND} ({error})") from None


def wish_of(connection: Connection, row: Row[Any], near: str | None, excluded: list[str]) -> choice.Wish:
    type_row = volumes.type_of(connection, row)
    hints = msgspec.json.decode(row.scheduler_hints)
    same, different = (_hosts(connection, hints.get(key)) for key in ("same_host", "different_host"))
    query = hints.get("query")
    return choice.Wish(
        size_gb=row.size,
        zone=row.availability_zone,
        specs=types.extra_specs(type_row) if type_row is not None else {},
        multiattach=types.is_multiattach(type_row),
        hosts=None if near is None else [near.partition("#")[0]],
        same=same or None,
        different=different,
        excluded=excluded,
        query=query if query is None or isinstance(query, str) else volumes.encode(query),
    )


def _server_host(volume: Volume, row: Row[Any]) -> str | None:
    """Where the server of the hint `local_to_instance` is; "" of one that is nowhere. Raises Retry."""
    server_id = msgspec.json.decode(row.scheduler_hints).get("local_to_instance")
    if not isinstance(server_id, str) or choice.LOCALITY not in choice.enabled(volume):
        return None
    try:
        return compute.host_of(volume.session, server_id) or ""
    except (Unreachable, LookupError) as error:
        raise Retry(1.0, f"The compute service does not answer: {error}") from None


def _hosts(connection: Connection, hint: Any) -> list[str]:
    """The hosts of the volumes that a hint names."""
    ids = [hint] if isinstance(hint, str) else hint if isinstance(hint, list) else []
    wanted = [each for each in ids if isinstance(each, str)][:64]
    if not wanted:
        return []
    query = sa.select(table.c.host).where(table.c.id.in_(wanted), table.c.host.is_not(None))
    return list(connection.execute(query).scalars())


def _make_sure(volume: Volume, connection: Connection, pool: Pool, row: Row[Any]) -> None:
    """Others may have been given the room in the meantime."""
    try:
        allocated = pools.lock(connection, pool.name)
    except LookupError:
        raise Retry(0.2, f"Pool {pool.name} is gone.") from None
    pool.provisioned_gb += max(0, allocated - pool.allocated_gb)
    if not filters.has_room(volume, pool, row.size):
        raise Retry(0.2, f"Pool {pool.name} was filled by others.")
