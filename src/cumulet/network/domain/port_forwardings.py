"""Port forwardings: ports of one floating IP that lead to ports of several fixed addresses."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import NotFound
from cumulet.kernel.ids import uuid_id
from cumulet.network.attributes import Values
from cumulet.network.domain import base, floating_ips, floating_targets, ports
from cumulet.network.domain.source import Condition, Source
from cumulet.network.errors import bad_request, conflict
from cumulet.network.service import Network
from cumulet.network.tables import floating_ips as floating_table
from cumulet.network.tables import port_forwardings as table

_TARGET: Final = ("internal_port_id", "internal_ip_address", "protocol")
Range = tuple[int, int]


def missing(identifier: str) -> NotFound:
    return NotFound(f"Port Forwarding {identifier} could not be found.", code="PortForwardingNotFound")


def _range_filter(column: sa.ColumnElement[str], values: list[str]) -> Condition:
    return column.in_([value if ":" in value else f"{value}:{value}" for value in values])


SOURCE = Source(
    table,
    missing,
    (
        "id",
        "external_port",
        "external_port_range",
        "internal_port",
        "internal_port_range",
        *_TARGET,
        "description",
    ),
    filters={
        "external_port_range": lambda values: _range_filter(table.c.external_port_range, values),
        "internal_port_range": lambda values: _range_filter(table.c.internal_port_range, values),
    },
)


def create(network: Network, connection: Connection, ctx: Context, values: Values) -> str:
    """Raises BadRequest for ports that do not fit or are taken, NotFound for a port or no router between, Conflict
    when the floating IP or the fixed address is associated already."""
    floating = floating_ips.SOURCE.load(connection, values["floatingip_id"], ctx, lock=True)
    if floating.port_id is not None:
        raise conflict(
            "FloatingIPPortAlreadyAssociated",
            f"Cannot associate floating IP {floating.floating_ip_address} ({floating.id}) with port "
            f"{values['internal_port_id']} using fixed IP {values['internal_ip_address']}, as that fixed IP already "
            f"has a floating IP on external network {floating.floating_network_id}.",
        )
    row = base.new_row(
        network,
        {
            "id": uuid_id(),
            "project_id": floating.project_id,
            "floatingip_id": floating.id,
            "description": values.get("description") or "",
        },
    )
    row |= _columns(values)
    router_id = _router(connection, ctx, floating, row)
    _require_free(connection, row)
    base.insert(connection, table, row)
    if floating.router_id is None:
        base.change(network, connection, floating_table, floating.id, router_id=router_id, status="ACTIVE")
    floating_targets.refresh_forwardings(network, connection, floating.id)
    network.touch("router", router_id)
    return str(row["id"])


def _columns(values: Values) -> Values:
    """Ports and ranges as both are kept, and what they lead to. Raises BadRequest."""
    row: Values = {key: values[key] for key in _TARGET}
    ranges = {side: _range(values, side) for side in ("external", "internal")}
    sizes = {side: high - low for side, (low, high) in ranges.items()}
    if sizes["internal"] not in (0, sizes["external"]):
        raise bad_request(
            "Invalid input for operation: Invalid ranges for internal and/or external ports. Ranges must have the same "
            "size, or the internal one a single port.",
            "InvalidInput",
        )
    for side, (low, high) in ranges.items():
        row[f"{side}_port"] = low if low == high else None
        row[f"{side}_port_range"] = f"{low}:{high}"
    return row


def _range(values: Values, side: str) -> Range:
    single, several = values.get(f"{side}_port"), values.get(f"{side}_port_range")
    if (single is None) == (several is None):
        reason = "are both given" if single is not None else "are both absent: one is needed"
        raise bad_request(f"Invalid input for operation: {side}_port and {side}_port_range {reason}.", "InvalidInput")
    if single is not None:
        return int(single), int(single)
    low, _, high = str(several).partition(":")
    return int(low), int(high or low)


def _parsed(text: str) -> Range:
    low, _, high = text.partition(":")
    return int(low), int(high)


def _router(connection: Connection, ctx: Context, floating: Row[Any], row: Values) -> str:
    """The router between the internal address and the floating IP's network."""
    port = ports.load(connection, row["internal_port_id"], ctx)
    address = row["internal_ip_address"]
    fixed = next((entry for entry in base.from_json(port.fixed_ips) if entry["ip_address"] == address), None)
    if fixed is None:
        raise bad_request(
            f"Requested internal IP address {address} does not correspond to an address of internal Neutron port "
            f"{port.id}.",
            "BadRequest",
        )
    _require_no_floating_ip(connection, port.id, address)
    router_id = floating_ips.router_between(connection, fixed["subnet_id"], floating.floating_network_id)
    if router_id is None or floating.router_id not in (None, router_id):
        raise NotFound(
            f"External network {floating.floating_network_id} is not reachable from subnet {fixed['subnet_id']}.  "
            f"Therefore, cannot associate Port {port.id} with a Floating IP.",
            code="ExternalGatewayForFloatingIPNotFound",
        )
    return router_id


