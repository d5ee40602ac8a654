"""Extra specs and access of types, default types (Block Storage API, Volume types, Default types)."""

from __future__ import annotations

from typing import Any

from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.http import NO_CONTENT, Call, Reply
from cumulet.volume.bodies import NonEmpty, action, convert, inner, only_key
from cumulet.volume.domain import default_types, types
from cumulet.volume.handlers.types import View
from cumulet.volume.handlers.volume_access import may
from cumulet.volume.schemas.types import ExtraSpecs
from cumulet.volume.service import Volume

_SPECS = "volume_extension:types_extra_specs"
_ACCESS = "volume_extension:volume_type_access"


def _seen(call: Call[Volume], type_id: str) -> dict[str, str]:
    with call.service.db.read() as connection:
        return View(call).specs(types.load(connection, type_id, call.ctx))


def index(call: Call[Volume], type_id: str) -> Reply:
    may(call, f"{_SPECS}:index")
    return Reply({"extra_specs": _seen(call, type_id)})


def show(call: Call[Volume], type_id: str, key: str) -> Reply:
    may(call, f"{_SPECS}:show")
    found = _seen(call, type_id)
    if key not in found:
        raise NotFound(f"Volume Type {type_id} has no extra specs with key {key}.")
    return Reply({key: found[key]})


def create(call: Call[Volume], type_id: str) -> Reply:
    may(call, f"{_SPECS}:create")
    given = convert(inner(call.raw_json(), "extra_specs"), ExtraSpecs)
    types.edit_extra_specs(call.service, type_id, given)
    return Reply({"extra_specs": given})


def update(call: Call[Volume], type_id: str, key: str) -> Reply:
    may(call, f"{_SPECS}:update")
    given = convert(call.raw_json(), ExtraSpecs)
    only_key(given, key)
    types.edit_extra_specs(call.service, type_id, given)
    return Reply(given)


def delete(call: Call[Volume], type_id: str, key: str) -> Reply:
    may(call, f"{_SPECS}:delete")
    types.edit_extra_specs(call.service, type_id, {}, remove=key)
    return Reply(status=202)


def access(call: Call[Volume], type_id: str) -> Reply:
    may(call, f"{_ACCESS}:get_all_for_type")
    with call.service.db.read() as connection:
        row = types.load(connection, type_id, call.ctx)
        if row.is_public:
            raise NotFound("Access list not available for public volume types.")
        projects = types.projects_of(connection, type_id)
    return Reply({"volume_type_access": [{"volume_type_id": type_id, "project_id": each} for each in projects]})


def act(call: Call[Volume], type_id: str) -> Reply:
    """addProjectAccess and removeProjectAccess."""
    changes: dict[str, Any] = {"addProjectAccess": types.give, "removeProjectAccess": types.take}
    name, given = action(call, changes)
    may(call, f"{_ACCESS}:{name}")
    project = given.get("project") if isinstance(given, dict) and set(given) == {"project"} else None
    changes[name](call.service, type_id, convert(project, NonEmpty))
    return Reply(status=202)


def _default(row: Any) -> dict[str, str]:
    return {"project_id": row.project_id, "volume_type_id": row.volume_type_id}


def defaults(call: Call[Volume]) -> Reply:
    may(call, "volume_extension:default_get_all")
    with call.service.db.read() as connection:
        return Reply({"default_types": [_default(row) for row in default_types.find(connection)]})


def default(call: Call[Volume], project_id: str) -> Reply:
    may(call, "volume_extension:default_get")
    with call.service.db.read() as connection:
        return Reply({"default_type": _default(default_types.load(connection, project_id))})


def set_default(call: Call[Volume], project_id: str) -> Reply:
    may(call, "volume_extension:default_set_or_update")
    fields = inner(call.raw_json(), "default_type")
    if set(fields) != {"volume_type"}:
        raise BadRequest("Invalid input for field/attribute default_type. It has a volume_type.")
    if not 1 <= len(project_id) <= 64:
        raise BadRequest("Invalid input for field/attribute project_id. It has 1 to 64 characters.")
    with call.service.db.read() as connection:
        wanted = convert(fields["volume_type"], NonEmpty)
        try:
            row = types.by_id_or_name(connection, wanted, call.ctx)
        except NotFound as error:
            raise BadRequest(error.message) from None
    return Reply({"default_type": _default(default_types.set_default(call.service, project_id, row.id))})


def unset_default(call: Call[Volume], project_id: str) -> Reply:
    may(call, "volume_extension:default_unset")
    default_types.unset(call.service, project_id)
    return NO_CONTENT
