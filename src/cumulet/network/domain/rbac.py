"""RBAC policies: who besides its project may use an object."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from cumulet.kernel.context import Context
from cumulet.kernel.db import violates_unique
from cumulet.kernel.errors import NotFound
from cumulet.kernel.ids import uuid_id
from cumulet.network import tables
from cumulet.network.attributes import Values
from cumulet.network.domain import base, quotas
from cumulet.network.domain.source import CALLER, Source
from cumulet.network.errors import bad_request, conflict, invalid_input
from cumulet.network.service import Network
from cumulet.network.tables import rbac_policies

OBJECTS: Final[dict[str, sa.Table]] = {
    "network": tables.networks,
    "qos_policy": tables.qos_policies,
    "security_group": tables.security_groups,
    "address_scope": tables.address_scopes,
    "address_group": tables.address_groups,
    "subnetpool": tables.subnet_pools,
}
_ACTIONS: Final = dict.fromkeys(OBJECTS, ("access_as_shared",)) | {
    "network": ("access_as_shared", "access_as_external")
}


def missing(identifier: str) -> NotFound:
    return NotFound(f"RBAC policy {identifier} could not be found.", code="RbacPolicyNotFound")


SOURCE = Source(
    rbac_policies,
    missing,
    ("id", "project_id", "tenant_id", "object_type", "object_id", "target_tenant", "target_project_id", "action"),
    where={"target_tenant": rbac_policies.c.target_project, "target_project_id": rbac_policies.c.target_project},
    visible=sa.or_(
        base.own(rbac_policies), rbac_policies.c.target_project == CALLER, rbac_policies.c.target_project == "*"
    ),
)


def create(network: Network, connection: Connection, ctx: Context, values: Values) -> str:
    """Raises BadRequest for a kind or action there is not, NotFound for the object, Conflict for a second one."""
    kind, action = values["object_type"], values["action"]
    if kind not in OBJECTS:
        raise invalid_input(f"'{kind}' is not a valid RBAC object type")
    if action not in _ACTIONS[kind]:
        raise bad_request(
            f"Invalid action '{action}' for object type '{kind}'. Valid actions: {list(_ACTIONS[kind])}",
            "InvalidActionForType",
        )
    quotas.require(network, connection, values["project_id"], "rbac_policy")
    owner = connection.execute(
        sa.select(OBJECTS[kind].c.project_id).where(OBJECTS[kind].c.id == values["object_id"])
    ).scalar()
    if owner is None or (owner != ctx.project_id and not base.sees_everything(ctx)):
        raise NotFound(f"{kind} {values['object_id']} could not be found.", code="RbacObjectNotFound")
    row = {
        "id": uuid_id(),
        "project_id": values["project_id"],
        "object_type": kind,
        "object_id": values["object_id"],
        "action": action,
        "target_project": values["target_tenant"],
    }
    try:
        base.insert(connection, rbac_policies, row)
    except IntegrityError as error:
        if violates_unique(error):
            raise conflict("DuplicateRbacPolicy", "An RBAC policy already exists with those values.") from None
        raise
    if row["target_project"] == "*":
        _mark(connection, row, True)
    return str(row["id"])


def _mark(connection: Connection, policy: Values, wanted: bool) -> None:
    """An object's own `shared` (or `router:external`) says what holds for everybody."""
    table = OBJECTS[policy["object_type"]]
    column = "external" if policy["action"] == "access_as_external" else "shared"
    connection.execute(sa.update(table).where(table.c.id == policy["object_id"]).values({column: wanted}))


def update(network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
    target = values.get("target_tenant")
    if target is None or target == row.target_project:
        return
    _require_unused(connection, row)
    connection.execute(sa.update(rbac_policies).where(rbac_policies.c.id == row.id).values(target_project=target))
    if "*" in (target, row.target_project):
        _mark(connection, dict(row._mapping), target == "*")


def delete(network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
    """Raises Conflict while those it lets in still use the object."""
    _require_unused(connection, row)
    connection.execute(sa.delete(rbac_policies).where(rbac_policies.c.id == row.id))
    if row.target_project == "*":
        _mark(connection, dict(row._mapping), False)


def _require_unused(connection: Connection, row: Row[Any]) -> None:
    used = _users(row)
    if used is not None and connection.execute(used.limit(1)).first() is not None:
        raise conflict(
            "RbacPolicyInUse",
            f"RBAC policy on object {row.object_id} cannot be removed because other objects depend on it.",
        )


def _users(row: Row[Any]) -> sa.Select[Any] | None:
    """Rows of those projects that only this policy lets in."""

    def foreign(table: sa.Table) -> sa.ColumnElement[bool]:
        owner = sa.select(OBJECTS[row.object_type].c.project_id).where(OBJECTS[row.object_type].c.id == row.object_id)
        others = sa.select(rbac_policies.c.target_project).where(
            rbac_policies.c.object_id == row.object_id,
            rbac_policies.c.action == row.action,
            rbac_policies.c.id != row.id,
        )
        mine = table.c.project_id != "" if row.target_project == "*" else table.c.project_id == row.target_project
        return sa.and_(mine, table.c.project_id != owner.scalar_subquery(), table.c.project_id.not_in(others))

    if row.object_type == "network" and row.action == "access_as_shared":
        table = tables.ports
        return sa.select(table.c.id).where(
            table.c.network_id == row.object_id, foreign(table), sa.not_(table.c.device_owner.like("network:%"))
        )
    if row.object_type == "network":
        return sa.select(tables.routers.c.id).where(
            tables.routers.c.gateway_network_id == row.object_id, foreign(tables.routers)
        )
    if row.object_type == "security_group":
        members = tables.port_security_groups
        return (
            sa.select(tables.ports.c.id)
            .join(members, members.c.port_id == tables.ports.c.id)
            .where(members.c.security_group_id == row.object_id, foreign(tables.ports))
        )
    if row.object_type == "qos_policy":
        table = tables.ports
        return sa.select(table.c.id).where(table.c.qos_policy_id == row.object_id, foreign(table))
    if row.object_type == "address_group":
        rules = tables.security_group_rules
        return sa.select(rules.c.id).where(rules.c.remote_address_group_id == row.object_id, foreign(rules))
    pools = tables.subnet_pools
    if row.object_type == "address_scope":
        return sa.select(pools.c.id).where(pools.c.address_scope_id == row.object_id, foreign(pools))
    return sa.select(tables.subnets.c.id).where(
        tables.subnets.c.subnetpool_id == row.object_id, foreign(tables.subnets)
    )
