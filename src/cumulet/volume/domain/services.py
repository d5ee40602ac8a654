"""Volume's services as operators see them: back ends, scheduler, backup; who reports, who takes new volumes."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.agents.volume.protocols import BackendReport, Report
from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.ids import uuid_id
from cumulet.kernel.jobs import enqueue
from cumulet.volume.service import Volume
from cumulet.volume.tables import jobs, pools, volume_services, volumes

VOLUME: Final = "cinder-volume"
SCHEDULER: Final = "cinder-scheduler"
BACKUP: Final = "cinder-backup"
RECONNECT: Final = "volume.reconnect"
"""The kind of job that exports a volume again; the subject is its id."""
Values = dict[str, Any]
_ZONES: Final = sa.select(volume_services.c.availability_zone, volume_services.c.disabled).where(
    volume_services.c.binary != SCHEDULER
)


def is_up(volume: Volume, row: Row[Any]) -> bool:
    """It reported lately."""
    oldest = volume.now() - volume.conf.service_down_time * 1_000_000
    return bool(row.last_seen_at is not None and row.last_seen_at >= oldest)


def find(connection: Connection, *, host: str | None = None, binary: str | None = None) -> list[Row[Any]]:
    """`host` is a service's whole name or what stands before its `@`."""
    query = sa.select(volume_services).order_by(volume_services.c.created_at, volume_services.c.id)
    if host is not None:
        # Names are few: no escaping of what LIKE gives a meaning.
        before = sa.func.substr(volume_services.c.host, 1, len(host) + 1) == f"{host}@"
        query = query.where(sa.or_(volume_services.c.host == host, before))
    if binary is not None:
        query = query.where(volume_services.c.binary == binary)
    return list(connection.execute(query))


def load(connection: Connection, host: str, binary: str) -> Row[Any]:
    """Raises the 404."""
    mine = sa.and_(volume_services.c.host == host, volume_services.c.binary == binary)
    row = connection.execute(sa.select(volume_services).where(mine)).first()
    if row is None:
        raise NotFound(f"Service {binary} could not be found on host {host}.")
    return row


def zones(volume: Volume, connection: Connection) -> dict[str, bool]:
    """Each availability zone, and whether some enabled service is in it."""
    found: dict[str, bool] = {}
    for zone, disabled in connection.execute(_ZONES):
        found[zone] = found.get(zone, False) or not disabled
    return found or {str(volume.conf.storage_availability_zone): True}


def report(volume: Volume, given: Report) -> None:
    """A host lives, with these back ends and pools. The first time its services are entered."""
    now = volume.now()
    with volume.db.write() as connection:
        for backend in given.backends:
            name = f"{given.host}@{backend.name}"
            state = "down" if backend.reason_down else "up"
            service_id = _seen(connection, now, name, VOLUME, given.availability_zone, backend_state=state)
            _enter_pools(connection, now, name, service_id, backend)
        if given.backup:
            _seen(connection, now, given.host, BACKUP, given.availability_zone)
        _reconnect(connection, given)
    if given.exports_lost:
        volume.wake()


def _reconnect(connection: Connection, given: Report) -> None:
    """Have the host's own volumes exported again whose exports came to an end."""
    for start in range(0, len(given.exports_lost), 500):
        own = sa.select(volumes.c.id, volumes.c.host).where(volumes.c.id.in_(given.exports_lost[start : start + 500]))
        for volume_id, host in connection.execute(own):
            if host is not None and host.partition("@")[0] == given.host:
                enqueue(connection, jobs, RECONNECT, {}, subject=volume_id, key=volume_id, max_attempts=1000)


def seen(volume: Volume, host: str, binary: str) -> None:
    """A service without a back end lives."""
    with volume.db.write() as connection:
        _seen(connection, volume.now(), host, binary, volume.conf.storage_availability_zone)


def _seen(connection: Connection, now: int, host: str, binary: str, zone: str, **values: Any) -> str:
    mine = sa.and_(volume_services.c.host == host, volume_services.c.binary == binary)
    row = connection.execute(sa.select(volume_services.c.id).where(mine).with_for_update()).first()
    seen_now = {"last_seen_at": now, "updated_at": now, "availability_zone": zone, **values}
    if row is not None:
        connection.execute(sa.update(volume_services).where(volume_services.c.id == row.id).values(**seen_now))
        return str(row.id)
    made = {"id": uuid_id(), "host": host, "binary": binary, "created_at": now, "log_levels": "{}"}
    connection.execute(sa.insert(volume_services).values(**made, **seen_now))
    return str(made["id"])


def _enter_pools(connection: Connection, now: int, backend: str, service_id: str, given: BackendReport) -> None:
    names = []
    for pool in given.pools:
        name = f"{backend}#{pool.name}"
        names.append(name)
        facts = msgspec.to_builtins(given) | {"pools": None, "pool": msgspec.to_builtins(pool), "service": service_id}
        values = {"backend": backend, "capabilities": msgspec.json.encode(facts).decode(), "reported_at": now}
        if not connection.execute(sa.update(pools).where(pools.c.name == name).values(**values)).rowcount:
            connection.execute(sa.insert(pools).values(name=name, **values))
    connection.execute(sa.delete(pools).where(pools.c.backend == backend, pools.c.name.not_in(names)))


def change(volume: Volume, host: str, binary: str, **values: Any) -> Row[Any]:
    """Enable, disable with a reason. Raises the 404."""
    with volume.db.write() as connection:
        row = load(connection, host, binary)
        mine = volume_services.c.id == row.id
        connection.execute(sa.update(volume_services).where(mine).values(**values, updated_at=volume.now()))
        return connection.execute(sa.select(volume_services).where(mine)).one()


def freeze(volume: Volume, host: str, *, frozen: bool) -> None:
    """Keep a back end from what changes it, or let it again. Raises the 404, BadRequest while it is not up."""
    with volume.db.write() as connection:
        row = load(connection, host, VOLUME)
        if not is_up(volume, row):
            raise BadRequest(f"Host {host} is not up.")
        connection.execute(sa.update(volume_services).where(volume_services.c.id == row.id).values(frozen=frozen))


def set_log_levels(volume: Volume, rows: list[Row[Any]], prefix: str, level: str) -> None:
    """Remember what operators set, so that `get-log` shows it until a restart of the cloud."""
    with volume.db.write() as connection:
        for row in rows:
            levels = msgspec.json.encode({**msgspec.json.decode(row.log_levels), prefix: level}).decode()
            connection.execute(
                sa.update(volume_services).where(volume_services.c.id == row.id).values(log_levels=levels)
            )


def log_levels(row: Row[Any]) -> dict[str, str]:
    return msgspec.json.decode(row.log_levels, type=dict[str, str])


def remove(volume: Volume, host: str, binary: str) -> None:
    """Forget a service and its pools. Raises the 404."""
    with volume.db.write() as connection:
        row = load(connection, host, binary)
        connection.execute(sa.delete(volume_services).where(volume_services.c.id == row.id))
        if binary == VOLUME:
            connection.execute(sa.delete(pools).where(pools.c.backend == host))
