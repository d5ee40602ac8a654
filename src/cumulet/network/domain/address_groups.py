"""Address groups: prefixes that security group rules name together."""

from __future__ import annotations

from ipaddress import ip_network
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
from cumulet.network.tables import address_groups, security_group_rules


def missing(identifier: str) -> NotFound:
    return NotFound(f"Address group {identifier} could not be found.", code="AddressGroupNotFound")


SOURCE = Source(
    address_groups,
    missing,
    (*base.NAMED, "addresses", "shared"),
    visible=base.own_or_shared(address_groups, "address_group"),
    filters=base.tag_filters(address_groups),
)


def create(network: Network, connection: Connection, ctx: Context, values: Values) -> str:
    row = base.new_row(network, {**values, "addresses": base.to_json(_ordered(values["addresses"])), "shared": False})
    base.insert(connection, address_groups, row)
    return str(row["id"])


def _ordered(addresses: list[str]) -> list[str]:
    return sorted(dict.fromkeys(addresses), key=lambda text: (ip_network(text).version, ip_network(text)))


def update(network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
    base.change(network, connection, address_groups, row.id, **values)


def change(network: Network, connection: Connection, row: Row[Any], *, add: list[str], remove: list[str]) -> None:
    """add_addresses, remove_addresses. Raises BadRequest for one that is there already, NotFound for a missing one."""
    current = base.from_json(row.addresses)
    double = [address for address in add if address in current]
    if double:
        raise bad_request(f"Address(es) {double} already exist in address group {row.id}.", "AddressesAlreadyExist")
    unknown = [address for address in remove if address not in current]
    if unknown:
        raise NotFound(f"Address(es) {unknown} not found in address group {row.id}.", code="AddressesNotFound")
    after = _ordered([address for address in [*current, *add] if address not in remove])
    base.change(network, connection, address_groups, row.id, addresses=base.to_json(after))
    network.touch("address_group", row.id)


def delete(network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
    """Raises Conflict while rules name it."""
    used = sa.select(security_group_rules.c.id).where(security_group_rules.c.remote_address_group_id == row.id)
    if connection.execute(used.limit(1)).first() is not None:
        raise conflict("AddressGroupInUse", f"Address group {row.id} is in use on one or more security group rules.")
    base.unshare(connection, "address_group", row.id)
    connection.execute(sa.delete(address_groups).where(address_groups.c.id == row.id))
