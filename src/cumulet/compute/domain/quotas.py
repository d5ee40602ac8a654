"""Quotas: limits of classes, projects and users; what is used is counted from live rows, so it cannot drift."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.compute.service import Compute
from cumulet.compute.tables import quota_classes, quotas, server_groups, servers
from cumulet.kernel.errors import BadRequest, Forbidden

OPTIONS: Final = {
    "instances": "instances",
    "cores": "cores",
    "ram": "ram",
    "metadata_items": "metadata_items",
    "injected_files": "injected_files",
    "injected_file_content_bytes": "injected_file_content_bytes",
    "injected_file_path_bytes": "injected_file_path_length",
    "key_pairs": "key_pairs",
    "server_groups": "server_groups",
    "server_group_members": "server_group_members",
}
"""resource -> its option in `[quota]`"""
NETWORK: Final = ("fixed_ips", "floating_ips", "security_groups", "security_group_rules")
"""What Network counts now; limits up to microversion 2.35 are kept and shown, and have no effect."""
DEFAULT_CLASS: Final = "default"


def class_limits(compute: Compute, connection: Connection, name: str = DEFAULT_CLASS) -> dict[str, int]:
    """The limits of a class: the options, with what was set for it."""
    limits = {resource: int(compute.conf.quota[option]) for resource, option in OPTIONS.items()}
    limits |= dict.fromkeys(NETWORK, -1)
    for wanted in {DEFAULT_CLASS, name}:
        rows = connection.execute(sa.select(quota_classes).where(quota_classes.c.class_name == wanted))
        limits |= {row.resource: row.limit for row in rows}
    return limits


def limits(compute: Compute, connection: Connection, project_id: str, user_id: str | None = None) -> dict[str, int]:
    """A project's limits, or those of one of its users."""
    found = class_limits(compute, connection)
    owners = [""] if user_id is None else ["", user_id]
    query = sa.select(quotas).where(quotas.c.project_id == project_id, quotas.c.user_id.in_(owners))
    for row in sorted(connection.execute(query).all(), key=lambda row: str(row.user_id)):
        found[row.resource] = row.limit
    return found


def used(connection: Connection, project_id: str, user_id: str | None = None) -> dict[str, int]:
    """instances, cores and ram of live servers; key pairs are a user's, not a project's."""
    found = dict.fromkeys((*OPTIONS, *NETWORK), 0)
    for vcpus, memory, number in connection.execute(_summed(project_id, user_id)):
        found["cores"] += vcpus * number
        found["ram"] += memory * number
        found["instances"] += number
    groups = server_groups.c.project_id == project_id
    if user_id is not None:
        groups = sa.and_(groups, server_groups.c.user_id == user_id)
    count = sa.select(sa.func.count()).select_from(server_groups).where(groups)
    found["server_groups"] = int(connection.execute(count).scalar_one())
    return found


def _summed(project_id: str, user_id: str | None) -> sa.Select[Any]:
    query = sa.select(servers.c.vcpus, servers.c.memory_mb, sa.func.count()).where(
        servers.c.project_id == project_id, sa.not_(servers.c.deleted), servers.c.vm_state != "soft-delete"
    )
    if user_id is not None:
        query = query.where(servers.c.user_id == user_id)
    return query.group_by(servers.c.vcpus, servers.c.memory_mb)


def require(compute: Compute, connection: Connection, project_id: str, user_id: str, wanted: dict[str, int]) -> None:
    """Call it in the transaction that adds servers. Raises Forbidden naming what is used up, and by how much."""
    for owner in (None, user_id):
        allowed = limits(compute, connection, project_id, owner)
        if owner is not None and allowed == limits(compute, connection, project_id):
            continue
        taken = used(connection, project_id, owner)
        over = [key for key, amount in wanted.items() if 0 <= allowed[key] < taken[key] + amount]
        if over:
            raise Forbidden(
                f"Quota exceeded for {','.join(over)}: Requested {', '.join(str(wanted[key]) for key in over)}, but "
                f"already used {', '.join(str(taken[key]) for key in over)} of "
                f"{', '.join(str(allowed[key]) for key in over)} {','.join(over)}"
            )


def set_limits(
    compute: Compute, project_id: str, user_id: str | None, changes: dict[str, int], *, force: bool
) -> dict[str, int]:
    """Raises BadRequest for a limit below what is used (unless forced) or, for a user, above the project's."""
    with compute.db.write() as connection:
        taken = used(connection, project_id, user_id)
        project = limits(compute, connection, project_id)
        for resource, limit in changes.items():
            if limit != -1 and limit < taken[resource] and not force:
                raise BadRequest(
                    f"Quota limit {limit} for {resource} must be greater than or equal to already used and reserved "
                    f"{taken[resource]}."
                )
            if user_id is not None and project[resource] >= 0 and (limit == -1 or limit > project[resource]):
                raise BadRequest(
                    f"Quota limit {limit} for {resource} must be less than or equal to {project[resource]}."
                )
            mine = {"project_id": project_id, "user_id": user_id or "", "resource": resource}
            same = sa.and_(*(quotas.c[key] == value for key, value in mine.items()))
            connection.execute(sa.delete(quotas).where(same))
            connection.execute(sa.insert(quotas).values(**mine, limit=limit))
        return limits(compute, connection, project_id, user_id)


def forget(compute: Compute, project_id: str, user_id: str | None) -> None:
    """Back to the defaults: of one user, or of the project and all its users."""
    mine = quotas.c.project_id == project_id
    if user_id is not None:
        mine = sa.and_(mine, quotas.c.user_id == user_id)
    with compute.db.write() as connection:
        connection.execute(sa.delete(quotas).where(mine))


def set_class(compute: Compute, name: str, changes: dict[str, int]) -> dict[str, int]:
    with compute.db.write() as connection:
        for resource, limit in changes.items():
            same = sa.and_(quota_classes.c.class_name == name, quota_classes.c.resource == resource)
            connection.execute(sa.delete(quota_classes).where(same))
            connection.execute(sa.insert(quota_classes).values(class_name=name, resource=resource, limit=limit))
        return class_limits(compute, connection, name)
