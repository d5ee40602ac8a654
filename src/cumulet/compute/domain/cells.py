"""Cells: the original's division of a cloud's compute hosts. This cloud keeps all of them in one, beside cell0.

Hosts take servers as soon as they report; discovering them only enters that they were seen, as operators expect it.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.compute.service import Compute
from cumulet.compute.tables import cells, compute_nodes, servers
from cumulet.kernel.ids import uuid_id

CELL0: Final = "00000000-0000-0000-0000-000000000000"
"""The id of the cell of servers that no host could take, the same in every cloud."""
_NO_TRANSPORT: Final = "none:///"


class CellExists(Exception):
    """There is a cell with this transport and database already; `args[0]` is its id."""


class NoSuchCell(Exception):
    """No cell has this id."""


class CellInUse(Exception):
    """Hosts or servers are in the cell; the message says what."""


class Discovered(NamedTuple):
    """A compute node (id is its provider's) and whether it was entered just now."""

    id: str
    host: str


def ensure(compute: Compute) -> None:
    """What every cloud has from its first start: cell0, and a cell for hosts."""
    if not map_cell0(compute) or listed(compute)[1:]:
        return
    create(compute, "cell1", *here(compute))


def here(compute: Compute) -> tuple[str, str]:
    """Transport and database of this cloud's own cell, with their secrets."""
    url = compute.db.url.render_as_string(hide_password=False)
    return compute.conf.transport_url or "local:///", url


def map_cell0(compute: Compute, database: str | None = None) -> bool:
    """Enter cell0. False when it is there already."""
    with compute.db.write() as connection:
        if connection.execute(sa.select(cells.c.id).where(cells.c.id == CELL0)).first() is not None:
            return False
        _insert(compute, connection, CELL0, "cell0", _NO_TRANSPORT, database or here(compute)[1])
    return True


def create(
    compute: Compute, name: str | None, transport: str, database: str, *, disabled: bool = False, id: str | None = None
) -> str:
    """Enter a cell; returns its id. Raises CellExists."""
    with compute.db.write() as connection:
        same = sa.and_(cells.c.id != CELL0, cells.c.transport_url == transport, cells.c.database_connection == database)
        known = connection.execute(sa.select(cells.c.id).where(same)).scalar()
        if known is not None:
            raise CellExists(known)
        cell_id = id or uuid_id()
        _insert(compute, connection, cell_id, name, transport, database, disabled)
    return cell_id


def _insert(
    compute: Compute,
    connection: Connection,
    cell_id: str,
    name: str | None,
    transport: str,
    database: str,
    disabled: bool = False,
) -> None:
    values = {"transport_url": transport, "database_connection": database, "disabled": disabled}
    connection.execute(sa.insert(cells).values(id=cell_id, name=name, created_at=compute.now(), **values))


def listed(compute: Compute) -> list[Row[Any]]:
    """All cells, cell0 first and then by name."""
    with compute.db.read() as connection:
        rows = list(connection.execute(sa.select(cells)))
    return sorted(rows, key=lambda row: (row.id != CELL0, row.name or "", row.id))


def load(compute: Compute, cell_id: str) -> Row[Any]:
    """Raises NoSuchCell."""
    for row in listed(compute):
        if row.id == cell_id:
            return row
    raise NoSuchCell(cell_id)


def change(compute: Compute, cell_id: str, **values: Any) -> None:
    """Give a cell another name, transport or database, or another word on whether it takes servers."""
    with compute.db.write() as connection:
        if connection.execute(sa.update(cells).where(cells.c.id == cell_id).values(**values)).rowcount == 0:
            raise NoSuchCell(cell_id)


def delete(compute: Compute, cell_id: str, *, force: bool) -> None:
    """Raises NoSuchCell, CellInUse: with servers always, with hosts unless `force`."""
    load(compute, cell_id)
    with compute.db.write() as connection:
        own = connection.execute(sa.select(cells.c.id).where(cells.c.id != CELL0)).scalars().all()
        if own == [cell_id]:
            if connection.execute(sa.select(servers.c.id).where(sa.not_(servers.c.deleted)).limit(1)).first():
                raise CellInUse("There are existing instances mapped to cell")
            mapped = compute_nodes.c.mapped
            if not force and connection.execute(sa.select(compute_nodes.c.id).where(mapped).limit(1)).first():
                raise CellInUse("There are existing hosts mapped to cell")
            connection.execute(sa.update(compute_nodes).values(mapped=False))
        connection.execute(sa.delete(cells).where(cells.c.id == cell_id))


def unmapped(compute: Compute) -> list[Discovered]:
    """Nodes that reported and were never discovered."""
    with compute.db.read() as connection:
        query = sa.select(compute_nodes.c.id, compute_nodes.c.host).where(sa.not_(compute_nodes.c.mapped))
        return [Discovered(row.id, row.host) for row in connection.execute(query.order_by(compute_nodes.c.host))]


def discover(compute: Compute) -> list[Discovered]:
    """Enter every node that was not; returns them."""
    found = unmapped(compute)
    with compute.db.write() as connection:
        chosen = compute_nodes.c.id.in_([one.id for one in found])
        connection.execute(sa.update(compute_nodes).where(chosen).values(mapped=True))
    return found


def hosts(compute: Compute) -> list[str]:
    """The hosts that were discovered, by name."""
    with compute.db.read() as connection:
        query = sa.select(compute_nodes.c.host).where(compute_nodes.c.mapped).distinct()
        return sorted(connection.execute(query).scalars())


def forget_host(compute: Compute, host: str) -> bool:
    """Take a host out of its cell; False when it is in none. Raises CellInUse while it has servers."""
    with compute.db.write() as connection:
        here_now = sa.and_(servers.c.host == host, sa.not_(servers.c.deleted))
        if connection.execute(sa.select(servers.c.id).where(here_now).limit(1)).first():
            raise CellInUse("There are instances on the host")
        mine = sa.and_(compute_nodes.c.host == host, compute_nodes.c.mapped)
        return bool(connection.execute(sa.update(compute_nodes).where(mine).values(mapped=False)).rowcount)


def node_ids(compute: Compute) -> list[str]:
    """Every compute node; the ids are also their resource providers'."""
    with compute.db.read() as connection:
        return list(connection.execute(sa.select(compute_nodes.c.id)).scalars())


def has_server(compute: Compute, server_id: str) -> bool:
    with compute.db.read() as connection:
        mine = sa.and_(servers.c.id == server_id, sa.not_(servers.c.deleted))
        return connection.execute(sa.select(servers.c.id).where(mine)).first() is not None
