"""The security groups a new server asks for, checked with Network as the caller before anything is entered."""

from __future__ import annotations

from urllib.parse import urlencode

from cumulet.compute import peers
from cumulet.compute.schemas.servers import ServerFields
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call

DEFAULT = ["default"]


def resolve(call: Call[Compute], given: ServerFields) -> list[str]:
    """Names, as the server will show them. Raises BadRequest for one that is not there, or that several have."""
    wanted = list(dict.fromkeys(group.name for group in given.security_groups)) or DEFAULT
    if wanted == DEFAULT:
        return wanted
    query = urlencode([("project_id", call.ctx.project_id or ""), ("fields", "id"), ("fields", "name")])
    groups = peers.require(peers.ask(call, "network", "GET", f"/v2.0/security-groups?{query}"))["security_groups"]
    by_id = {group["id"]: group["name"] for group in groups}
    names = list(by_id.values())
    found = []
    for one in wanted:
        if names.count(one) > 1:
            raise BadRequest(f"Multiple security groups found matching '{one}'. Use an ID to be more specific.")
        if one not in names and one not in by_id and one != "default":
            raise BadRequest(f"Security group {one} not found for project {call.ctx.project_id}.")
        found.append(by_id.get(one, one))
    return list(dict.fromkeys(found))
