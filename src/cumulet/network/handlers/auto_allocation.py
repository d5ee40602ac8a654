"""`/v2.0/auto-allocated-topology/{project}` (Networking API v2.0, Auto Allocated Topology)."""

from __future__ import annotations

from cumulet.kernel.http import NO_CONTENT, Call, Reply
from cumulet.network.domain import auto_allocation
from cumulet.network.errors import bad_request, forbidden
from cumulet.network.service import Network


def _project(call: Call[Network], project_id: str, rule: str) -> str:
    """Whose topology is meant; `null` is the caller's own. Raises Forbidden for another's."""
    wanted = call.ctx.project_id if project_id in ("null", "None") else project_id
    if not wanted:
        raise bad_request("Invalid input for operation: a project is needed.", "InvalidInput")
    if not call.service.policy.allows(call.ctx, rule, {"project_id": wanted, "tenant_id": wanted}):
        raise forbidden(f"rule:{rule}")
    return wanted


def show(call: Call[Network], project_id: str) -> Reply:
    """Makes it where there is none; `fields=dry-run` only says whether that would work."""
    wanted = _project(call, project_id, "get_auto_allocated_topology")
    if "dry-run" in call.query().get("fields", []):
        with call.service.db.read() as connection:
            auto_allocation.check(connection)
        return _shown(auto_allocation.DRY_RUN_PASSED, wanted)
    with call.service.write() as connection:
        return _shown(auto_allocation.ensure(call.service, connection, wanted), wanted)


def _shown(identifier: str, project_id: str) -> Reply:
    return Reply({"auto_allocated_topology": {"id": identifier, "tenant_id": project_id, "project_id": project_id}})


def delete(call: Call[Network], project_id: str) -> Reply:
    wanted = _project(call, project_id, "delete_auto_allocated_topology")
    with call.service.write() as connection:
        auto_allocation.delete(call.service, connection, wanted)
    return NO_CONTENT
