"""Routers on several hosts: a network on which these hosts hear each other, a port of each there, and a VRRP id."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.upsert import insert_if_absent
from cumulet.network.attributes import Values
from cumulet.network.domain import networks, ports, subnets
from cumulet.network.errors import conflict
from cumulet.network.service import Network
from cumulet.network.tables import ha_networks, ha_routers
from cumulet.network.tables import ports as port_table

OWNER: Final = "network:router_ha_interface"
CIDR: Final = "169.254.192.0/18"
_LARGEST_VR_ID: Final = 255
_SERVICE: Final = Context(roles=("admin", "service"), project_id="")


def connect(network: Network, connection: Connection, router: Row[Any], hosts: list[str]) -> None:
    """Let the router have a port of each host on its project's HA network, and no others."""
    network_id = _ensure_network(network, connection, router.project_id)
    _ensure_id(connection, router.id, network_id)
    present = {port.binding_host_id: port for port in _ports(connection, router.id)}
    ports.remove(network, connection, *(port for host, port in present.items() if host not in hosts))
    for host in hosts:
        if host not in present:
            ports.create_internal(
                network,
                connection,
                name=f"HA port tenant {router.project_id}",
                network_id=network_id,
                device_id=router.id,
                device_owner=OWNER,
                counted=False,
                **{"binding:host_id": host},
            )


def _ports(connection: Connection, router_id: str) -> list[Row[Any]]:
    mine = sa.select(port_table).where(port_table.c.device_id == router_id, port_table.c.device_owner == OWNER)
    return list(connection.execute(mine))


def _ensure_network(network: Network, connection: Connection, project_id: str) -> str:
    query = sa.select(ha_networks.c.network_id).where(ha_networks.c.project_id == project_id).with_for_update()
    found = connection.execute(query).scalar()
    if found is not None:
        return str(found)
    values: Values = {
        "project_id": "",
        "name": f"HA network tenant {project_id}",
        "description": "",
        "admin_state_up": True,
        "port_security_enabled": True,
        "shared": False,
        "router:external": False,
        "is_default": False,
        "dns_domain": "",
        "availability_zone_hints": [],
        "qos_policy_id": None,
    }
    network_id = networks.create(network, connection, _SERVICE, values)
    subnet: Values = {
        "project_id": "",
        "name": f"HA subnet tenant {project_id}",
        "description": "",
        "network_id": network_id,
        "ip_version": 4,
        "cidr": CIDR,
        "gateway_ip": None,
        "enable_dhcp": False,
        "dns_nameservers": [],
        "host_routes": [],
        "service_types": [],
    }
    subnets.create(network, connection, _SERVICE, subnet)
    if not insert_if_absent(connection, ha_networks, {"project_id": project_id, "network_id": network_id}):
        networks.delete(network, connection, _SERVICE, networks.load(connection, network_id))
        return str(connection.execute(query).scalar_one())
    return network_id


def _ensure_id(connection: Connection, router_id: str, network_id: str) -> None:
    """A VRRP id that no other router of the network has. Raises Conflict when all 255 are taken."""
    mine = sa.select(ha_routers.c.vr_id).where(ha_routers.c.router_id == router_id)
    if connection.execute(mine).first() is not None:
        return
    used = set(connection.execute(sa.select(ha_routers.c.vr_id).where(ha_routers.c.network_id == network_id)).scalars())
    for vr_id in range(1, _LARGEST_VR_ID + 1):
        row = {"router_id": router_id, "network_id": network_id, "vr_id": vr_id}
        if vr_id not in used and insert_if_absent(connection, ha_routers, row):
            return
    raise conflict(
        "NoVRIDAvailable", f"No more Virtual Router Identifier (VRID) available when creating router {router_id}."
    )


def disconnect(network: Network, connection: Connection, router: Row[Any]) -> None:
    """Take the router's HA ports and id away; the last one of a project takes the HA network along."""
    row = connection.execute(sa.select(ha_routers).where(ha_routers.c.router_id == router.id)).first()
    if row is None:
        return
    ports.remove(network, connection, *_ports(connection, router.id))
    connection.execute(sa.delete(ha_routers).where(ha_routers.c.router_id == router.id))
    others = sa.select(ha_routers.c.router_id).where(ha_routers.c.network_id == row.network_id).limit(1)
    if connection.execute(others).first() is None:
        connection.execute(sa.delete(ha_networks).where(ha_networks.c.network_id == row.network_id))
        left = networks.SOURCE.find(connection, row.network_id, lock=True)
        if left is not None:
            networks.delete(network, connection, _SERVICE, left)


def of_routers(connection: Connection, router_ids: list[str], host: str) -> dict[str, Values]:
    """What a host must know of the HA routers it carries: its own port on the HA network and the VRRP id."""
    query = (
        sa.select(ha_routers.c.router_id, ha_routers.c.vr_id, port_table.c.id)
        .join(port_table, port_table.c.device_id == ha_routers.c.router_id)
        .where(
            ha_routers.c.router_id.in_(router_ids),
            port_table.c.device_owner == OWNER,
            port_table.c.binding_host_id == host,
        )
    )
    return {row.router_id: {"port_id": row.id, "vr_id": row.vr_id} for row in connection.execute(query)}
