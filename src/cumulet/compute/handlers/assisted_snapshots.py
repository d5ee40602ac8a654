"""`os-assisted-volume-snapshots`: asked for by back ends of Volume whose volumes are files on a share that hosts mount
(Compute API, Assisted volume snapshots). All others make their snapshots themselves, also of volumes in use."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from cumulet.compute.bodies import read
from cumulet.compute.domain import assisted_snapshots
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call, Reply

_RULE = "os_compute_api:os-assisted-volume-snapshots"
_Text = Annotated[str, Meta(min_length=1)]


class _CreateInfo(Struct, forbid_unknown_fields=True, kw_only=True):
    snapshot_id: _Text
    type: Literal["qcow2"]
    new_file: _Text
    id: _Text | UnsetType = UNSET


class _Snapshot(Struct, forbid_unknown_fields=True):
    volume_id: _Text
    create_info: _CreateInfo


class _Body(Struct, forbid_unknown_fields=True):
    snapshot: _Snapshot


class _DeleteInfo(Struct):
    """Without `file_to_merge` nothing can be done, which the snapshot's status tells afterwards."""

    volume_id: str
    file_to_merge: str | UnsetType | None = UNSET
    merge_target_file: str | None = None


def create(call: Call[Compute]) -> Reply:
    call.service.policy.can(call.ctx, f"{_RULE}:create", {})
    given = read(call, _Body).snapshot
    info = given.create_info
    wanted = {"snapshot": info.snapshot_id, "new_file": info.new_file}
    assisted_snapshots.request(call.service, call.ctx, assisted_snapshots.CREATE, given.volume_id, wanted)
    return Reply({"snapshot": {"id": None if info.id is UNSET else info.id, "volumeId": given.volume_id}})


def delete(call: Call[Compute], snapshot_id: str) -> Reply:
    call.service.policy.can(call.ctx, f"{_RULE}:delete", {})
    text = (call.query().get("delete_info") or [""])[-1]
    try:
        info = msgspec.json.decode(text, type=_DeleteInfo)
    except msgspec.DecodeError as error:
        raise BadRequest(f"Invalid input for query parameters delete_info: {error}") from None
    wanted: dict[str, Any] = {"snapshot": snapshot_id, "into": info.merge_target_file}
    if info.file_to_merge is not UNSET:
        wanted["file"] = info.file_to_merge
    kind, between = assisted_snapshots.DELETE, info.merge_target_file is not None
    assisted_snapshots.request(call.service, call.ctx, kind, info.volume_id, wanted, active=between)
    return Reply(status=204)
