"""The disks of servers: one row each, and the short form in the server's own row that lists show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from cumulet.compute.domain import servers
from cumulet.compute.service import Compute
from cumulet.compute.tables import block_devices as table
from cumulet.kernel.db import violates_unique
from cumulet.kernel.errors import BadRequest, Forbidden, NotFound
from cumulet.kernel.ids import uuid_id

Device = dict[str, Any]
"""Columns of a row."""
MOST: Final = 26  # /dev/vda to /dev/vdz


def of_server(connection: Connection, server_id: str) -> list[Row[Any]]:
    """In the order in which they were asked for."""
    query = sa.select(table).where(table.c.server_id == server_id)
    return list(connection.execute(query.order_by(table.c.created_at, table.c.id)))


def volumes_of(connection: Connection, server_id: str) -> list[Row[Any]]:
    """Those that are volumes, or will be."""
    return [row for row in of_server(connection, server_id) if row.destination_type == "volume"]


def find(connection: Connection, server_id: str, volume_id: str) -> Row[Any] | None:
    mine = sa.and_(table.c.server_id == server_id, table.c.volume_id == volume_id)
    return connection.execute(sa.select(table).where(mine)).first()


def load(connection: Connection, server_id: str, volume_id: str) -> Row[Any]:
    """Raises the 404."""
    row = find(connection, server_id, volume_id)
    if row is None:
        raise NotFound(f"Instance {server_id} is not attached to volume {volume_id}")
    return row


def of_volume(connection: Connection, volume_id: str) -> Sequence[Row[Any]]:
    """Of all servers that have it."""
    return connection.execute(sa.select(table).where(table.c.volume_id == volume_id)).all()


def by_id(connection: Connection, device_id: str) -> Row[Any] | None:
    return connection.execute(sa.select(table).where(table.c.id == device_id)).first()


def insert(connection: Connection, server_id: str, devices: Iterable[Device], now: int) -> list[str]:
    """New rows of one server, in this order; returns their ids. Raises BadRequest for a volume it has already."""
    ids = []
    for index, device in enumerate(devices):
        ids.append(uuid_id())
        values = {"id": ids[-1], "server_id": server_id, "created_at": now + index, **device}
        try:
            connection.execute(sa.insert(table).values(**values))
        except IntegrityError as error:
            if violates_unique(error):
                raise BadRequest(
                    f"Invalid volume: volume {device['volume_id']} already attached to instance {server_id}"
                ) from None
            raise
    return ids


def change(connection: Connection, device_id: str, **values: Any) -> None:
    connection.execute(sa.update(table).where(table.c.id == device_id).values(**values))


def delete(connection: Connection, *device_ids: str) -> None:
    if device_ids:
        connection.execute(sa.delete(table).where(table.c.id.in_(device_ids)))


def delete_all(connection: Connection, server_id: str) -> None:
    connection.execute(sa.delete(table).where(table.c.server_id == server_id))


def short(devices: Iterable[Any]) -> str:
    """What a server's row says of its volumes."""
    return servers.encode(
        [
            {"id": device.volume_id, "delete_on_termination": device.delete_on_termination}
            for device in devices
            if device.volume_id is not None
        ]
    )


def tell_server(compute: Compute, connection: Connection, server_id: str) -> None:
    """Bring the server's row up to date with its rows here."""
    text = short(of_server(connection, server_id))
    servers.change(connection, server_id, compute.now(), volumes=text)


def next_name(flavor: dict[str, Any], taken: Sequence[str | None], wanted: str | None = None) -> str:
    """A device name that is free, the one asked for if it is. Raises Forbidden when all are taken.

    The root disk is the first; the flavor's ephemeral and swap disks follow it.
    """
    local = 1 + (1 if flavor["ephemeral"] else 0) + (1 if flavor["swap"] else 0)
    used = {_letters(name) for name in taken if name} | {chr(ord("a") + index) for index in range(local)}
    if wanted and _letters(wanted) not in used:
        return wanted if wanted.startswith("/dev/") else f"/dev/{wanted}"
    for index in range(MOST):
        letter = chr(ord("a") + index)
        if letter not in used:
            return f"/dev/vd{letter}"
    raise Forbidden("The maximum allowed number of disk devices to attach to a single instance has been exceeded.")


def _letters(name: str) -> str:
    """What tells devices apart whatever their bus is: `b` of /dev/vdb, xvdb and sdb."""
    bare = name.removeprefix("/dev/").rstrip("0123456789")
    for prefix in ("xvd", "vd", "sd", "hd"):
        if bare.startswith(prefix):
            return bare[len(prefix) :]
    return bare
