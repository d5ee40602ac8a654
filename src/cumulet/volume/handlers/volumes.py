"""`/volumes` (Block Storage API, Volumes)."""

from __future__ import annotations

from typing import Any, Final

from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call, Reply
from cumulet.volume import listing
from cumulet.volume.bodies import boolean, convert, inner, refused, stripped
from cumulet.volume.domain import types, volume_create, volume_delete, volumes
from cumulet.volume.domain.listing import Wanted
from cumulet.volume.domain.listing import count as count_rows
from cumulet.volume.handlers import volume_access
from cumulet.volume.handlers.volume_views import View
from cumulet.volume.schemas.volumes import ChangedFields, StrictVolumeFields, VolumeFields
from cumulet.volume.service import Volume

_SORTED_BY: Final = frozenset(volumes.SORTS)
_OLDER: Final = volumes.FILTERS & {
    "name",
    "status",
    "metadata",
    "bootable",
    "migration_status",
    "availability_zone",
    "size",
    "group_id",
    "glance_metadata",
    "display_name",
}
_HINTS: Final = "OS-SCH-HNT:scheduler_hints"


def _wanted(call: Call[Volume]) -> tuple[Wanted, bool]:
    """The page, and whether it is of everyone's volumes."""
    page = listing.wanted(call, sorted_by=_SORTED_BY)
    listing.only_known(call, page, "volume", volumes.FILTERS, older=_OLDER)
    if call.version < (3, 4):
        page.filters.pop("glance_metadata", None)
    if call.version < (3, 10):
        page.filters.pop("group_id", None)
    return page, everyone(call, page)


def everyone(call: Call[Volume], page: Wanted) -> bool:
    """Whether everyone's are asked for; without that `project_id` and `tenant_id` say nothing, as in the original."""
    asked = boolean(page.filters.pop("all_tenants", None), "all_tenants")
    if asked and call.service.is_admin(call.ctx):
        return True
    for key in ("project_id", "tenant_id"):
        page.filters.pop(key, None)
    return False


def _list(call: Call[Volume], *, detailed: bool) -> Reply:
    volume_access.may(call, "volume:get_all")
    page, all_projects = _wanted(call)
    with call.service.db.read() as connection:
        where = volumes.conditions(call.ctx, page, everyone=all_projects, now=call.service.now())
        rows = volumes.find(connection, where, page, volumes.SHOWN if detailed else volumes.NAMED)
        number = count_rows(connection, volumes.volumes, where) if page.with_count else None
        view = View(call, types.names(connection) if detailed else {})
    show = view.detail if detailed else view.summary
    path = "volumes/detail" if detailed else "volumes"
    shown = [show(row) for row in rows]
    return listing.reply(call, page, path, "volumes", shown, count=number)


def index(call: Call[Volume]) -> Reply:
    return _list(call, detailed=False)


def detail(call: Call[Volume]) -> Reply:
    return _list(call, detailed=True)


def summary(call: Call[Volume]) -> Reply:
    """From 3.12; metadata from 3.36."""
    volume_access.may(call, "volume:get_all")
    page, all_projects = _wanted(call)
    with call.service.db.read() as connection:
        where = volumes.conditions(call.ctx, page, everyone=all_projects, now=call.service.now())
        number, size, metadata = volumes.summary(connection, where)
    body: dict[str, Any] = {"total_count": number, "total_size": size}
    if call.version >= (3, 36):
        body["metadata"] = {key: sorted(values) for key, values in metadata.items()}
    return Reply({"volume-summary": body})


def show(call: Call[Volume], volume_id: str) -> Reply:
    with call.service.db.read() as connection:
        row = volume_access.load(call, connection, volume_id, "volume:get")
        view = View(call, types.name_of(connection, row.volume_type_id))
    return Reply({"volume": view.detail(volumes.as_shown(row))})


