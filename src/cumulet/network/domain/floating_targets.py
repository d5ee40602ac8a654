"""What becomes of floating IPs and port forwardings when the port they lead to changes or goes."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.network.attributes import Values
from cumulet.network.domain import base
from cumulet.network.domain.source import Condition
from cumulet.network.service import Network
from cumulet.network.tables import floating_ips, port_forwardings

_NOWHERE: Final = {"port_id": None, "fixed_ip_address": None, "router_id": None, "status": "DOWN"}


def lose_port(network: Network, connection: Connection, port_id: str) -> None:
    """Floating IPs of a port that goes lead nowhere; port forwardings to it end."""
    _disassociate(network, connection, floating_ips.c.port_id == port_id)
    _end_forwardings(network, connection, port_forwardings.c.internal_port_id == port_id)


def lose_addresses(network: Network, connection: Connection, port_id: str, addresses: list[str]) -> None:
    """The same for single fixed addresses that a port gives up, as by the original."""
    if not addresses:
        return
    mine = sa.and_(floating_ips.c.port_id == port_id, floating_ips.c.fixed_ip_address.in_(addresses))
    _disassociate(network, connection, mine)
    forwarded = sa.and_(
        port_forwardings.c.internal_port_id == port_id, port_forwardings.c.internal_ip_address.in_(addresses)
    )
    _end_forwardings(network, connection, forwarded)


def _disassociate(network: Network, connection: Connection, which: Condition) -> None:
    found = connection.execute(sa.select(floating_ips.c.id, floating_ips.c.router_id).where(which)).all()
    if not found:
        return
    connection.execute(sa.update(floating_ips).where(floating_ips.c.id.in_([row.id for row in found])).values(_NOWHERE))
    network.touch("router", *(row.router_id for row in found))


def _end_forwardings(network: Network, connection: Connection, which: Condition) -> None:
    affected = list(connection.execute(sa.select(port_forwardings.c.floatingip_id).where(which).distinct()).scalars())
    if not affected:
        return
    connection.execute(sa.delete(port_forwardings).where(which))
    for floating_id in affected:
        refresh_forwardings(network, connection, floating_id)


def refresh_forwardings(network: Network, connection: Connection, floating_id: str) -> None:
    """Bring the floating IP's own copy of its forwardings up to date (extension expose-port-forwarding-in-fip)."""
    table = port_forwardings
    rows = connection.execute(sa.select(table).where(table.c.floatingip_id == floating_id).order_by(table.c.created_at))
    shown = [
        {
            "protocol": row.protocol,
            "internal_ip_address": row.internal_ip_address,
            "internal_port": row.internal_port,
            "internal_port_range": row.internal_port_range,
            "internal_port_id": row.internal_port_id,
            "external_port": row.external_port,
            "external_port_range": row.external_port_range,
            "id": row.id,
            "description": row.description,
        }
        for row in rows
    ]
    mine = floating_ips.c.id == floating_id
    network.touch("router", connection.execute(sa.select(floating_ips.c.router_id).where(mine)).scalar() or "")
    values: Values = {"port_forwardings": base.to_json(shown)}
    if not shown:
        values |= {"router_id": None, "status": "DOWN"}
    connection.execute(sa.update(floating_ips).where(mine).values(**values))
