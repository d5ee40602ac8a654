"""Compute's services as operators see them: who reports, who is up, who is kept from new servers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.compute.domain.counters import next_number
from cumulet.compute.service import Compute
from cumulet.compute.tables import aggregate_hosts, aggregates, compute_nodes, compute_services, servers
from cumulet.kernel.errors import BadRequest, Conflict, NotFound
from cumulet.kernel.ids import uuid_id

COMPUTE: Final = "nova-compute"
INTERNAL: Final = ("nova-scheduler", "nova-conductor")
"""What an engine is. They have no servers, so no host of servers and no zone of those."""
_TOPICS: Final = {binary: binary.removeprefix("nova-") for binary in (COMPUTE, *INTERNAL)}
_VERSION: Final = 1


def is_up(compute: Compute, row: Row[Any]) -> bool:
    """It reported lately and nobody forced it down."""
    return _lives(row, oldest_sign(compute))


def oldest_sign(compute: Compute) -> int:
    """A service that was seen since then is up."""
    return int(compute.now() - compute.conf.service_down_time * 1_000_000)


def _lives(row: Row[Any], oldest: int) -> bool:
    return bool(not row.forced_down and row.last_seen_at is not None and row.last_seen_at >= oldest)


def find(connection: Connection, *, host: str | None = None, binary: str | None = None) -> list[Row[Any]]:
    query = sa.select(compute_services).order_by(compute_services.c.number)
    if host is not None:
        query = query.where(compute_services.c.host == host)
    if binary is not None:
        query = query.where(compute_services.c.binary == binary)
    return list(connection.execute(query))


def load(connection: Connection, service_id: str, *, by_number: bool) -> Row[Any]:
    """By uuid, or by number as before microversion 2.53. Raises the 404, BadRequest for a malformed number."""
    if by_number and not service_id.isdigit():
        raise BadRequest(f"Invalid service id {service_id}")
    table = compute_services
    condition = table.c.number == int(service_id) if by_number else table.c.id == service_id
    row = connection.execute(sa.select(table).where(condition)).first()
    if row is None:
        raise NotFound(f"Service {service_id} could not be found.")
    return row


def of_host(connection: Connection, host: str, binary: str = COMPUTE) -> Row[Any]:
    """Raises the 404."""
    found = find(connection, host=host, binary=binary)
    if not found:
        if binary == COMPUTE:
            raise NotFound(f"Compute host {host} could not be found.")
        raise NotFound(f"Could not find binary {binary} on host {host}.")
    return found[0]


def zones(connection: Connection) -> dict[str, str]:
    """The availability zone of each host that an aggregate puts into one."""
    query = sa.select(aggregate_hosts.c.host, aggregates.c.metadata).join(
        aggregates, aggregates.c.id == aggregate_hosts.c.aggregate_id
    )
    found: dict[str, str] = {}
    for row in connection.execute(query.where(aggregates.c.metadata.contains("availability_zone"))):
        zone = zone_of([msgspec.json.decode(row.metadata)])
        if zone is not None:
            found[row.host] = zone
    return found


def zone_of(metadata: Iterable[Mapping[str, Any]]) -> str | None:
    """The zone that a host's aggregates put it into, by their metadata."""
    zones = [one.get("availability_zone") for one in metadata]
    return next((zone for zone in reversed(zones) if isinstance(zone, str)), None)


class Standing:
    """What is said of services beside their rows. Made once for a list, however many they are."""

    def __init__(self, compute: Compute, connection: Connection) -> None:
        self._zones = zones(connection)
        self._default = str(compute.conf.default_availability_zone)
        self._internal = str(compute.conf.internal_service_availability_zone)
        self._oldest = oldest_sign(compute)

    def is_up(self, row: Row[Any]) -> bool:
        return _lives(row, self._oldest)

    def zone(self, row: Row[Any]) -> str:
        return self._zones.get(row.host, self._default) if row.binary == COMPUTE else self._internal


