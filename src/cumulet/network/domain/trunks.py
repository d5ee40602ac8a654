"""Trunks: several networks over one parent port, told apart by segmentation ids."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import NotFound
from cumulet.network.attributes import Values
from cumulet.network.domain import base, bindings, networks, ports, quotas
from cumulet.network.domain.source import Source
from cumulet.network.errors import bad_request, conflict
from cumulet.network.service import Network
from cumulet.network.tables import ports as port_table
from cumulet.network.tables import trunk_subports, trunks

SUBPORT_OWNER: Final = "trunk:subport"
_PLAIN: Final = ("name", "description", "admin_state_up")


def missing(identifier: str) -> NotFound:
    return NotFound(f"Trunk {identifier} could not be found.", code="TrunkNotFound")


SOURCE = Source(
    trunks,
    missing,
    (*base.NAMED, "port_id", "admin_state_up", "status", "sub_ports"),
    visible=base.own(trunks),
    filters=base.tag_filters(trunks),
)


def create(network: Network, connection: Connection, ctx: Context, values: Values) -> str:
    """Raises NotFound for ports, Conflict for one in use, BadRequest for a segmentation that makes no sense."""
    quotas.require(network, connection, values["project_id"], "trunk")
    parent = ports.load(connection, values["port_id"], ctx, lock=True)
    _require_outside(connection, parent.id)
    if parent.device_owner and parent.binding_host_id:
        raise conflict(
            "ParentPortInUse",
            f"Port {parent.id} is currently in use and is not eligible for use as a parent port.",
        )
    row = base.new_row(
        network,
        {
            "project_id": values["project_id"],
            "port_id": parent.id,
            "status": "DOWN",
            "sub_ports": "[]",
            **{key: values[key] for key in _PLAIN if key in values},
        },
    )
    base.insert(connection, trunks, row)
    _add(network, connection, ctx, row["id"], parent, values.get("sub_ports") or [])
    _refresh(network, connection, row["id"])
    return str(row["id"])


def _require_outside(connection: Connection, port_id: str) -> None:
    """A port is in one trunk at most, as its parent or as a subport."""
    trunk = connection.execute(sa.select(trunks.c.id).where(trunks.c.port_id == port_id)).scalar()
    if trunk is not None:
        raise conflict("TrunkPortInUse", f"Port {port_id} is currently a parent port for trunk {trunk}.")
    trunk = connection.execute(sa.select(trunk_subports.c.trunk_id).where(trunk_subports.c.port_id == port_id)).scalar()
    if trunk is not None:
        raise conflict("PortInUseAsSubPort", f"Port {port_id} is currently a subport for trunk {trunk}.")


def _add(
    network: Network, connection: Connection, ctx: Context, trunk_id: str, parent: Row[Any], wanted: list[Values]
) -> None:
    taken = {
        (row.segmentation_type, row.segmentation_id)
        for row in connection.execute(sa.select(trunk_subports).where(trunk_subports.c.trunk_id == trunk_id))
    }
    for one in wanted:
        port = ports.load(connection, one["port_id"], ctx, lock=True)
        _require_outside(connection, port.id)
        if port.id == parent.id or (port.device_owner and port.binding_host_id):
            raise conflict("PortInUse", f"Port {port.id} is in use and cannot be a subport.")
        segmentation = _segmentation(connection, one, port)
        if segmentation in taken:
            raise conflict(
                "DuplicateSubPort",
                f"segmentation_type {segmentation[0]} and segmentation_id {segmentation[1]} already in use on trunk "
                f"{trunk_id}.",
            )
        taken.add(segmentation)
        connection.execute(
            sa.insert(trunk_subports).values(
                port_id=port.id,
                trunk_id=trunk_id,
                segmentation_type=segmentation[0],
                segmentation_id=segmentation[1],
            )
        )
        base.change(network, connection, port_table, port.id, device_owner=SUBPORT_OWNER)


def _segmentation(connection: Connection, wanted: Values, port: Row[Any]) -> tuple[str, int]:
    kind, number = wanted.get("segmentation_type"), wanted.get("segmentation_id")
    if kind == "inherit":
        parent = networks.load(connection, port.network_id)
        if parent.network_type != "vlan" or parent.segmentation_id is None:
            raise bad_request(
                f"Invalid input for operation: network {parent.id} of subport {port.id} has no VLAN id to inherit.",
                "InvalidInput",
            )
        return "vlan", int(parent.segmentation_id)
    if kind is None or number is None:
        raise bad_request(
            f"Invalid input for operation: subport {port.id} needs segmentation_type and segmentation_id.",
            "InvalidInput",
        )
    return str(kind), int(number)


def update(network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
    base.change(network, connection, trunks, row.id, **{key: values[key] for key in _PLAIN if key in values})
    _tell(network, connection, row.id)


def delete(network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
    """Its ports stay, each for itself again."""
    mine = sa.select(trunk_subports.c.port_id).where(trunk_subports.c.trunk_id == row.id)
    _tell(network, connection, row.id)
    _release(network, connection, list(connection.execute(mine).scalars()))
    base.forget_tags(connection, row.id)
    connection.execute(sa.delete(trunks).where(trunks.c.id == row.id))
    connection.execute(sa.update(port_table).where(port_table.c.id == row.port_id).values(trunk_details=None))


def _tell(network: Network, connection: Connection, trunk_id: str) -> None:
    """The host that has the trunk's parent must look again."""
    parent = sa.select(trunks.c.port_id).where(trunks.c.id == trunk_id).scalar_subquery()
    host = connection.execute(sa.select(port_table.c.binding_host_id).where(port_table.c.id == parent)).scalar()
    network.touch("host", host)