def _require_no_floating_ip(connection: Connection, port_id: str, address: str) -> None:
    bound = sa.select(floating_table.c.id, floating_table.c.floating_ip_address).where(
        floating_table.c.port_id == port_id, floating_table.c.fixed_ip_address == address
    )
    found = connection.execute(bound).first()
    if found is not None:
        raise conflict(
            "PortHasBindingFloatingIP",
            f"Cannot create port forwarding to floating IP {found.floating_ip_address} ({found.id}) with port "
            f"{port_id} using fixed IP {address}, as that port already has a binding floating IP.",
        )


def _require_free(connection: Connection, row: Values) -> None:
    """No other forwarding of the floating IP may take the same outside port, nor any lead to the same inside one."""
    same = sa.select(table).where(table.c.protocol == row["protocol"], table.c.id != row["id"])
    outside = same.where(table.c.floatingip_id == row["floatingip_id"])
    inside = same.where(
        table.c.internal_port_id == row["internal_port_id"],
        table.c.internal_ip_address == row["internal_ip_address"],
    )
    for side, query in (("external", outside), ("internal", inside)):
        low, high = _parsed(row[f"{side}_port_range"])
        for other in connection.execute(query).all():
            first, last = _parsed(getattr(other, f"{side}_port_range"))
            if first <= high and low <= last:
                raise bad_request(
                    "Bad port_forwarding request: A duplicate port forwarding entry with same attributes already "
                    f"exists, conflicting values are {side}_port_range: {first}:{last}, protocol: {row['protocol']}.",
                    "BadRequest",
                )


def update(network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
    """Raises like `create`."""
    floating = floating_ips.SOURCE.load(connection, row.floatingip_id, lock=True)
    merged: Values = {"id": row.id, "floatingip_id": row.floatingip_id}
    merged |= _columns({**{key: getattr(row, key) for key in _TARGET}, **_kept_ports(row, values), **values})
    _router(connection, ctx, floating, merged)
    _require_free(connection, merged)
    changes = {key: value for key, value in merged.items() if key not in ("id", "floatingip_id")}
    if "description" in values:
        changes["description"] = values["description"]
    base.change(network, connection, table, row.id, **changes)
    floating_targets.refresh_forwardings(network, connection, row.floatingip_id)
    network.touch("router", floating.router_id)


def _kept_ports(row: Row[Any], values: Values) -> Values:
    """The ranges that an update says nothing about."""
    return {
        f"{side}_port_range": getattr(row, f"{side}_port_range")
        for side in ("external", "internal")
        if values.get(f"{side}_port") is None and values.get(f"{side}_port_range") is None
    }


def delete(network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
    floating = floating_ips.SOURCE.load(connection, row.floatingip_id, lock=True)
    connection.execute(sa.delete(table).where(table.c.id == row.id))
    floating_targets.refresh_forwardings(network, connection, row.floatingip_id)
    network.touch("router", floating.router_id)
