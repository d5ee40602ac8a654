"""`/volumes/{id}/metadata` (Block Storage API, Volumes: metadata)."""

from __future__ import annotations

from cumulet.kernel.errors import NotFound
from cumulet.kernel.http import Call, Reply
from cumulet.volume.bodies import Metadata, convert, inner, only_key
from cumulet.volume.domain import volumes
from cumulet.volume.handlers import volume_access
from cumulet.volume.schemas.volumes import MetadataBody
from cumulet.volume.service import Volume


def index(call: Call[Volume], volume_id: str) -> Reply:
    row = volume_access.checked(call, volume_id, "volume:get", "volume:get_volume_metadata")
    return Reply({"metadata": volumes.metadata_of(row)})


def show(call: Call[Volume], volume_id: str, key: str) -> Reply:
    row = volume_access.checked(call, volume_id, "volume:get", "volume:get_volume_metadata")
    found = volumes.metadata_of(row)
    if key not in found:
        raise NotFound(f"Volume {volume_id} has no metadata with key {key}.")
    return Reply({"meta": {key: found[key]}})


def create(call: Call[Volume], volume_id: str) -> Reply:
    return _set(call, volume_id, "volume:create_volume_metadata", replace=False)


def replace(call: Call[Volume], volume_id: str) -> Reply:
    return _set(call, volume_id, "volume:update_volume_metadata", replace=True)


def _set(call: Call[Volume], volume_id: str, rule: str, *, replace: bool) -> Reply:
    given = convert(call.raw_json(), MetadataBody).metadata
    volume_access.checked(call, volume_id, "volume:get", rule)
    return Reply({"metadata": volumes.edit_metadata(call.service, volume_id, "user", given, replace=replace)})


def update(call: Call[Volume], volume_id: str, key: str) -> Reply:
    given = one_item(call, key)
    volume_access.checked(call, volume_id, "volume:get", "volume:update_volume_metadata")
    volumes.edit_metadata(call.service, volume_id, "user", given)
    return Reply({"meta": given})


def one_item(call: Call[Volume], key: str) -> Metadata:
    """The body of an update of one key. Raises BadRequest."""
    given = convert(inner(call.raw_json(), "meta"), Metadata)
    only_key(given, key)
    return given


def delete(call: Call[Volume], volume_id: str, key: str) -> Reply:
    volume_access.checked(call, volume_id, "volume:get", "volume:delete_volume_metadata")
    volumes.edit_metadata(call.service, volume_id, "user", {}, remove=key)
    return Reply(status=200)
