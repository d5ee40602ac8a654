"""What Compute is told of its servers' ports (Compute API, os-server-external-events): each notice is a job, written
with the change it is about."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.engine import Connection, Row

from cumulet.kernel.jobs import enqueue
from cumulet.network.service import Network
from cumulet.network.tables import jobs

JOB: Final = "nova.events"
_DEADLINE_S: Final = 600.0


def statuses(network: Network, connection: Connection, changed: list[tuple[Row[Any], str]]) -> None:
    """Ports of servers that were plugged in, or out."""
    if not network.conf.notify_nova_on_port_status_changes:
        return
    names = {"ACTIVE": "network-vif-plugged", "DOWN": "network-vif-unplugged"}
    events = [_event(names[status], row) for row, status in changed if status in names and _is_servers(row)]
    _send(network, connection, events)


def changed(network: Network, connection: Connection, *rows: Row[Any]) -> None:
    """Ports of servers whose addresses are others now."""
    _data(network, connection, "network-changed", rows)


def deleted(network: Network, connection: Connection, *rows: Row[Any]) -> None:
    """Ports of servers that are gone."""
    _data(network, connection, "network-vif-deleted", rows)


def _data(network: Network, connection: Connection, name: str, rows: tuple[Row[Any], ...]) -> None:
    if network.conf.notify_nova_on_port_data_changes:
        _send(network, connection, [_event(name, row) for row in rows if _is_servers(row)])


def _is_servers(row: Row[Any]) -> bool:
    return bool(row.device_owner.startswith("compute:") and row.device_id)


def _event(name: str, row: Row[Any]) -> dict[str, str]:
    event = {"name": name, "server_uuid": row.device_id, "tag": row.id}
    return event if name == "network-changed" else {**event, "status": "completed"}


def _send(network: Network, connection: Connection, events: list[dict[str, str]]) -> None:
    if events:
        enqueue(connection, jobs, JOB, {"events": events}, subject=None, deadline_s=_DEADLINE_S)
        network.wake_engine()
