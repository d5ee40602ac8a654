"""`/group_types` (Block Storage API, Group types; 3.11)."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from sqlalchemy.engine import Row

from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.http import Call, Reply
from cumulet.volume import listing
from cumulet.volume.bodies import boolean, convert, inner, only_key, refused, stripped
from cumulet.volume.domain import group_types
from cumulet.volume.handlers.volume_access import may
from cumulet.volume.schemas.groups import ChangedGroupType, GroupSpecs, NewGroupType, Specs
from cumulet.volume.service import Volume

_SORTED_BY: Final = frozenset(group_types.SORTS)
_SPECS: Final = "group:group_types_specs"


def _show(call: Call[Volume], row: Row[Any], *, specs: bool) -> dict[str, Any]:
    shown = {"id": row.id, "name": row.name, "description": row.description, "is_public": row.is_public}
    return shown | ({"group_specs": msgspec.Raw(row.group_specs.encode())} if specs else {})


def _sees_specs(call: Call[Volume]) -> bool:
    return call.service.policy.allows(call.ctx, "group:access_group_types_specs", {})


def _one(call: Call[Volume], row: Row[Any], status: int = 200) -> Reply:
    return Reply({"group_type": _show(call, row, specs=_sees_specs(call))}, status=status)


def index(call: Call[Volume]) -> Reply:
    page = listing.wanted(call, sorted_by=_SORTED_BY)
    text = page.filters.get("is_public")
    public = True if text is None else None if str(text).lower() == "none" else boolean(text, "is_public")
    with call.service.db.read() as connection:
        rows = group_types.find(connection, call.ctx, page, public=public)
    specs = _sees_specs(call)
    shown = [_show(call, row, specs=specs) for row in rows]
    return listing.reply(call, page, "group_types", "group_types", shown, links="group_type_links")


def show(call: Call[Volume], type_id: str) -> Reply:
    with call.service.db.read() as connection:
        if type_id == "default":
            row = group_types.default(call.service, connection)
        else:
            row = group_types.load(connection, type_id, call.ctx)
    return _one(call, row)


def create(call: Call[Volume]) -> Reply:
    may(call, "group:group_types:create")
    given = convert(inner(call.raw_json(), "group_type"), NewGroupType)
    values = {
        "name": _name(given.name),
        "description": given.description,
        "is_public": boolean(given.is_public, "is_public", default=True),
        "group_specs": given.group_specs or {},
    }
    return _one(call, group_types.create(call.service, values), status=202)


def _name(text: str) -> str:
    name = str(stripped(text))
    if not name:
        raise refused("name", text, "It has 1 to 255 characters.")
    return name


def update(call: Call[Volume], type_id: str) -> Reply:
    may(call, "group:group_types:update")
    given = convert(inner(call.raw_json(), "group_type"), ChangedGroupType)
    values: dict[str, Any] = {}
    if given.name is not None:
        if not given.name.strip():
            raise BadRequest("Group type name can not be empty.")
        values["name"] = given.name.strip()
    if given.description is not None:
        values["description"] = given.description
    if given.is_public is not None:
        values["is_public"] = boolean(given.is_public, "is_public")
    if not values:
        raise BadRequest("Specify group type name, description or is_public.")
    return _one(call, group_types.update(call.service, type_id, values))


def delete(call: Call[Volume], type_id: str) -> Reply:
    may(call, "group:group_types:delete")
    group_types.delete(call.service, type_id)
    return Reply(status=202)


def _loaded_specs(call: Call[Volume], type_id: str) -> dict[str, str | None]:
    with call.service.db.read() as connection:
        return group_types.specs_of(group_types.load(connection, type_id))


def specs(call: Call[Volume], type_id: str) -> Reply:
    may(call, f"{_SPECS}:get_all")
    return Reply({"group_specs": _loaded_specs(call, type_id)})


def add_specs(call: Call[Volume], type_id: str) -> Reply:
    may(call, f"{_SPECS}:create")
    given = convert(call.raw_json(), GroupSpecs).group_specs
    group_types.edit_specs(call.service, type_id, given)
    return Reply({"group_specs": given}, status=202)


def show_spec(call: Call[Volume], type_id: str, key: str) -> Reply:
    may(call, f"{_SPECS}:get")
    found = _loaded_specs(call, type_id)
    if key not in found:
        raise NotFound(f"Group Type {type_id} has no extra spec with key {key}.")
    return Reply({key: found[key]})


def set_spec(call: Call[Volume], type_id: str, key: str) -> Reply:
    may(call, f"{_SPECS}:update")
    given = convert(call.raw_json(), Specs)
    only_key(given, key)
    group_types.edit_specs(call.service, type_id, given)
    return Reply(given)


def delete_spec(call: Call[Volume], type_id: str, key: str) -> Reply:
    may(call, f"{_SPECS}:delete")
    group_types.edit_specs(call.service, type_id, {}, remove=key)
    return Reply(status=202)