def create(call: Call[Volume]) -> Reply:
    request = _request(call)
    volume_access.may(call, "volume:create_from_image" if request.image_id else "volume:create")
    row = volume_create.create(call.service, call.ctx, request)
    with call.service.db.read() as connection:
        view = View(call, types.name_of(connection, row.volume_type_id))
    return Reply({"volume": view.basic(volumes.as_shown(row))}, status=202)


def _request(call: Call[Volume]) -> volume_create.Request:
    raw = call.raw_json()
    hints = raw.get(_HINTS) if isinstance(raw, dict) else None
    fields = inner(
        {key: value for key, value in raw.items() if key != _HINTS} if isinstance(raw, dict) else raw, "volume"
    )
    if not fields:
        raise BadRequest(
            "The server could not comply with the request since it is either malformed or otherwise incorrect."
        )
    hints = hints if hints is not None else fields.get("scheduler_hints")
    if hints is not None and not isinstance(hints, dict):
        raise refused(_HINTS, hints, "It is an object.")
    strict = call.version >= (3, 53)
    given = convert(fields, StrictVolumeFields if strict else VolumeFields)
    if boolean(given.multiattach, "multiattach"):
        raise BadRequest(
            "multiattach parameter has been removed. The default behavior is to use multiattach enabled volume types. "
            "Contact your administrator to create a multiattach enabled volume type and use the specified volume type "
            "to create multiattach volumes."
        )
    name, description = _texts(given.name, given.description, given.display_name, given.display_description)
    return volume_create.Request(
        size=given.size,
        name=name,
        description=description,
        volume_type=given.volume_type or None,
        availability_zone=stripped(given.availability_zone) or None,
        metadata=given.metadata or {},
        snapshot_id=given.snapshot_id,
        source_volid=given.source_volid,
        image_id=given.imageRef or given.image_id or None,
        of_servers_too=call.version >= (3, 46),
        backup_id=given.backup_id if call.version >= (3, 47) else None,
        group_id=(given.group_id if call.version >= (3, 13) else None) or given.consistencygroup_id,
        scheduler_hints=hints or {},
    )


def _texts(name: Any, description: Any, display_name: Any, display_description: Any) -> tuple[Any, Any]:
    """The newer names and the older ones mean the same; spaces around do not count."""
    found = []
    for key, new, old in (("name", name, display_name), ("description", description, display_description)):
        text = stripped(new if new is not None else old)
        if text is not None and len(text) > 255:
            raise BadRequest(f"Invalid input received: {key} has {len(text)} characters, more than 255.")
        found.append(text)
    return found[0], found[1]


def update(call: Call[Volume], volume_id: str) -> Reply:
    fields = inner(call.raw_json(), "volume")
    given = convert(fields, ChangedFields)
    if not fields and call.version >= (3, 53):
        raise BadRequest("Invalid input for field/attribute volume. Value: {}. It changes nothing.")
    volume_access.checked(call, volume_id, "volume:update")
    values: dict[str, Any] = {}
    for key, old in (("name", "display_name"), ("description", "display_description")):
        if key in fields or old in fields:
            value = stripped(fields[key] if key in fields else fields[old])
            if value is not None and len(value) > 255:
                raise BadRequest(f"Invalid input received: {key} has {len(value)} characters, more than 255.")
            values[key] = value
    if "metadata" in fields:
        values["metadata"] = given.metadata
    row = volumes.update(call.service, volume_id, values)
    with call.service.db.read() as connection:
        view = View(call, types.name_of(connection, row.volume_type_id))
    return Reply({"volume": view.basic(volumes.as_shown(row))})


def delete(call: Call[Volume], volume_id: str) -> Reply:
    """`cascade`: with its snapshots; `force` (3.23): in any status."""
    query = {key: values[-1] for key, values in call.query().items()}
    cascade = boolean(query.get("cascade"), "cascade")
    force = boolean(query.get("force"), "force") if call.version >= (3, 23) else False
    volume_access.checked(call, volume_id, "volume:force_delete" if force else "volume:delete")
    volume_delete.request(call.service, call.ctx, volume_id, force=force, cascade=cascade)
    return Reply(status=202)
