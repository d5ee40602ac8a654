"""How limits of projects and of their domains go together: `[unified_limit] enforcement_model`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.identity.tables import limits, projects, registered_limits
from cumulet.kernel.errors import Forbidden

FLAT, STRICT = "flat", "strict_two_level"
UNBOUNDED = -1
DESCRIPTIONS = {
    FLAT: "Limit enforcement and validation does not take project hierarchy into consideration.",
    STRICT: "This model requires project hierarchy never exceeds a depth of two",
}
Check = Callable[[Connection, dict[str, Any]], None]


def check_for(model: str) -> Check:
    """What to call after a limit was stored. It raises Forbidden when the limit breaks the model."""
    return _check_strict if model == STRICT else lambda connection, limit: None


def _check_strict(connection: Connection, limit: dict[str, Any]) -> None:
    """A project's limit is at most its domain's, or the registered default; a domain's at least its projects'."""
    amount = limit["resource_limit"]
    if limit["project_id"] is None:
        highest = _highest_in_domain(connection, limit)
        broken = amount != UNBOUNDED and highest is not None and amount < highest
    else:
        bound = _bound_of_project(connection, limit)
        broken = bound != UNBOUNDED and amount > bound
    if broken:
        owner = "project_id" if limit["project_id"] else "domain_id"
        raise Forbidden(
            f"Invalid resource limit: The resource limit ({owner}: {limit[owner]}, "
            f"resource_name: {limit['resource_name']}, resource_limit: {amount}, "
            f"service_id: {limit['service_id']}, region_id: {limit['region_id']}) doesn't satisfy current "
            "hierarchy model.."
        )


def _highest_in_domain(connection: Connection, limit: dict[str, Any]) -> int | None:
    inside = sa.select(projects.c.id).where(projects.c.domain_id == limit["domain_id"])
    highest = sa.select(sa.func.max(limits.c.resource_limit)).where(
        limits.c.registered_limit_id == limit["registered_limit_id"], limits.c.project_id.in_(inside)
    )
    found: int | None = connection.execute(highest).scalar()
    return found


def _bound_of_project(connection: Connection, limit: dict[str, Any]) -> int:
    domain_id = sa.select(projects.c.domain_id).where(projects.c.id == limit["project_id"]).scalar_subquery()
    of_domain = sa.select(limits.c.resource_limit).where(
        limits.c.registered_limit_id == limit["registered_limit_id"], limits.c.domain_id == domain_id
    )
    default = sa.select(registered_limits.c.default_limit).where(registered_limits.c.id == limit["registered_limit_id"])
    bound: int | None = connection.execute(of_domain).scalar()
    return bound if bound is not None else connection.execute(default).scalar_one()
