"""Extra specs and access of flavors (Compute API, Flavors extra-specs and Flavors access)."""

from __future__ import annotations

from typing import Any, Final

from cumulet.compute.bodies import action, convert, read
from cumulet.compute.domain import extra_specs, flavors
from cumulet.compute.schemas.flavors import Specs, SpecsBody, Tenant
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.http import Call, Reply

_VALIDATED_SINCE: Final = (2, 86)
_PRIVATE_ONLY_SINCE: Final = (2, 7)


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
    given = read(call, SpecsBody).extra_specs
    _may(call, "os-flavor-extra-specs:create")
    return _set(call, flavor_id, given, {"extra_specs": given})


def _set(call: Call[Compute], flavor_id: str, given: Specs, answer: dict[str, Any]) -> Reply:
    """Numbers are answered as they came, and kept as text. Raises BadRequest for a value the key may not have."""
    specs = {key: str(value) for key, value in given.items()}
    if call.version >= _VALIDATED_SINCE:
        extra_specs.require_valid(specs)
    flavors.set_extra_specs(call.service, flavor_id, specs)
    return Reply(answer)


def update_spec(call: Call[Compute], flavor_id: str, key: str) -> Reply:
    given = read(call, Specs)
    if set(given) != {key}:
        raise BadRequest("Request body and URI mismatch")
    _may(call, "os-flavor-extra-specs:update")
    return _set(call, flavor_id, given, given)


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
    name, given = action(call, {"addTenantAccess": 1, "removeTenantAccess": 1})
    project_id = convert(given, Tenant).tenant
    if name == "removeTenantAccess":  # of a project, too, that is there no more
        _may(call, "os-flavor-access:remove_tenant_access")
        return _access(flavor_id, flavors.take(call.service, flavor_id, project_id))
    _may(call, "os-flavor-access:add_tenant_access")
    call.service.projects.require(project_id)
    public = call.version < _PRIVATE_ONLY_SINCE
    return _access(flavor_id, flavors.give(call.service, flavor_id, project_id, public=public))
