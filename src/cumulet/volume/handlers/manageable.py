"""`/os-volume-manage`, `/manageable_volumes` (3.8), and the same for snapshots (Block Storage API)."""

from __future__ import annotations

from typing import Any, Final

from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call, Reply
from cumulet.volume.bodies import boolean, convert, inner, stripped
from cumulet.volume.domain import manageable, types, volumes
from cumulet.volume.handlers import snapshots as snapshot_handlers
from cumulet.volume.handlers import volume_access
from cumulet.volume.handlers.volume_access import may
from cumulet.volume.handlers.volume_views import View
from cumulet.volume.schemas.manageable import ManagedSnapshot, ManagedVolume
from cumulet.volume.service import Volume

_SORT_KEYS: Final = ("size", "reference")
_MOST: Final = 1000


def _reference(given: Any) -> dict[str, str]:
    """`{"source-name": …}`; a text is the name itself. Raises BadRequest."""
    if isinstance(given, str):
        return {"source-name": given}
    if not isinstance(given, dict) or not given:
        raise BadRequest("Invalid input for field/attribute ref. It is an object that names what is to be managed.")
    return {str(key): str(value) for key, value in given.items()}


def manage(call: Call[Volume]) -> Reply:
    given = convert(inner(call.raw_json(), "volume"), ManagedVolume)
    may(call, "volume_extension:volume_manage")
    if given.host is None or given.cluster is not None:
        raise BadRequest("Invalid input received: One and only one of cluster and host must be set.")
    request = manageable.Request(
        host=given.host,
        reference=_reference(given.ref),
        name=stripped(given.name),
        description=stripped(given.description),
        volume_type=given.volume_type or None,
        availability_zone=given.availability_zone or None,
        bootable=boolean(given.bootable, "bootable"),
        metadata=given.metadata or {},
    )
    row = manageable.manage(call.service, call.ctx, request)
    with call.service.db.read() as connection:
        view = View(call, types.names(connection))
    return Reply({"volume": view.detail(volumes.as_shown(row))}, status=202)


def manage_snapshot(call: Call[Volume]) -> Reply:
    given = convert(inner(call.raw_json(), "snapshot"), ManagedSnapshot)
    may(call, "snapshot_extension:snapshot_manage")
    volume_access.checked(call, given.volume_id, "volume:get")
    values = {
        "name": stripped(given.name),
        "description": stripped(given.description),
        "metadata": given.metadata or {},
    }
    row = manageable.manage_snapshot(call.service, call.ctx, given.volume_id, _reference(given.ref), values)
    return Reply({"snapshot": snapshot_handlers.detailed(call, row)}, status=202)


def _offered(call: Call[Volume], *, of_snapshots: bool) -> list[dict[str, Any]]:
    """A page of what the back end has. Raises BadRequest."""
    query = {key: values[-1] for key, values in call.query().items()}
    host, cluster = query.get("host"), query.get("cluster") if call.version >= (3, 17) else None
    if not host or cluster:
        raise BadRequest("Invalid input received: One and only one of cluster and host must be set.")
    unknown = sorted(set(query) - {"host", "cluster", "limit", "offset", "marker", "sort", "sort_key", "sort_dir"})
    if unknown:
        raise BadRequest(f"Invalid input received: Unexpected parameters: {', '.join(unknown)[:200]}")
    key, descending = _sort(query)
    found = manageable.offered(call.service, host, of_snapshots=of_snapshots)
    if key == "size":
        found.sort(key=lambda one: int(one["size_gb"]), reverse=descending)
    else:
        found.sort(key=lambda one: sorted(one["reference"].items()), reverse=descending)
    if "marker" in query:
        places = [place for place, one in enumerate(found) if query["marker"] in one["reference"].values()]
        if not places:
            raise BadRequest(f"Invalid input received: Invalid marker: {query['marker'][:200]}")
        found = found[places[0] + 1 :]
    offset, limit = _number(query, "offset", 0), _number(query, "limit", _MOST)
    return found[offset : offset + min(limit, _MOST)]


def _sort(query: dict[str, str]) -> tuple[str, bool]:
    key, _, direction = query.get("sort", "").partition(":")
    key, direction = key or query.get("sort_key", "reference"), direction or query.get("sort_dir", "asc")
    if key not in _SORT_KEYS:
        raise BadRequest(f"Invalid input received: Invalid sort key {key[:64]}: it is one of {', '.join(_SORT_KEYS)}.")
    if direction not in ("asc", "desc"):
        raise BadRequest("Invalid input received: Unknown sort direction, must be 'desc' or 'asc'.")
    return key, direction == "desc"


def _number(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadRequest(f"{name} param must be an integer")
    return int(text)


def _summary(one: dict[str, Any], *, of_snapshots: bool) -> dict[str, Any]:
    shown = {"reference": one["reference"], "size": one["size_gb"], "safe_to_manage": one["safe"]}
    return shown | ({"source_reference": one["source"]} if of_snapshots else {})


def _detail(one: dict[str, Any], *, of_snapshots: bool) -> dict[str, Any]:
    more = {"reason_not_safe": one["reason"], "cinder_id": one["id"], "extra_info": one["extra"]}
    return _summary(one, of_snapshots=of_snapshots) | more


def _list(call: Call[Volume], *, of_snapshots: bool, detail: bool) -> Reply:
    may(call, f"{'snapshot' if of_snapshots else 'volume'}_extension:list_manageable")
    show = _detail if detail else _summary
    found = [show(one, of_snapshots=of_snapshots) for one in _offered(call, of_snapshots=of_snapshots)]
    return Reply({f"manageable-{'snapshots' if of_snapshots else 'volumes'}": found})


def index(call: Call[Volume]) -> Reply:
    return _list(call, of_snapshots=False, detail=False)


def detail(call: Call[Volume]) -> Reply:
    return _list(call, of_snapshots=False, detail=True)


def snapshot_index(call: Call[Volume]) -> Reply:
    return _list(call, of_snapshots=True, detail=False)


def snapshot_detail(call: Call[Volume]) -> Reply:
    return _list(call, of_snapshots=True, detail=True)


def unmanage(call: Call[Volume], volume_id: str, given: Any) -> Reply:
    """The action `os-unmanage` of a volume."""
    volume_access.checked(call, volume_id, "volume_extension:volume_unmanage")
    manageable.unmanage(call.service, call.ctx, volume_id)
    return Reply(status=202)


def unmanage_snapshot(call: Call[Volume], snapshot_id: str, given: Any) -> Reply:
    """The action `os-unmanage` of a snapshot."""
    snapshot_handlers.checked(call, snapshot_id, "snapshot_extension:snapshot_unmanage")
    manageable.unmanage_snapshot(call.service, call.ctx, snapshot_id)
    return Reply(status=202)