def _release(network: Network, connection: Connection, port_ids: list[str]) -> None:
    connection.execute(sa.delete(trunk_subports).where(trunk_subports.c.port_id.in_(port_ids)))
    for port_id in port_ids:
        row = ports.load(connection, port_id)
        gone = bindings.to_host(network, connection, row, "")
        base.change(network, connection, port_table, port_id, device_owner="", **gone)


def add_subports(network: Network, connection: Connection, ctx: Context, row: Row[Any], wanted: list[Values]) -> None:
    """Raises like `create`, and Conflict while the trunk is switched off."""
    _require_up(row)
    parent = ports.load(connection, row.port_id)
    _add(network, connection, ctx, row.id, parent, wanted)
    _refresh(network, connection, row.id)


def _require_up(row: Row[Any]) -> None:
    if not row.admin_state_up:
        raise conflict("TrunkDisabled", f"Trunk {row.id} is currently disabled.")


def remove_subports(
    network: Network, connection: Connection, ctx: Context, row: Row[Any], unwanted: list[Values]
) -> None:
    """Raises NotFound for a port that is no subport of this trunk."""
    _require_up(row)
    mine = set(
        connection.execute(sa.select(trunk_subports.c.port_id).where(trunk_subports.c.trunk_id == row.id)).scalars()
    )
    ids = [one["port_id"] for one in unwanted]
    for port_id in ids:
        if port_id not in mine:
            raise NotFound(
                f"SubPort on trunk {row.id} with parent port {row.port_id} could not be found.", code="SubPortNotFound"
            )
    _release(network, connection, ids)
    _refresh(network, connection, row.id)


def follow_parents(network: Network, connection: Connection, host: str, port_ids: list[str]) -> None:
    """Of these ports, let the subports be bound to the host where their parents are, which is this one."""
    parents = port_table.alias("parents")
    for some in base.chunks(port_ids):
        query = (
            sa.select(port_table)
            .join(trunk_subports, trunk_subports.c.port_id == port_table.c.id)
            .join(trunks, trunks.c.id == trunk_subports.c.trunk_id)
            .join(parents, parents.c.id == trunks.c.port_id)
            .where(port_table.c.id.in_(some), parents.c.binding_host_id == host, port_table.c.binding_host_id != host)
        )
        for port in connection.execute(query).all():
            moved = bindings.to_host(network, connection, port, host)
            base.change(network, connection, port_table, port.id, **moved)
            network.touch("network", port.network_id)


def refresh_statuses(network: Network, connection: Connection, port_ids: list[str]) -> None:
    """The trunks that these ports are part of: ACTIVE with all of their ports, BUILD while some are not."""
    parents, others = port_table.alias("parents"), port_table.alias("others")
    waiting = (
        sa.select(sa.func.count())
        .select_from(trunk_subports.join(others, others.c.id == trunk_subports.c.port_id))
        .where(trunk_subports.c.trunk_id == trunks.c.id, others.c.status != "ACTIVE")
        .correlate(trunks)
        .scalar_subquery()
    )
    for some in base.chunks(port_ids):
        part = sa.select(trunk_subports.c.trunk_id).where(trunk_subports.c.port_id.in_(some))
        query = (
            sa.select(trunks.c.id, trunks.c.status, parents.c.status.label("parent"), waiting.label("waiting"))
            .join(parents, parents.c.id == trunks.c.port_id)
            .where(sa.or_(trunks.c.port_id.in_(some), trunks.c.id.in_(part)))
        )
        for trunk in connection.execute(query).all():
            status = "DOWN" if trunk.parent != "ACTIVE" else "BUILD" if trunk.waiting else "ACTIVE"
            if status != trunk.status:
                base.change(network, connection, trunks, trunk.id, status=status)


def _refresh(network: Network, connection: Connection, trunk_id: str) -> None:
    """Bring the copies of the subports in the trunk's row and in its parent port's up to date."""
    query = (
        sa.select(trunk_subports, port_table.c.mac_address)
        .join(port_table, port_table.c.id == trunk_subports.c.port_id)
        .where(trunk_subports.c.trunk_id == trunk_id)
        .order_by(trunk_subports.c.segmentation_type, trunk_subports.c.segmentation_id)
    )
    rows = connection.execute(query).all()
    shown = [
        {
            "port_id": row.port_id,
            "segmentation_type": row.segmentation_type,
            "segmentation_id": row.segmentation_id,
        }
        for row in rows
    ]
    base.change(network, connection, trunks, trunk_id, sub_ports=base.to_json(shown))
    details = {
        "trunk_id": trunk_id,
        "sub_ports": [{**one, "mac_address": row.mac_address} for one, row in zip(shown, rows, strict=True)],
    }
    parent = sa.select(trunks.c.port_id).where(trunks.c.id == trunk_id).scalar_subquery()
    _tell(network, connection, trunk_id)
    connection.execute(
        sa.update(port_table).where(port_table.c.id == parent).values(trunk_details=base.to_json(details))
    )
