"""Conntrack helpers of routers: which helper looks into the connections of a port."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import NotFound
from cumulet.network.attributes import Values
from cumulet.network.domain import base, routers
from cumulet.network.domain.source import Source
from cumulet.network.errors import bad_request
from cumulet.network.service import Network
from cumulet.network.tables import conntrack_helpers as table

HELPERS: Final = {
    "amanda": "tcp",
    "ftp": "tcp",
    "h323": "udp",
    "irc": "tcp",
    "netbios-ns": "udp",
    "pptp": "tcp",
    "sane": "tcp",
    "sip": "udp",
    "snmp": "udp",
    "tftp": "udp",
}
"""The helpers of netfilter and the protocol each of them understands."""
_MEANING: Final = ("protocol", "port", "helper")


def missing(identifier: str) -> NotFound:
    return NotFound(f"Conntrack Helper {identifier} could not be found.", code="ConntrackHelperNotFound")


SOURCE = Source(table, missing, ("id", *_MEANING))


def create(network: Network, connection: Connection, ctx: Context, values: Values) -> str:
    """Raises BadRequest for a helper there is not, one that does not speak the protocol, or a second one."""
    router = routers.load(connection, values["router_id"], ctx, lock=True)
    row = base.new_row(
        network,
        {
            "project_id": router.project_id,
            "description": "",
            "router_id": router.id,
            **{key: values[key] for key in _MEANING},
        },
    )
    _check(connection, row)
    base.insert(connection, table, row)
    network.touch("router", router.id)
    return str(row["id"])


def _check(connection: Connection, row: Values) -> None:
    spoken = HELPERS.get(row["helper"])
    if spoken is None:
        raise bad_request(f"Conntrack helper {row['helper']} is not allowed.", "ConntrackHelperNotAllowed")
    if spoken != row["protocol"]:
        raise bad_request(
            f"Conntrack helper {row['helper']} does not support: {row['protocol']}. It supports: {spoken}",
            "InvalidProtocolForHelper",
        )
    same = sa.select(table.c.id).where(
        table.c.router_id == row["router_id"], table.c.id != row["id"], *(table.c[key] == row[key] for key in _MEANING)
    )
    if connection.execute(same).first() is not None:
        raise bad_request(
            "Bad conntrack_helper request: A duplicate conntrack helper entry with same attributes already exists, "
            f"conflicting values are {', '.join(f'{key}: {row[key]}' for key in _MEANING)}.",
            "BadRequest",
        )


def update(network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
    merged = {key: values.get(key, getattr(row, key)) for key in _MEANING}
    _check(connection, {**merged, "id": row.id, "router_id": row.router_id})
    base.change(network, connection, table, row.id, **merged)
    network.touch("router", row.router_id)


def delete(network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
    connection.execute(sa.delete(table).where(table.c.id == row.id))
    network.touch("router", row.router_id)
