"""QoS policies: named sets of rules that networks, ports, routers and floating IPs take on."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import NotFound
from cumulet.network import tables
from cumulet.network.attributes import Values
from cumulet.network.domain import base
from cumulet.network.domain.source import Source
from cumulet.network.errors import conflict
from cumulet.network.service import Network
from cumulet.network.tables import qos_policies as table

_USERS: Final = (
    ("port", tables.ports),
    ("network", tables.networks),
    ("floatingip", tables.floating_ips),
    ("router", tables.routers),
)


def missing(identifier: str) -> NotFound:
    return NotFound(f"QoS policy {identifier} could not be found.", code="QosPolicyNotFound")


SOURCE = Source(
    table,
    missing,
    (*base.NAMED, "shared", "is_default", "rules"),
    visible=base.own_or_shared(table, "qos_policy"),
    filters=base.tag_filters(table),
)


def require_usable(connection: Connection, ctx: Context, policy_id: str | None) -> None:
    """Raises the 404 of a policy the caller may not take on; None needs no policy."""
    if policy_id is not None:
        SOURCE.load(connection, policy_id, ctx)


def default_of(connection: Connection, project_id: str) -> str | None:
    """The policy that new networks of the project take on by themselves (extension qos-default)."""
    query = sa.select(table.c.id).where(table.c.project_id == project_id, table.c.is_default)
    found: str | None = connection.execute(query).scalar()
    return found


def create(network: Network, connection: Connection, ctx: Context, values: Values) -> str:
    """Raises Conflict for a project's second default policy."""
    if values["is_default"]:
        _require_only_default(connection, values["project_id"])
    row = base.new_row(network, {**values, "rules": "[]"})
    base.insert(connection, table, row)
    if values["shared"]:
        base.share_with_all(connection, "qos_policy", row["id"], values["project_id"], True)
    return str(row["id"])


def _require_only_default(connection: Connection, project_id: str) -> None:
    if default_of(connection, project_id) is not None:
        raise conflict("QoSPolicyDefaultAlreadyExists", f"A default QoS policy exists for project {project_id}.")


def update(network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
    if values.get("is_default") and not row.is_default:
        _require_only_default(connection, row.project_id)
    if "shared" in values:
        base.share_with_all(connection, "qos_policy", row.id, row.project_id, values["shared"])
    base.change(network, connection, table, row.id, **values)


def delete(network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
    """Raises Conflict while something uses it."""
    for kind, users in _USERS:
        user = connection.execute(sa.select(users.c.id).where(users.c.qos_policy_id == row.id).limit(1)).scalar()
        if user is not None:
            raise conflict("QosPolicyInUse", f"QoS Policy {row.id} is used by {kind} {user}.")
    base.unshare(connection, "qos_policy", row.id)
    base.forget_tags(connection, row.id)
    connection.execute(sa.delete(tables.qos_rules).where(tables.qos_rules.c.qos_policy_id == row.id))
    connection.execute(sa.delete(table).where(table.c.id == row.id))
