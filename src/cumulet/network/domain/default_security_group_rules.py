"""The rules that every new security group starts with."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import NotFound
from cumulet.network.attributes import Values
from cumulet.network.domain import base, security_group_rules
from cumulet.network.domain.source import Source
from cumulet.network.errors import bad_request, conflict
from cumulet.network.service import Network
from cumulet.network.tables import default_security_group_rules as table

_USED: Final = ("used_in_default_sg", "used_in_non_default_sg")


def missing(identifier: str) -> NotFound:
    return NotFound(f"Default security group rule {identifier} does not exist", code="DefaultSecurityGroupRuleNotFound")


SOURCE = Source(table, missing, ("id", "description", *security_group_rules.MEANING, *_USED))


def create(network: Network, connection: Connection, ctx: Context, values: Values) -> str:
    """Raises BadRequest for a rule that makes no sense, Conflict for one that exists."""
    security_group_rules.check(values)
    meaning = {key: values.get(key) for key in security_group_rules.MEANING}
    for other in connection.execute(sa.select(table)).all():
        if all(getattr(other, key) == meaning[key] for key in meaning):
            raise conflict(
                "DefaultSecurityGroupRuleExists",
                f"Default Security group rule already exists. Rule id is {other.id}.",
            )
    row = base.new_row(
        network,
        {"project_id": "", "description": values["description"], **meaning, **{key: values[key] for key in _USED}},
    )
    base.insert(connection, table, row)
    return str(row["id"])


def update(network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
    raise bad_request("Default security group rules cannot be changed: delete one and make another.")


def delete(network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
    connection.execute(sa.delete(table).where(table.c.id == row.id))