def report_all(connection: Connection, now: int, hosts: Collection[str], binary: str = COMPUTE) -> dict[str, str]:
    """The services of these hosts say that they live; those that are new are entered. Returns their ids by host."""
    mine = sa.and_(compute_services.c.binary == binary, compute_services.c.host.in_(hosts))
    seen = {"last_seen_at": now, "updated_at": now, "version": _VERSION}
    connection.execute(sa.update(compute_services).where(mine).values(**seen))
    known = sa.select(compute_services.c.host, compute_services.c.id).where(mine)
    ids: dict[str, str] = {row.host: row.id for row in connection.execute(known)}
    new = [host for host in hosts if host not in ids]
    if new:
        first = next_number(connection, "services", len(new))
        ids |= {host: uuid_id() for host in new}
        fixed = {**seen, "created_at": now, "topic": _TOPICS[binary], "binary": binary}
        rows = [{"id": ids[host], "number": first + index, "host": host, **fixed} for index, host in enumerate(new)]
        connection.execute(sa.insert(compute_services), rows)
    return ids


def beat(compute: Compute, hosts: Sequence[str]) -> list[str]:
    """Compute hosts live, as they were: one statement however many. Returns those that nobody has entered."""
    now = compute.now()
    mine = sa.and_(compute_services.c.binary == COMPUTE, compute_services.c.host.in_(hosts))
    with compute.db.write() as connection:
        done = connection.execute(
            sa.update(compute_services).where(mine).values(last_seen_at=now, updated_at=now)
        ).rowcount
        if done == len(set(hosts)):
            return []
        known = set(connection.execute(sa.select(compute_services.c.host).where(mine)).scalars())
        return [host for host in hosts if host not in known]


def change(compute: Compute, row: Row[Any], **values: Any) -> Row[Any]:
    """Enable, disable with a reason, force down."""
    with compute.db.write() as connection:
        mine = compute_services.c.id == row.id
        connection.execute(sa.update(compute_services).where(mine).values(**values))
        return connection.execute(sa.select(compute_services).where(mine)).one()


def delete(compute: Compute, row: Row[Any]) -> None:
    """Raises Conflict while servers are on its host."""
    with compute.db.write() as connection:
        if row.binary == COMPUTE:
            here = sa.select(servers.c.id).where(servers.c.host == row.host, sa.not_(servers.c.deleted)).limit(1)
            if connection.execute(here).first() is not None:
                raise Conflict(
                    "Unable to delete compute service that is hosting instances. Migrate or delete the instances first."
                )
            connection.execute(sa.delete(compute_nodes).where(compute_nodes.c.service_id == row.id))
            connection.execute(sa.delete(aggregate_hosts).where(aggregate_hosts.c.host == row.host))
        connection.execute(sa.delete(compute_services).where(compute_services.c.id == row.id))


def host_states(
    compute: Compute, connection: Connection, hosts: Collection[str | None] | None = None
) -> dict[str, str]:
    """`host_status` of compute hosts, of all or of these: UP, DOWN, MAINTENANCE (disabled)."""
    table = compute_services
    query: sa.Select[Any] = sa.select(table.c.host, table.c.disabled, table.c.forced_down, table.c.last_seen_at)
    query = query.where(table.c.binary == COMPUTE)
    if hosts is not None:
        query = query.where(table.c.host.in_({host for host in hosts if host is not None}))
    oldest = oldest_sign(compute)
    return {
        row.host: "MAINTENANCE" if row.disabled else "UP" if _lives(row, oldest) else "DOWN"
        for row in connection.execute(query)
    }


def has_node(connection: Connection, host: str | None, node: str | None) -> bool:
    """Whether some compute node has this host and this name, where given."""
    query = sa.select(compute_nodes.c.id)
    if host is not None:
        query = query.where(compute_nodes.c.host == host)
    if node is not None:
        query = query.where(compute_nodes.c.hypervisor_hostname == node)
    return connection.execute(query.limit(1)).first() is not None
