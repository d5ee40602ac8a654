"""`/types` (Block Storage API, Volume types)."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy.engine

from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call, Reply
from cumulet.volume import listing
from cumulet.volume.bodies import Name, boolean, convert, inner, refused, stripped
from cumulet.volume.domain import type_lists, types
from cumulet.volume.handlers.volume_access import may
from cumulet.volume.schemas.types import NewType
from cumulet.volume.service import Volume

Row = sqlalchemy.engine.Row[Any]
_ACCESS: Final = "os-volume-type-access:is_public"
_VISIBLE_SPECS: Final = ("multiattach", "RESKEY:availability_zones", "replication_enabled")
"""The extra specs that users see; the others are about how a cloud is built."""


class View:
    """How one caller sees types; made once a request."""

    def __init__(self, call: Call[Volume]) -> None:
        policy, ctx = call.service.policy, call.ctx
        own = {"project_id": ctx.project_id, "user_id": ctx.user_id}
        self._specs = policy.allows(ctx, "volume_extension:access_types_extra_specs", own)
        self._all_specs = policy.allows(ctx, "volume_extension:types_extra_specs:read_sensitive", own)
        self._qos = policy.allows(ctx, "volume_extension:access_types_qos_specs_id", own)
        self._access = policy.allows(ctx, "volume_extension:volume_type_access", own)

    def specs(self, row: Row) -> dict[str, str]:
        found = types.extra_specs(row)
        return found if self._all_specs else {key: found[key] for key in _VISIBLE_SPECS if key in found}

    def show(self, row: Row, *, qos: bool = True, access: bool = True) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": row.id,
            "name": row.name,
            "is_public": row.is_public,
            "description": row.description,
        }
        if self._specs:
            shown["extra_specs"] = self.specs(row)
        if self._qos and qos:
            shown["qos_specs_id"] = row.qos_specs_id
        if self._access and access:
            shown[_ACCESS] = row.is_public
        return shown


def index(call: Call[Volume]) -> Reply:
    may(call, "volume_extension:type_get_all")
    page = listing.wanted(call, sorted_by=frozenset(type_lists.SORTS))
    public = _public(call, page.filters.pop("is_public", None))
    listing.only_known(call, page, "volume_type", type_lists.FILTERS, older=frozenset(("name",)))
    if call.version < (3, 52):
        page.filters.pop("extra_specs", None)
    with call.service.db.read() as connection:
        rows = type_lists.find(connection, call.ctx, page, public=public)
    view = View(call)
    shown = [view.show(row) for row in rows]
    return listing.reply(call, page, "types", "volume_types", shown, links="volume_type_links")


def _public(call: Call[Volume], text: str | None) -> bool | None:
    """None: both kinds. Users are shown public ones and their own whatever they ask."""
    if not call.service.is_admin(call.ctx) or (text is not None and text.lower() == "none"):
        return None
    if text is None:
        return True
    return boolean(text, "is_public")


def show(call: Call[Volume], type_id: str) -> Reply:
    may(call, "volume_extension:type_get")
    with call.service.db.read() as connection:
        if type_id == "default":
            row = types.default(call.service, connection, call.ctx.project_id)
        else:
            row = types.load(connection, type_id, call.ctx)
    return Reply({"volume_type": View(call).show(row, access=type_id != "default")})


def create(call: Call[Volume]) -> Reply:
    may(call, "volume_extension:type_create")
    fields = inner(call.raw_json(), "volume_type")
    given = convert({("is_public" if key == _ACCESS else key): value for key, value in fields.items()}, NewType)
    values = {
        "name": _name(given.name),
        "description": given.description,
        "is_public": boolean(given.is_public, _ACCESS, default=True),
        "extra_specs": given.extra_specs or {},
    }
    row = types.create(call.service, values)
    return Reply({"volume_type": View(call).show(row, qos=False)})


def _name(text: str) -> str:
    name = str(stripped(text))
    if not 1 <= len(name) <= 255:
        raise refused("name", text, "It has 1 to 255 characters.")
    return name


def update(call: Call[Volume], type_id: str) -> Reply:
    may(call, "volume_extension:type_update")
    fields = inner(call.raw_json(), "volume_type")
    unknown = sorted(set(fields) - {"name", "description", "is_public"})
    if unknown:
        raise BadRequest(f"Additional properties are not allowed ({', '.join(map(repr, unknown))} was unexpected)")
    name, description = (convert(fields.get(key), Name | None) for key in ("name", "description"))  # type: ignore[arg-type]
    public = fields.get("is_public")
    if name is None and description is None and public is None:
        raise BadRequest("Specify volume type name, description, is_public or a combination thereof.")
    values: dict[str, Any] = {}
    if name is not None:
        values["name"] = _name(str(name))
    if description is not None:
        values["description"] = description
    if public is not None:
        values["is_public"] = boolean(public, "is_public")
    row = types.update(call.service, type_id, values)
    return Reply({"volume_type": View(call).show(row, qos=False, access=False)})


def delete(call: Call[Volume], type_id: str) -> Reply:
    may(call, "volume_extension:type_delete")
    types.delete(call.service, type_id)
    return Reply(status=202)
