"""Host aggregates: hosts with something in common, and the availability zones they make."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.compute.domain import services
from cumulet.compute.service import Compute
from cumulet.compute.tables import aggregate_hosts, aggregates, servers
from cumulet.kernel.errors import BadRequest, Conflict, NotFound
from cumulet.kernel.ids import uuid_id
from cumulet.kernel.upsert import insert_if_absent

Aggregate = dict[str, Any]
"""{"id", "uuid", "name", "metadata", "hosts", "created_at", "updated_at"} with times in microseconds"""
ZONE = "availability_zone"


def load(connection: Connection, aggregate_id: str, *, lock: bool = False) -> Aggregate:
    """Raises the 404, also for a number below 1, and BadRequest for what is no number."""
    if aggregate_id.startswith("-") and aggregate_id[1:].isdigit():
        raise NotFound(f"Aggregate {aggregate_id} could not be found.")
    if not aggregate_id.isdigit() or len(aggregate_id) > 9:
        raise BadRequest("Invalid input received: id must be an integer")
    query = sa.select(aggregates).where(aggregates.c.id == int(aggregate_id))
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise NotFound(f"Aggregate {aggregate_id} could not be found.")
    return _assembled(connection, [row])[0]


def find(connection: Connection) -> list[Aggregate]:
    rows = connection.execute(sa.select(aggregates).order_by(aggregates.c.id)).all()
    return _assembled(connection, list(rows))


def _assembled(connection: Connection, rows: list[Row[Any]]) -> list[Aggregate]:
    hosts: dict[int, list[str]] = {row.id: [] for row in rows}
    query = sa.select(aggregate_hosts).where(aggregate_hosts.c.aggregate_id.in_(hosts)).order_by(aggregate_hosts.c.host)
    for member in connection.execute(query):
        hosts[member.aggregate_id].append(member.host)
    return [
        {
            "id": row.id,
            "uuid": row.uuid,
            "name": row.name,
            "metadata": msgspec.json.decode(row.metadata),
            "hosts": hosts[row.id],
            "created_at": row.created_at,
            "updated_at": row.updated_at,
        }
        for row in rows
    ]


def create(compute: Compute, name: str, zone: str | None) -> Aggregate:
    """Raises Conflict for a name in use."""
    metadata = {} if zone is None else {ZONE: zone}
    row = {
        "uuid": uuid_id(),
        "name": name,
        "metadata": msgspec.json.encode(metadata).decode(),
        "created_at": compute.now(),
        "updated_at": None,
    }
    with compute.db.write() as connection:
        if connection.execute(sa.select(aggregates.c.id).where(aggregates.c.name == name)).first() is not None:
            raise Conflict(f"Aggregate {name} already exists.")
        if not insert_if_absent(connection, aggregates, row):
            raise Conflict(f"Aggregate {name} already exists.")
        found = connection.execute(sa.select(aggregates).where(aggregates.c.name == name)).one()
        return _assembled(connection, [found])[0]


def update(compute: Compute, aggregate_id: str, name: str | None, zone: str | None) -> Aggregate:
    """Raises Conflict for a name in use or a zone that servers stand in the way of."""
    with compute.db.write() as connection:
        current = load(connection, aggregate_id, lock=True)
        values: dict[str, Any] = {"updated_at": compute.now()}
        if name is not None and name != current["name"]:
            if connection.execute(sa.select(aggregates.c.id).where(aggregates.c.name == name)).first() is not None:
                raise Conflict(f"Aggregate {name} already exists.")
            values["name"] = name
        if zone is not None:
            _require_one_zone(connection, current, current["hosts"], zone)
            _require_no_servers(connection, current, zone)
            values["metadata"] = msgspec.json.encode({**current["metadata"], ZONE: zone}).decode()
        connection.execute(sa.update(aggregates).where(aggregates.c.id == current["id"]).values(**values))
        return load(connection, aggregate_id)


def set_metadata(compute: Compute, aggregate_id: str, changes: dict[str, str | None]) -> Aggregate:
    """Adds and replaces; null takes a key away. Raises BadRequest or Conflict for zones that do not fit."""
    with compute.db.write() as connection:
        current = load(connection, aggregate_id, lock=True)
        if ZONE in changes:
            wanted = changes[ZONE]
            if not wanted:
                raise BadRequest(
                    f"Cannot update metadata of aggregate {aggregate_id}. Reason: Aggregate {current['name']} does not "
                    "support empty named availability zone."
                )
            _require_one_zone(connection, current, current["hosts"], wanted)
            _require_no_servers(connection, current, wanted)
        merged = {key: value for key, value in {**current["metadata"], **changes}.items() if value is not None}
        values = {"metadata": msgspec.json.encode(merged).decode(), "updated_at": compute.now()}
        connection.execute(sa.update(aggregates).where(aggregates.c.id == current["id"]).values(**values))
        return load(connection, aggregate_id)


def _require_one_zone(connection: Connection, current: Aggregate, hosts: list[str], zone: str) -> None:
    """A host is in one availability zone."""
    others = (
        sa.select(aggregates.c.metadata, aggregate_hosts.c.host)
        .join(aggregate_hosts, aggregate_hosts.c.aggregate_id == aggregates.c.id)
        .where(aggregate_hosts.c.host.in_(hosts), aggregates.c.id != current["id"])
    )
    for row in connection.execute(others):
        theirs = msgspec.json.decode(row.metadata).get(ZONE)
        if theirs is not None and theirs != zone:
            raise Conflict(
                f"Cannot update aggregate {current['id']}. Reason: One or more hosts already in availability zone(s) "
                f"['{theirs}']."
            )


def _require_no_servers(connection: Connection, current: Aggregate, zone: str) -> None:
    """Servers do not change their zone by a name on their host."""
    if current["metadata"].get(ZONE) == zone or not current["hosts"]:
        return
    here = sa.select(servers.c.id).where(servers.c.host.in_(current["hosts"]), sa.not_(servers.c.deleted)).limit(1)
    if connection.execute(here).first() is not None:
        raise Conflict(
            f"Cannot update aggregate {current['id']}. Reason: One or more hosts contain instances in this zone."
        )


def delete(compute: Compute, aggregate_id: str) -> None:
    """Raises BadRequest while hosts are in it."""
    with compute.db.write() as connection:
        current = load(connection, aggregate_id, lock=True)
        if current["hosts"]:
            raise BadRequest(f"Cannot remove aggregate {aggregate_id}. Reason: Host aggregate is not empty.")
        connection.execute(sa.delete(aggregates).where(aggregates.c.id == current["id"]))


def add_host(compute: Compute, aggregate_id: str, host: str) -> Aggregate:
    """Raises NotFound for the host, Conflict when it is in already or in another zone."""
    with compute.db.write() as connection:
        current = load(connection, aggregate_id, lock=True)
        services.of_host(connection, host)
        if ZONE in current["metadata"]:
            _require_one_zone(connection, current, [host], current["metadata"][ZONE])
        if not insert_if_absent(connection, aggregate_hosts, {"aggregate_id": current["id"], "host": host}):
            raise Conflict(f"Aggregate {aggregate_id} already has host {host}.")
        return _touched(compute, connection, aggregate_id)


def remove_host(compute: Compute, aggregate_id: str, host: str) -> Aggregate:
    """Raises NotFound."""
    with compute.db.write() as connection:
        current = load(connection, aggregate_id, lock=True)
        services.of_host(connection, host)
        mine = sa.and_(aggregate_hosts.c.aggregate_id == current["id"], aggregate_hosts.c.host == host)
        if connection.execute(sa.delete(aggregate_hosts).where(mine)).rowcount == 0:
            raise NotFound(f"Aggregate {aggregate_id} has no host {host}.")
        return _touched(compute, connection, aggregate_id)


def _touched(compute: Compute, connection: Connection, aggregate_id: str) -> Aggregate:
    mine = aggregates.c.id == int(aggregate_id)
    connection.execute(sa.update(aggregates).where(mine).values(updated_at=compute.now()))
    return load(connection, aggregate_id)
