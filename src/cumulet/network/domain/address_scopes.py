"""Address scopes: subnet pools of one scope never overlap, so their subnets may be routed without NAT."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import NotFound
from cumulet.network.attributes import Values
from cumulet.network.domain import base
from cumulet.network.domain.source import Source
from cumulet.network.errors import bad_request, conflict
from cumulet.network.service import Network
from cumulet.network.tables import address_scopes, subnet_pools


def missing(identifier: str) -> NotFound:
    return NotFound(f"Address scope {identifier} could not be found.", code="AddressScopeNotFound")


SOURCE = Source(
    address_scopes,
    missing,
    (*base.NAMED, "ip_version", "shared"),
    visible=base.own_or_shared(address_scopes, "address_scope"),
)


def create(network: Network, connection: Connection, ctx: Context, values: Values) -> str:
    row = base.new_row(network, values)
    base.insert(connection, address_scopes, row)
    if values["shared"]:
        base.share_with_all(connection, "address_scope", row["id"], values["project_id"], True)
    return str(row["id"])


def update(network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
    """Raises BadRequest for taking back what is shared."""
    if row.shared and values.get("shared") is False:
        raise bad_request(
            f"Unable to update address scope {row.id} : Shared address scope can't be unshared.",
            "AddressScopeUpdateError",
        )
    if "shared" in values:
        base.share_with_all(connection, "address_scope", row.id, row.project_id, values["shared"])
    base.change(network, connection, address_scopes, row.id, **values)


def delete(network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
    """Raises Conflict while subnet pools are in it."""
    used = sa.select(subnet_pools.c.id).where(subnet_pools.c.address_scope_id == row.id).limit(1)
    if connection.execute(used).first() is not None:
        raise conflict(
            "AddressScopeInUse",
            f"Unable to complete operation on address scope {row.id}. There are one or more subnet pools in use on "
            "the address scope.",
        )
    base.unshare(connection, "address_scope", row.id)
    connection.execute(sa.delete(address_scopes).where(address_scopes.c.id == row.id))
