"""Extra specs and access of flavors (Compute API, Flavors extra-specs and Flavors access)."""

from __future__ import annotations

import re
from typing import Any, Final

from cumulet.compute.bodies import action
from cumulet.compute.domain import flavors
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.http import Call, Reply

_KEY: Final = re.compile(r"^[a-zA-Z0-9\-_:. ]{1,255}$")


def _may(call: Call[Compute], rule: str) -> None:
    call.service.policy.can(call.ctx, f"os_compute_api:{rule}", {"project_id": call.ctx.project_id})


def specs(call: Call[Compute], flavor_id: str) -> Reply:
    _may(call, "os-flavor-extra-specs:index")
    with call.service.db.read() as connection:
        return Reply({"extra_specs": flavors.extra_specs(flavors.load(connection, flavor_id, call.ctx))})


def spec(call: Call[Compute], flavor_id: str, key: str) -> Reply:
    _may(call, "os-flavor-extra-specs:show")
    with call.service.db.read() as connection:
        found = flavors.extra_specs(flavors.load(connection, flavor_id, call.ctx))
    if key not in found:
        raise NotFound(f"Flavor {flavor_id} has no extra specs with key {key}.")
    return Reply({key: found[key]})


def create_specs(call: Call[Compute], flavor_id: str) -> Reply:
    _may(call, "os-flavor-extra-specs:create")
    body = call.raw_json()
    if not isinstance(body, dict) or set(body) != {"extra_specs"}:
        raise BadRequest("Invalid input for field/attribute extra_specs. It is an object of keys and values.")
    checked = _checked(body["extra_specs"])
    if not checked:
        raise BadRequest("Invalid input for field/attribute extra_specs. Value: {}. {} should be non-empty")
    flavors.set_extra_specs(call.service, flavor_id, checked)
    return Reply({"extra_specs": checked})


def _checked(given: Any) -> dict[str, str]:
    if not isinstance(given, dict):
        raise BadRequest("Invalid input for field/attribute extra_specs. It is an object of keys and values.")
    found = {}
    for key, value in given.items():
        if not _KEY.match(key):
            raise BadRequest(f"Invalid input for field/attribute extra_specs. '{key}' is no valid key.")
        if isinstance(value, bool) or not isinstance(value, str | int | float) or len(str(value)) > 255:
            raise BadRequest(f"Invalid input for field/attribute {key}. Value: {value}.")
        found[key] = str(value)
    return found


def update_spec(call: Call[Compute], flavor_id: str, key: str) -> Reply:
    _may(call, "os-flavor-extra-specs:update")
    checked = _checked(call.raw_json())
    if set(checked) != {key}:
        raise BadRequest("Request body and URI mismatch")
    flavors.set_extra_specs(call.service, flavor_id, checked)
    return Reply(checked)


def delete_spec(call: Call[Compute], flavor_id: str, key: str) -> Reply:
    _may(call, "os-flavor-extra-specs:delete")
    flavors.remove_extra_spec(call.service, flavor_id, key)
    return Reply(status=200)


def access(call: Call[Compute], flavor_id: str) -> Reply:
    _may(call, "os-flavor-access")
    with call.service.db.read() as connection:
        row = flavors.load(connection, flavor_id, call.ctx)
        if row.is_public:
            raise NotFound("Access list not available for public flavors.")
        return _access(flavor_id, flavors.projects_of(connection, flavor_id))


def _access(flavor_id: str, projects: list[str]) -> Reply:
    return Reply({"flavor_access": [{"flavor_id": flavor_id, "tenant_id": project} for project in projects]})


def act(call: Call[Compute], flavor_id: str) -> Reply:
    """addTenantAccess and removeTenantAccess."""
    changes = {"addTenantAccess": flavors.give, "removeTenantAccess": flavors.take}
    name, given = action(call, changes)
    _may(call, f"os-flavor-access:{'add' if name == 'addTenantAccess' else 'remove'}_tenant_access")
    project_id = given.get("tenant") if isinstance(given, dict) and set(given) == {"tenant"} else None
    if not isinstance(project_id, str) or not 1 <= len(project_id) <= 255:
        raise BadRequest(f"Invalid input for field/attribute {name}. It is an object with the project's id as tenant.")
    call.service.projects.require(project_id)
    return _access(flavor_id, changes[name](call.service, flavor_id, project_id))
