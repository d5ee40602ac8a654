"""Security groups: which exist for whom, and each project's own `default` one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import NotFound
from cumulet.kernel.upsert import insert_if_absent
from cumulet.network.attributes import Values
from cumulet.network.domain import base, quotas, security_group_rules
from cumulet.network.domain.listing import truth
from cumulet.network.domain.source import Condition, Source, Thing, seen_as
from cumulet.network.errors import conflict
from cumulet.network.service import Network
from cumulet.network.tables import (
    default_security_groups,
    port_security_groups,
    rbac_policies,
    security_groups,
)
from cumulet.network.tables import (
    security_group_rules as rule_table,
)


def missing(identifier: str) -> NotFound:
    return NotFound(f"Security group {identifier} does not exist", code="SecurityGroupNotFound")


def _shared(values: list[str]) -> Condition:
    """Groups that are, or are not, open to everybody (extension security-groups-shared-filtering)."""
    open_to_all = sa.select(rbac_policies.c.object_id).where(
        rbac_policies.c.object_type == "security_group", rbac_policies.c.action == "access_as_shared"
    )
    inside = security_groups.c.id.in_(open_to_all)
    wanted = {truth(value) for value in values}
    return inside if wanted == {True} else sa.not_(inside) if wanted == {False} else sa.true()


SOURCE = Source(
    security_groups,
    missing,
    (*base.NAMED, "stateful", "shared"),
    extra=("security_group_rules",),
    visible=base.own_or_shared(security_groups, "security_group"),
    filters={**base.tag_filters(security_groups), "shared": _shared},
)
load = SOURCE.load


_OWNER = sa.select(security_groups.c.project_id).where(security_groups.c.id == sa.bindparam("sought"))


def owner_of(connection: Connection, group_id: str | None) -> str | None:
    """The project a group belongs to, None when there is no such group."""
    owner: str | None = connection.execute(_OWNER, {"sought": group_id or ""}).scalar()
    return owner


def dress(network: Network, connection: Connection, ctx: Context, things: Sequence[Thing]) -> None:
    """Rules are shown with their group; `shared` also when it is with the caller's project alone."""
    rules = security_group_rules.of_groups(connection, [thing.id for thing in things])
    shared = base.shared_ids(connection, ctx, "security_group")
    for thing in things:
        thing.security_group_rules = rules[thing.id]
        thing.shared = thing.id in shared


def require_usable(connection: Connection, ctx: Context, ids: list[str]) -> None:
    """Every group exists and the caller may use it. Raises the 404 of the first that is not."""
    if not ids:
        return
    query = sa.select(security_groups.c.id).where(security_groups.c.id.in_(ids))
    if not base.sees_everything(ctx):
        query = query.where(base.own_or_shared(security_groups, "security_group"))
    found = set(connection.execute(query, seen_as(ctx)).scalars())
    for identifier in ids:
        if identifier not in found:
            raise missing(identifier)


_DEFAULT = sa.select(default_security_groups.c.security_group_id).where(
    default_security_groups.c.project_id == sa.bindparam("project")
)


def ensure_default(network: Network, connection: Connection, project_id: str) -> str:
    """The project's `default` group, made when it has none yet; the first of several writers makes it."""
    default = default_security_groups
    found = connection.execute(_DEFAULT, {"project": project_id}).scalar()
    if found is not None:
        return str(found)
    values = {"project_id": project_id, "name": "default", "description": "Default security group", "stateful": True}
    row = base.new_row(network, values)
    base.insert(connection, security_groups, row)
    if not insert_if_absent(connection, default, {"project_id": project_id, "security_group_id": row["id"]}):
        connection.execute(sa.delete(security_groups).where(security_groups.c.id == row["id"]))
        return str(connection.execute(_DEFAULT.with_for_update(), {"project": project_id}).scalar_one())
    security_group_rules.add_defaults(network, connection, project_id, str(row["id"]), is_default=True)
    return str(row["id"])


def has_default(connection: Connection, project_id: str) -> bool:
    return connection.execute(_DEFAULT, {"project": project_id}).first() is not None


def create(network: Network, connection: Connection, ctx: Context, values: Values) -> str:
    """Raises Conflict for the name `default` and the quota."""
    if values["name"].lower() == "default":
        raise conflict("SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
    ensure_default(network, connection, values["project_id"])
    quotas.require(network, connection, values["project_id"], "security_group")
    row = base.new_row(network, {key: values[key] for key in ("project_id", "name", "description", "stateful")})
    connection.execute(sa.insert(security_groups).values(**row, shared=False))
    security_group_rules.add_defaults(network, connection, values["project_id"], str(row["id"]), is_default=False)
    return str(row["id"])


def update(network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
    """Raises Conflict for renaming `default`, or changing statefulness while ports use the group."""
    if "name" in values and values["name"] != row.name and (row.name == "default" or values["name"] == "default"):
        raise conflict("SecurityGroupCannotUpdateDefault", "Updating default security group not allowed.")
    if values.get("stateful", row.stateful) != row.stateful and _in_use(connection, row.id):
        raise conflict("SecurityGroupInUse", f"Security Group {row.id} in use.")
    base.change(network, connection, security_groups, row.id, **values)


def _in_use(connection: Connection, group_id: str) -> bool:
    used = sa.select(port_security_groups.c.port_id).where(port_security_groups.c.security_group_id == group_id)
    return connection.execute(used.limit(1)).first() is not None


def _drop_rules_about(network: Network, connection: Connection, group_id: str) -> None:
    """Rules of other groups that let this one's members in end with it."""
    about = rule_table.c.remote_group_id == group_id
    for other in connection.execute(sa.select(rule_table.c.security_group_id).where(about).distinct()).scalars().all():
        network.touch("security_group", other)
    connection.execute(sa.delete(rule_table).where(about))


def delete(network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
    """Rules of other groups that mean this one go with it. Raises Conflict while ports use it."""
    if row.name == "default" and not ctx.is_admin:
        raise conflict("SecurityGroupCannotRemoveDefault", "Insufficient rights for removing default security group.")
    if _in_use(connection, row.id):
        raise conflict("SecurityGroupInUse", f"Security Group {row.id} in use.")
    _drop_rules_about(network, connection, row.id)
    for table, column in ((default_security_groups, "security_group_id"), (rule_table, "security_group_id")):
        connection.execute(sa.delete(table).where(table.c[column] == row.id))
    base.unshare(connection, "security_group", row.id)
    base.forget_tags(connection, row.id)
    connection.execute(sa.delete(security_groups).where(security_groups.c.id == row.id))
