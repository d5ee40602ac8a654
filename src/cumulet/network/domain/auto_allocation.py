"""The network a project gets by one call: with subnets of the default pools, behind a router to the default external
network."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.kernel.context import Context
from cumulet.kernel.errors import ApiError, NotFound
from cumulet.network.attributes import Values
from cumulet.network.domain import networks, routers, subnets
from cumulet.network.errors import conflict
from cumulet.network.service import Network
from cumulet.network.tables import auto_allocated_topologies as table
from cumulet.network.tables import networks as network_table
from cumulet.network.tables import ports as port_table
from cumulet.network.tables import router_ports, subnet_pools

DRY_RUN_PASSED: Final = "dry-run=pass"
_NAMES: Final = {"network": "auto_allocated_network", "router": "auto_allocated_router"}


def _failure(reason: str) -> ApiError:
    return conflict("AutoAllocationFailure", f"Deployment error: {reason}.")


def check(connection: Connection) -> tuple[str, list[tuple[str, int]]]:
    """The default external network and the default pools as (id, IP version). Raises Conflict where one is missing."""
    external = connection.execute(
        sa.select(network_table.c.id).where(network_table.c.external, network_table.c.is_default)
    ).scalar()
    if external is None:
        raise _failure("No default router:external network")
    query = sa.select(subnet_pools.c.id, subnet_pools.c.ip_version).where(subnet_pools.c.is_default)
    pools = [(row.id, row.ip_version) for row in connection.execute(query.order_by(subnet_pools.c.ip_version))]
    if not pools:
        raise _failure("No default pools")
    return external, pools


def find(connection: Connection, project_id: str) -> str | None:
    """The project's automatic network, None while it has none."""
    query = sa.select(table.c.network_id).where(table.c.project_id == project_id)
    found: str | None = connection.execute(query.with_for_update()).scalar()
    return found


def ensure(network: Network, connection: Connection, project_id: str) -> str:
    """The id of the project's automatic network, made when it has none. Raises Conflict."""
    found = find(connection, project_id)
    if found is not None:
        return found
    external, pools = check(connection)
    ctx = Context(roles=("admin", "service"), project_id=project_id)
    network_id = networks.create(network, connection, ctx, _values(project_id, _NAMES["network"], _NETWORK))
    gateway: Values = {"external_gateway_info": {"network_id": external}}
    router_id = routers.create(network, connection, ctx, _values(project_id, _NAMES["router"], gateway))
    router = routers.load(connection, router_id)
    for pool_id, version in pools:
        cut: Values = {**_SUBNET, "network_id": network_id, "ip_version": version, "subnetpool_id": pool_id}
        name = f"auto_allocated_subnet_v{version}"
        subnet_id = subnets.create(network, connection, ctx, _values(project_id, name, cut))
        routers.add_interface(network, connection, ctx, router, {"subnet_id": subnet_id})
    connection.execute(sa.insert(table).values(project_id=project_id, network_id=network_id, router_id=router_id))
    return network_id


_NETWORK: Final[Values] = {
    "port_security_enabled": True,
    "shared": False,
    "router:external": False,
    "is_default": False,
    "dns_domain": "",
    "availability_zone_hints": [],
}
_SUBNET: Final[Values] = {"enable_dhcp": True, "dns_nameservers": [], "host_routes": [], "service_types": []}


def _values(project_id: str, name: str, rest: Values) -> Values:
    return {"project_id": project_id, "name": name, "description": "", "admin_state_up": True, **rest}


def delete(network: Network, connection: Connection, project_id: str) -> None:
    """Take the router and the network away. Raises NotFound, or Conflict while ports stand on it."""
    row = connection.execute(sa.select(table).where(table.c.project_id == project_id).with_for_update()).first()
    if row is None:
        raise NotFound(
            f"Auto-allocated topology for project {project_id} could not be found.",
            code="AutoAllocatedTopologyNotFound",
        )
    ctx = Context(roles=("admin", "service"), project_id=project_id)
    router = routers.SOURCE.find(connection, row.router_id, lock=True)
    if router is not None:
        _detach(network, connection, ctx, router.id)
        routers.delete(network, connection, ctx, routers.load(connection, router.id))
    networks.delete(network, connection, ctx, networks.load(connection, row.network_id, lock=True))
    connection.execute(sa.delete(table).where(table.c.project_id == project_id))


def _detach(network: Network, connection: Connection, ctx: Context, router_id: str) -> None:
    attached = (
        sa.select(router_ports.c.port_id)
        .join(port_table, port_table.c.id == router_ports.c.port_id)
        .where(router_ports.c.router_id == router_id, port_table.c.device_owner == routers.INTERFACE)
    )
    for port_id in connection.execute(attached).scalars().all():
        routers.remove_interface(network, connection, ctx, routers.load(connection, router_id), {"port_id": port_id})
