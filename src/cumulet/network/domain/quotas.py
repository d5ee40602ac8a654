"""Quotas, counted from live rows in the transaction that adds one, so that they cannot drift."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.kernel.errors import Conflict, NotFound
from cumulet.kernel.upsert import insert_if_absent
from cumulet.network import tables
from cumulet.network.errors import bad_request
from cumulet.network.service import Network

COUNTED: dict[str, sa.Table] = {
    "network": tables.networks,
    "subnet": tables.subnets,
    "subnetpool": tables.subnet_pools,
    "port": tables.ports,
    "router": tables.routers,
    "floatingip": tables.floating_ips,
    "security_group": tables.security_groups,
    "security_group_rule": tables.security_group_rules,
    "rbac_policy": tables.rbac_policies,
    "trunk": tables.trunks,
}
"""resource -> the table whose rows of a project count against it"""


def limits_of(network: Network, connection: Connection, project_id: str) -> dict[str, int]:
    """The project's limits: its own where set, else `[quotas] quota_<resource>`; -1 means none."""
    quotas = tables.quotas
    rows = connection.execute(sa.select(quotas).where(quotas.c.project_id == project_id))
    return {**defaults(network), **{row.resource: row.limit for row in rows}}


def defaults(network: Network) -> dict[str, int]:
    return {resource: network.conf.quotas[f"quota_{resource}"] for resource in COUNTED}


_USED: Final = {
    resource: sa.select(sa.func.count()).select_from(table).where(table.c.project_id == sa.bindparam("project"))
    for resource, table in COUNTED.items()
}


def used(connection: Connection, project_id: str, resource: str) -> int:
    return int(connection.execute(_USED[resource], {"project": project_id}).scalar_one())


def require(network: Network, connection: Connection, project_id: str, resource: str, amount: int = 1) -> None:
    """Call it before adding `amount` rows. Raises Conflict (OverQuota). What belongs to no project is not counted."""
    if not project_id:
        return
    limit = _limit(network, connection, project_id, resource)
    if limit < 0:
        return
    _take_turn(connection, project_id)
    if used(connection, project_id, resource) + amount > limit:
        raise Conflict(f"Quota exceeded for resources: ['{resource}'].", code="OverQuota")


_TURN: Final = (
    sa.select(tables.quota_turns).where(tables.quota_turns.c.project_id == sa.bindparam("project")).with_for_update()
)


def _take_turn(connection: Connection, project_id: str) -> None:
    """Keep others from counting the project's rows until the transaction ends: on SQLite there are no others."""
    if connection.dialect.name == "sqlite" or connection.execute(_TURN, {"project": project_id}).first() is not None:
        return
    insert_if_absent(connection, tables.quota_turns, {"project_id": project_id})
    connection.execute(_TURN, {"project": project_id}).one()


_LIMIT: Final = sa.select(tables.quotas.c.limit).where(
    tables.quotas.c.project_id == sa.bindparam("project"), tables.quotas.c.resource == sa.bindparam("counted")
)


def _limit(network: Network, connection: Connection, project_id: str, resource: str) -> int:
    found = connection.execute(_LIMIT, {"project": project_id, "counted": resource}).scalar()
    return int(found if found is not None else network.conf.quotas[f"quota_{resource}"])


def all_projects(network: Network, connection: Connection) -> list[dict[str, object]]:
    """The limits of every project that has some of its own."""
    found: dict[str, dict[str, object]] = {}
    for row in connection.execute(sa.select(tables.quotas).order_by(tables.quotas.c.project_id)):
        limits = found.setdefault(
            row.project_id, {**defaults(network), "tenant_id": row.project_id, "project_id": row.project_id}
        )
        limits[row.resource] = row.limit
    return list(found.values())


def require_above_use(connection: Connection, project_id: str, limits: dict[str, int]) -> None:
    """No limit below what is in use already (extension quota-check-limit-default). Raises BadRequest."""
    for resource, limit in limits.items():
        count = used(connection, project_id, resource) if limit >= 0 else 0
        if 0 <= limit < count:
            raise bad_request(
                f"Quota limit {limit} for {resource} must be greater than or equal to already used {count}"
            )


def set_limits(connection: Connection, project_id: str, limits: dict[str, int]) -> None:
    quotas = tables.quotas
    for resource, limit in limits.items():
        mine = sa.and_(quotas.c.project_id == project_id, quotas.c.resource == resource)
        connection.execute(sa.delete(quotas).where(mine))
        connection.execute(sa.insert(quotas).values(project_id=project_id, resource=resource, limit=limit))


def forget(connection: Connection, project_id: str) -> None:
    """Back to the defaults. Raises NotFound for a project that has them already."""
    gone = connection.execute(sa.delete(tables.quotas).where(tables.quotas.c.project_id == project_id))
    if gone.rowcount == 0:
        raise NotFound(f"Quota for project {project_id} could not be found.", code="TenantQuotaNotFound")
