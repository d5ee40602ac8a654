"""Server groups: servers that are to be near each other, or apart."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.compute.service import Compute
from cumulet.compute.tables import server_group_members, server_groups, servers
from cumulet.kernel.context import Context
from cumulet.kernel.errors import Forbidden, NotFound
from cumulet.kernel.ids import uuid_id


def load(connection: Connection, group_id: str, ctx: Context) -> Row[Any]:
    """Raises the 404, also for another project's group."""
    query = sa.select(server_groups).where(server_groups.c.id == group_id)
    if not ctx.is_admin:
        query = query.where(server_groups.c.project_id == ctx.project_id)
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(f"Instance group {group_id} could not be found.")
    return row


def find(connection: Connection, project_id: str | None, limit: int, offset: int) -> list[Row[Any]]:
    """A project's groups in the order they were made; every project's without one."""
    query = sa.select(server_groups).order_by(server_groups.c.created_at, server_groups.c.id)
    if project_id is not None:
        query = query.where(server_groups.c.project_id == project_id)
    return list(connection.execute(query.limit(limit).offset(offset)))


def members_of(connection: Connection, group_ids: list[str]) -> dict[str, list[str]]:
    """The live servers of each group."""
    found: dict[str, list[str]] = {group_id: [] for group_id in group_ids}
    query = (
        sa.select(server_group_members)
        .join(servers, servers.c.id == server_group_members.c.server_id)
        .where(server_group_members.c.group_id.in_(group_ids), sa.not_(servers.c.deleted))
        .order_by(servers.c.created_at, servers.c.id)
    )
    for row in connection.execute(query):
        found[row.group_id].append(row.server_id)
    return found


def create(compute: Compute, ctx: Context, name: str, policy: str, rules: dict[str, int]) -> Row[Any]:
    """Raises Forbidden when the project has as many as it may."""
    row = {
        "id": uuid_id(),
        "name": name,
        "project_id": ctx.project_id,
        "user_id": ctx.user_id,
        "policy": policy,
        "rules": msgspec.json.encode(rules).decode(),
        "metadata": "{}",
        "created_at": compute.now(),
    }
    limit = compute.conf.quota.server_groups
    with compute.db.write() as connection:
        mine = server_groups.c.project_id == ctx.project_id
        count = connection.execute(sa.select(sa.func.count()).select_from(server_groups).where(mine)).scalar_one()
        if 0 <= limit <= count:
            raise Forbidden("Quota exceeded, too many server groups.")
        connection.execute(sa.insert(server_groups).values(**row))
        return load(connection, str(row["id"]), ctx)


def delete(compute: Compute, ctx: Context, group_id: str) -> None:
    """Its servers stay."""
    with compute.db.write() as connection:
        load(connection, group_id, ctx)
        connection.execute(sa.delete(server_group_members).where(server_group_members.c.group_id == group_id))
        connection.execute(sa.delete(server_groups).where(server_groups.c.id == group_id))


def of_server(connection: Connection, server_id: str) -> list[str]:
    """The group a server is in, as a list of at most one."""
    query = sa.select(server_group_members.c.group_id).where(server_group_members.c.server_id == server_id)
    return list(connection.execute(query).scalars())
