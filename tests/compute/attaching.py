"""Asking Compute for volumes: attached to servers, and as the disks they start from."""

from __future__ import annotations

from typing import Any

import pytest

from cumulet.compute.clients import volume
from cumulet.kernel.client import Response
from tests.compute.support import Cloud


def attach(cloud: Cloud, server_id: str, volume_id: str, token: str = "member", **given: Any) -> Response:
    version = given.pop("version", "2.100")
    body = {"volumeAttachment": {"volumeId": volume_id, **given}}
    path = f"/v2.1/servers/{server_id}/os-volume_attachments"
    return cloud.call("POST", path, token, version, json=body)


def attached(cloud: Cloud, server_id: str, volume_id: str, **given: Any) -> Any:
    """A volume that the guest has."""
    answer = attach(cloud, server_id, volume_id, **given)
    assert answer.status == 200, answer.body
    cloud.until(lambda: cloud.volume.status(volume_id) == "in-use")
    cloud.until(lambda: volume_id in cloud.hosts["node1"].volumes(server_id))
    return answer.json()["volumeAttachment"]


def detach(cloud: Cloud, server_id: str, volume_id: str, *, status: int = 202) -> Any:
    return cloud.json("DELETE", f"/v2.1/servers/{server_id}/os-volume_attachments/{volume_id}", status=status)


def listed(cloud: Cloud, server_id: str, version: str = "2.100") -> Any:
    path = f"/v2.1/servers/{server_id}/os-volume_attachments"
    return cloud.json("GET", path, version=version)["volumeAttachments"]


def delete(cloud: Cloud, server_id: str) -> None:
    cloud.json("DELETE", f"/v2.1/servers/{server_id}", status=204)
    cloud.until(lambda: cloud.is_gone(server_id))


def boot_from(cloud: Cloud, *devices: dict[str, Any], **fields: Any) -> Any:
    given = {"imageRef": None, "block_device_mapping_v2": list(devices), **fields}
    return cloud.boot(**given)


def blank_volume() -> dict[str, Any]:
    """Made with the server, and gone with it."""
    return {
        "source_type": "blank",
        "destination_type": "volume",
        "volume_size": 1,
        "boot_index": -1,
        "delete_on_termination": True,
    }


def volume_root(volume_id: str, **rest: Any) -> dict[str, Any]:
    return {"source_type": "volume", "destination_type": "volume", "uuid": volume_id, "boot_index": 0, **rest}


def interrupt(monkeypatch: pytest.MonkeyPatch, step: str, *, after: bool) -> list[int]:
    """The first call of this function to Volume ends its job for no reason of the job's own, before it is made or after
    it. What is returned is empty once that has been."""
    original, left = getattr(volume, step), [1]

    def interrupted(*args: Any, **rest: Any) -> Any:
        if not left:
            return original(*args, **rest)
        if after:
            original(*args, **rest)
        left.pop()
        raise RuntimeError("interrupted")

    monkeypatch.setattr(volume, step, interrupted)
    return left
