"""Volume's things in Compute's older form, up to microversion 2.35: `os-volumes` and `os-snapshots` (Compute API,
Volume extension), and what attachments ask of volumes."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from sqlalchemy.engine import Row

from cumulet.compute import peers, views
from cumulet.compute.bodies import read
from cumulet.compute.clients import volume
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call, Reply

HEADERS: Final = volume.VERSION
Volume = dict[str, Any]
_MULTIATTACH: Final = (2, 60)


def _ask(call: Call[Compute], method: str, path: str, json: Any = None, *, missing: str | None = None) -> Any:
    return peers.require(peers.ask(call, "volume", method, path, json=json, headers=HEADERS), missing=missing)


def _may(call: Call[Compute], verb: str) -> None:
    call.service.policy.can(call.ctx, f"os_compute_api:os-volumes:{verb}", {"project_id": call.ctx.project_id})


def load(call: Call[Compute], volume_id: str) -> Volume:
    """As the caller sees it. Raises the 404."""
    missing = f"Volume {volume_id} could not be found."
    found: Volume = _ask(call, "GET", f"/volumes/{quote(volume_id, safe='')}", missing=missing)["volume"]
    return found


def require_attachable(call: Call[Compute], found: Volume, server: Row[Any] | None = None) -> None:
    """Raises BadRequest for a volume that is in use, and for what an old caller does not expect."""
    if found["multiattach"]:
        if call.version < _MULTIATTACH:
            raise BadRequest("Multiattach volumes are only supported starting with compute API version 2.60.")
        if server is not None and server.vm_state == "shelved_offloaded":
            raise BadRequest("Attaching multiattach volumes is not supported for shelved-offloaded instances.")
    elif found["status"] == "in-use":
        raise BadRequest(
            f"Invalid volume: volume {found['id']} is already attached to instances: "
            f"{', '.join(one['server_id'] for one in found['attachments'])}"
        )
    if found["status"] != "available" and not (found["multiattach"] and found["status"] == "in-use"):
        raise BadRequest(f"Invalid volume: volume '{found['id']}' status must be 'available'. Currently in "
                         f"'{found['status']}'")  # fmt: skip


def require_in_use(found: Volume) -> None:
    """Raises BadRequest for a volume that something is being done to."""
    if found["status"] != "in-use":
        raise BadRequest(
            f"Invalid volume: volume '{found['id']}' status must be 'in-use'. Currently in '{found['status']}' status"
        )


def slice_of(call: Call[Compute]) -> tuple[int, int]:
    """(limit, offset) of a list request. Raises BadRequest."""
    limit, _ = views.page(call)
    text = (call.query().get("offset") or ["0"])[-1]
    if not text.isdigit() or len(text) > 10:
        raise BadRequest(f"Invalid input for query parameters offset. Value: {text}.")
    return limit, int(text)


# -- volumes -------------------------------------------------------------------------------------------------------


def _view(found: Volume) -> dict[str, Any]:
    attachments: list[dict[str, Any]] = [{}]
    if found["attachments"]:
        first = found["attachments"][0]
        attachments = [{"id": found["id"], "volumeId": found["id"], "serverId": first["server_id"]}]
        if first.get("device"):
            attachments[0]["device"] = first["device"]
    return {
        "id": found["id"],
        "status": found["status"],
        "size": found["size"],
        "availabilityZone": found["availability_zone"],
        "createdAt": found["created_at"],
        "attachments": attachments,
        "displayName": found["name"],
        "displayDescription": found["description"],
        "volumeType": found["volume_type"],
        "snapshotId": found["snapshot_id"],
        "metadata": found["metadata"],
    }


def _page(call: Call[Compute], noun: str) -> list[dict[str, Any]]:
    limit, offset = slice_of(call)
    query = urlencode({"limit": limit, "offset": offset})
    found: list[dict[str, Any]] = _ask(call, "GET", f"/{noun}/detail?{query}")[noun] if limit else []
    return found


def index(call: Call[Compute]) -> Reply:
    _may(call, "list")
    return Reply({"volumes": [_view(one) for one in _page(call, "volumes")]})


def detail(call: Call[Compute]) -> Reply:
    _may(call, "detail")
    return Reply({"volumes": [_view(one) for one in _page(call, "volumes")]})


def show(call: Call[Compute], volume_id: str) -> Reply:
    _may(call, "show")
    return Reply({"volume": _view(load(call, volume_id))})


class _New(Struct, forbid_unknown_fields=True):
    size: Annotated[int, Meta(ge=1)]
    volume_type: str | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    snapshot_id: str | UnsetType = UNSET
    availability_zone: str | UnsetType = UNSET
    display_name: str | UnsetType = UNSET
    display_description: str | UnsetType = UNSET


class _NewBody(Struct, forbid_unknown_fields=True):
    volume: _New


def create(call: Call[Compute]) -> Reply:
    _may(call, "create")
    given = read(call, _NewBody).volume
    renamed = {"display_name": "name", "display_description": "description"}
    values = {renamed.get(key, key): value for key, value in msgspec.to_builtins(given).items()}
    made = _view(_ask(call, "POST", "/volumes", {"volume": values})["volume"])
    return Reply({"volume": made}, headers={"Location": f"{views.base_url(call)}/v2.1/os-volumes/{made['id']}"})


def delete(call: Call[Compute], volume_id: str) -> Reply:
    _may(call, "delete")
    _ask(
        call,
        "DELETE",
        f"/volumes/{quote(volume_id, safe='')}",
        missing=f"Volume {volume_id} could not be found.",
    )
    return Reply(status=202)


# -- snapshots -----------------------------------------------------------------------------------------------------


def _snapshot(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": found["id"],
        "volumeId": found["volume_id"],
        "status": found["status"],
        "size": found["size"],
        "createdAt": found["created_at"],
        "displayName": found["name"],
        "displayDescription": found["description"],
    }


def snapshots(call: Call[Compute]) -> Reply:
    _may(call, "snapshots:list")
    return Reply({"snapshots": [_snapshot(one) for one in _page(call, "snapshots")]})


def snapshots_detail(call: Call[Compute]) -> Reply:
    _may(call, "snapshots:detail")
    return Reply({"snapshots": [_snapshot(one) for one in _page(call, "snapshots")]})


def _snapshot_path(snapshot_id: str) -> tuple[str, str]:
    return f"/snapshots/{quote(snapshot_id, safe='')}", f"Snapshot {snapshot_id} could not be found."


def snapshot(call: Call[Compute], snapshot_id: str) -> Reply:
    _may(call, "snapshots:show")
    path, missing = _snapshot_path(snapshot_id)
    return Reply({"snapshot": _snapshot(_ask(call, "GET", path, missing=missing)["snapshot"])})


def delete_snapshot(call: Call[Compute], snapshot_id: str) -> Reply:
    _may(call, "snapshots:delete")
    path, missing = _snapshot_path(snapshot_id)
    _ask(call, "DELETE", path, missing=missing)
    return Reply(status=202)


class _NewSnapshot(Struct, forbid_unknown_fields=True):
    volume_id: str
    force: bool = False
    display_name: str | None = None
    display_description: str | None = None


class _NewSnapshotBody(Struct, forbid_unknown_fields=True):
    snapshot: _NewSnapshot


def create_snapshot(call: Call[Compute]) -> Reply:
    _may(call, "snapshots:create")
    given = read(call, _NewSnapshotBody).snapshot
    values = {
        "volume_id": given.volume_id,
        "name": given.display_name,
        "description": given.display_description,
    }
    # From 3.66 on Volume makes snapshots of volumes in use without being forced.
    body = {"snapshot": values | ({"force": True} if given.force else {})}
    return Reply({"snapshot": _snapshot(_ask(call, "POST", "/snapshots", body)["snapshot"])})
