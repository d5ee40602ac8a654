"""`/groups` (Block Storage API, Generic volume groups; 3.13)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from sqlalchemy.engine import Row

from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call, Reply
from cumulet.volume import bodies, listing, views
from cumulet.volume.bodies import boolean, convert, inner, refused, stripped
from cumulet.volume.domain import access, group_sources, groups
from cumulet.volume.errors import not_found
from cumulet.volume.handlers.volume_access import may
from cumulet.volume.handlers.volumes import everyone
from cumulet.volume.schemas.groups import ChangedGroup, DeleteGroup, FromSource, NewGroup
from cumulet.volume.service import Volume

_SORTED_BY: Final = frozenset(groups.SORTS)


def checked(call: Call[Volume], group_id: str, rule: str) -> Row[Any]:
    """Raises the 404, then Forbidden."""
    with call.service.db.read() as connection:
        row = access.mine(call.ctx, groups.load(connection, group_id), not_found("Group", group_id))
    may(call, rule, row)
    return row


def _summary(row: Row[Any]) -> dict[str, Any]:
    return {"id": row.id, "name": row.name}


class _View:
    """How one caller sees groups; made once a request."""

    def __init__(self, call: Call[Volume], members: dict[str, list[str]] | None) -> None:
        self._call = call
        self._members = members
        self._projects = call.service.policy.allows(call.ctx, "group:group_project_attribute", {})

    def detail(self, row: Row[Any]) -> dict[str, Any]:
        version = self._call.version
        shown: dict[str, Any] = {
            "id": row.id,
            "status": row.status,
            "availability_zone": row.availability_zone,
            "created_at": views.time(row.created_at),
            "name": row.name,
            "description": row.description,
            "group_type": row.group_type_id,
            "volume_types": msgspec.Raw(row.volume_types.encode()),
        }
        if version >= (3, 14):
            shown["group_snapshot_id"] = row.group_snapshot_id
            shown["source_group_id"] = row.source_group_id
        if self._members is not None:
            shown["volumes"] = self._members.get(row.id, [])
        if version >= (3, 38):
            shown["replication_status"] = row.replication_status
        if version >= (3, 58) and self._projects:
            shown["project_id"] = row.project_id
        return shown


def _wants_volumes(call: Call[Volume]) -> bool:
    given = call.query().get("list_volume", [None])[-1]
    return call.version >= (3, 25) and boolean(given, "list_volume")


def _list(call: Call[Volume], *, detail: bool) -> Reply:
    may(call, "group:get_all")
    page = listing.wanted(call, sorted_by=_SORTED_BY)
    page.filters.pop("list_volume", None)
    listing.only_known(call, page, "group", groups.FILTERS, older=groups.FILTERS)
    all_projects = everyone(call, page)
    with_volumes = detail and _wants_volumes(call)
    with call.service.db.read() as connection:
        rows = groups.find(connection, groups.conditions(call.ctx, page, everyone=all_projects), page)
        members = groups.members_of(connection, [row.id for row in rows]) if with_volumes else None
    view = _View(call, members)
    shown = [view.detail(row) if detail else _summary(row) for row in rows]
    return listing.reply(call, page, "groups", "groups", shown, links="group_links")


def index(call: Call[Volume]) -> Reply:
    return _list(call, detail=False)


def detail(call: Call[Volume]) -> Reply:
    return _list(call, detail=True)


def show(call: Call[Volume], group_id: str) -> Reply:
    row = checked(call, group_id, "group:get")
    members = None
    if _wants_volumes(call):
        with call.service.db.read() as connection:
            members = groups.members_of(connection, [group_id])
    return Reply({"group": _View(call, members).detail(row)})


def create(call: Call[Volume]) -> Reply:
    given = convert(inner(call.raw_json(), "group"), NewGroup)
    may(call, "group:create")
    if len(set(given.volume_types)) != len(given.volume_types):
        raise refused("volume_types", given.volume_types, "It has non-unique elements.")
    values = {
        "name": stripped(given.name),
        "description": stripped(given.description),
        "availability_zone": given.availability_zone or call.service.conf.storage_availability_zone,
    }
    row = groups.create(call.service, call.ctx, values, given.group_type, given.volume_types)
    return Reply({"group": _summary(row)}, status=202)


def act_on_all(call: Call[Volume]) -> Reply:
    """`create-from-src` (3.14)."""
    given = convert(inner(call.raw_json(), "create-from-src"), FromSource)
    may(call, "group:create")
    sources = [each for each in (given.source_group_id, given.group_snapshot_id) if each is not msgspec.UNSET]
    if len(sources) != 1:
        raise BadRequest(
            "Invalid input for field/attribute create-from-src. It has one of group_snapshot_id and source_group_id."
        )
    row = group_sources.create(
        call.service,
        call.ctx,
        {"name": stripped(given.name), "description": stripped(given.description)},
        source_group_id=None if given.source_group_id is msgspec.UNSET else str(given.source_group_id),
        group_snapshot_id=None if given.group_snapshot_id is msgspec.UNSET else str(given.group_snapshot_id),
    )
    return Reply({"group": _summary(row)}, status=202)


def update(call: Call[Volume], group_id: str) -> Reply:
    fields = inner(call.raw_json(), "group")
    given = convert(fields, ChangedGroup)
    add, remove = (
        [one.strip() for one in (text if isinstance(text, str) else "").split(",") if one.strip()]
        for text in (given.add_volumes, given.remove_volumes)
    )
    values = {key: stripped(getattr(given, key)) for key in ("name", "description") if fields.get(key) is not None}
    checked(call, group_id, "group:update")
    if not values and not add and not remove:
        raise BadRequest("Name, description, add_volumes, and remove_volumes can not be all empty in the request body.")
    groups.update(call.service, group_id, values, add, remove)
    return Reply(status=202)


def _delete(call: Call[Volume], group_id: str, given: Any) -> Reply:
    flags = convert({} if given is None else given, DeleteGroup)
    with_volumes = boolean(flags.delete_volumes, "delete-volumes")
    checked(call, group_id, "group:delete")
    groups.delete(call.service, call.ctx, group_id, with_volumes=with_volumes)
    return Reply(status=202)


def _reset_status(call: Call[Volume], group_id: str, given: Any) -> Reply:
    """3.20."""
    status = convert(given.get("status") if isinstance(given, dict) else None, bodies.NonEmpty)
    if status not in groups.STATES:
        raise BadRequest(
            f"Invalid Group Status: Group status: {status[:64]} is invalid, valid status are: {groups.STATES}."
        )
    checked(call, group_id, "group:reset_status")
    groups.reset_status(call.service, group_id, status)
    return Reply(status=202)


def _replication(rule: str) -> Callable[[Call[Volume], str, Any], Reply]:
    """No back end here replicates by itself (3.38)."""

    def refuse(call: Call[Volume], group_id: str, given: Any) -> Reply:
        checked(call, group_id, rule)
        raise BadRequest(f"Invalid group: Replication is not enabled for group {group_id}: its type does not say so.")

    return refuse


def _targets(call: Call[Volume], group_id: str, given: Any) -> Reply:
    checked(call, group_id, "group:list_replication_targets")
    raise BadRequest(f"Invalid group: Replication is not enabled for group {group_id}: its type does not say so.")


_ACTIONS: Final[dict[str, tuple[tuple[int, int], Callable[[Call[Volume], str, Any], Reply]]]] = {
    "delete": ((3, 13), _delete),
    "reset_status": ((3, 20), _reset_status),
    "enable_replication": ((3, 38), _replication("group:enable_replication")),
    "disable_replication": ((3, 38), _replication("group:disable_replication")),
    "failover_replication": ((3, 38), _replication("group:failover_replication")),
    "list_replication_targets": ((3, 38), _targets),
}


def act(call: Call[Volume], group_id: str) -> Reply:
    known = {name: since for name, (since, _) in _ACTIONS.items() if call.version >= since}
    name, given = bodies.action(call, known)
    return _ACTIONS[name][1](call, group_id, given)
