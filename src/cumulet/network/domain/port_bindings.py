"""Second bindings of a port (extension binding-extended): prepared on another host while a server moves there.

The active binding is the port's own; the others are rows of `port_bindings`. Making one active swaps the two.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.errors import NotFound
from cumulet.kernel.upsert import insert_if_absent
from cumulet.network.attributes import Values
from cumulet.network.domain import base, bindings
from cumulet.network.errors import conflict
from cumulet.network.service import Network
from cumulet.network.tables import port_bindings as table
from cumulet.network.tables import ports

ACTIVE: Final = "ACTIVE"
INACTIVE: Final = "INACTIVE"


class Binding(msgspec.Struct):
    """One binding as the API shows it."""

    host: str
    status: str
    vnic_type: str
    vif_type: str
    vif_details: msgspec.Raw
    profile: msgspec.Raw
    project_id: str


def missing(port_id: str, host: str) -> NotFound:
    return NotFound(f"Binding for port {port_id} for host {host} could not be found.", code="PortBindingNotFound")


def of_port(connection: Connection, port: Row[Any]) -> list[Binding]:
    """All bindings of a port, the active one first."""
    found = [_own(port)] if port.binding_host_id else []
    query = sa.select(table).where(table.c.port_id == port.id).order_by(table.c.host)
    return found + [_shown(port, row) for row in connection.execute(query)]


def _own(port: Row[Any]) -> Binding:
    return Binding(
        port.binding_host_id,
        ACTIVE,
        port.binding_vnic_type,
        port.binding_vif_type,
        msgspec.Raw(port.binding_vif_details),
        msgspec.Raw(port.binding_profile),
        port.project_id,
    )


def _shown(port: Row[Any], row: Row[Any]) -> Binding:
    details, profile = msgspec.Raw(row.vif_details), msgspec.Raw(row.profile)
    return Binding(row.host, row.status, row.vnic_type, row.vif_type, details, profile, port.project_id)


def show(connection: Connection, port: Row[Any], host: str) -> Binding:
    """Raises the 404."""
    for binding in of_port(connection, port):
        if binding.host == host:
            return binding
    raise missing(port.id, host)


def create(network: Network, connection: Connection, port: Row[Any], values: Values) -> Binding:
    """Raises Conflict for a host that has one, or on which the port cannot be bound."""
    host = values["host"]
    row = {"port_id": port.id, "host": host, "status": INACTIVE, **_bound(network, connection, port, host, values)}
    if host == port.binding_host_id or not insert_if_absent(connection, table, row):
        raise conflict("PortBindingAlreadyExists", f"Binding for port {port.id} on host {host} already exists.")
    network.touch("host", host)
    return show(connection, port, host)


def _bound(network: Network, connection: Connection, port: Row[Any], host: str, values: Values) -> Values:
    vnic_type = values.get("vnic_type", port.binding_vnic_type)
    vif_type, details = bindings.bound(network, connection, host, vnic_type, port.network_id)
    if vif_type == "binding_failed":
        raise conflict(
            "PortBindingError", f"Binding for port {port.id} on host {host} could not be created or updated."
        )
    return {
        "vnic_type": vnic_type,
        "vif_type": vif_type,
        "vif_details": base.to_json(details),
        "profile": base.to_json(values.get("profile") or {}),
    }


def update(network: Network, connection: Connection, port: Row[Any], host: str, values: Values) -> Binding:
    """Raises NotFound, and Conflict like `create`."""
    current = show(connection, port, host)
    given = {"vnic_type": current.vnic_type, "profile": msgspec.json.decode(current.profile), **values}
    target = given.pop("host", host)
    if target != host and any(one.host == target for one in of_port(connection, port)):
        raise conflict("PortBindingAlreadyExists", f"Binding for port {port.id} on host {target} already exists.")
    columns = _bound(network, connection, port, target, given)
    if current.status == ACTIVE:
        _make_own(network, connection, port, target, columns)
    else:
        mine = sa.and_(table.c.port_id == port.id, table.c.host == host)
        connection.execute(sa.update(table).where(mine).values(host=target, **columns))
    network.touch("host", host, target)
    return show(connection, _again(connection, port), target)


def _again(connection: Connection, port: Row[Any]) -> Row[Any]:
    return connection.execute(sa.select(ports).where(ports.c.id == port.id)).one()


def _make_own(network: Network, connection: Connection, port: Row[Any], host: str, columns: Values) -> None:
    changed = {f"binding_{key}": value for key, value in columns.items()}
    base.change(network, connection, ports, port.id, binding_host_id=host, status="DOWN", **changed)
    network.touch("network", port.network_id)


def delete(network: Network, connection: Connection, port: Row[Any], host: str) -> None:
    """Raises NotFound. Without its active binding the port is unbound."""
    if host and host == port.binding_host_id:
        empty = {"vnic_type": port.binding_vnic_type, "vif_type": "unbound", "vif_details": "{}", "profile": "{}"}
        _make_own(network, connection, port, "", empty)
    elif connection.execute(sa.delete(table).where(table.c.port_id == port.id, table.c.host == host)).rowcount == 0:
        raise missing(port.id, host)
    network.touch("host", host)


def activate(network: Network, connection: Connection, port: Row[Any], host: str) -> Binding:
    """Raises NotFound, and Conflict for the one that is active already."""
    if host == port.binding_host_id:
        raise conflict("PortBindingAlreadyActive", f"Binding for port {port.id} on host {host} is already active.")
    mine = sa.and_(table.c.port_id == port.id, table.c.host == host)
    row = connection.execute(sa.select(table).where(mine).with_for_update()).first()
    if row is None:
        raise missing(port.id, host)
    connection.execute(sa.delete(table).where(mine))
    if port.binding_host_id:
        before = _own(port)
        connection.execute(
            sa.insert(table).values(
                port_id=port.id,
                host=before.host,
                status=INACTIVE,
                vnic_type=before.vnic_type,
                vif_type=before.vif_type,
                vif_details=port.binding_vif_details,
                profile=port.binding_profile,
            )
        )
    columns = {key: getattr(row, key) for key in ("vnic_type", "vif_type", "vif_details", "profile")}
    _make_own(network, connection, port, host, columns)
    network.touch("host", host, port.binding_host_id)
    return show(connection, _again(connection, port), host)
