"""Taking a network's existing subnets into a subnet pool (extension subnet_onboard)."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.network.domain import networks, subnet_pools
from cumulet.network.domain import subnets as subnet_domain
from cumulet.network.errors import bad_request
from cumulet.network.service import Network
from cumulet.network.tables import subnets


def onboard(
    network: Network, connection: Connection, ctx: Context, pool: Row[Any], network_id: str
) -> list[dict[str, str]]:
    """Let the network's subnets of the pool's IP version be the pool's. Returns them as [{"id", "cidr"}].

    Raises NotFound for the network, BadRequest for a subnet that meets what was cut from the pool already.
    """
    parent = networks.load(connection, network_id, ctx, lock=True)
    mine = sa.and_(subnets.c.network_id == parent.id, subnets.c.ip_version == pool.ip_version)
    found = connection.execute(sa.select(subnets).where(mine).order_by(subnets.c.created_at)).all()
    cut = connection.execute(sa.select(subnets.c.cidr).where(subnets.c.subnetpool_id == pool.id)).scalars()
    allocated = [ip_network(cidr) for cidr in cut]
    for subnet in found:
        if any(ip_network(subnet.cidr).overlaps(one) for one in allocated):
            raise bad_request(
                f"Illegal subnetpool update : Onboarding subnet {subnet.id}: {subnet.cidr} conflicts with allocated "
                f"prefixes in subnet pool {pool.id}.",
                "IllegalSubnetPoolUpdate",
            )
    if not found:
        return []
    cidrs = [subnet.cidr for subnet in found]
    subnet_pools.change_prefixes(network, connection, ctx, pool, add=cidrs, remove=[])
    changes = {"subnetpool_id": pool.id, "updated_at": network.now()}
    connection.execute(sa.update(subnets).where(mine).values(**changes, revision_number=subnets.c.revision_number + 1))
    subnet_domain.refresh_network(network, connection, parent.id)
    return [{"id": subnet.id, "cidr": subnet.cidr} for subnet in found]
