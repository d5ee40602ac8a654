"""Snapshots of attached volumes that Volume has a server's host help with."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from cumulet.compute.domain import block_devices, servers
from cumulet.kernel.client import Response
from tests.compute.attaching import attached
from tests.compute.support import Cloud

PATH = "/v2.1/os-assisted-volume-snapshots"


@pytest.fixture
def server(running: Cloud) -> str:
    return str(running.active()["id"])


@pytest.fixture
def volume(running: Cloud, server: str) -> str:
    volume_id = running.volume.add(2)
    attached(running, server, volume_id)
    return volume_id


def snapshot_of(cloud: Cloud, volume_id: str) -> str:
    """As Volume enters one before it asks."""
    cloud.volume.snapshots["snap"] = {"id": "snap", "volume_id": volume_id, "status": "creating", "progress": "0%"}
    return "snap"


def create(cloud: Cloud, volume_id: str, snapshot_id: str, *, status: int = 200, **info: Any) -> Any:
    given = {"snapshot_id": snapshot_id, "type": "qcow2", "new_file": f"volume-{volume_id}.{snapshot_id}", **info}
    body = {"snapshot": {"volume_id": volume_id, "create_info": given}}
    return cloud.json("POST", PATH, "nova", status=status, json=body)


def delete(cloud: Cloud, snapshot_id: str, info: Any, token: str = "nova") -> Response:
    return cloud.call("DELETE", f"{PATH}/{snapshot_id}?delete_info={quote(json.dumps(info))}", token)


def calls(cloud: Cloud, name: str) -> list[dict[str, Any]]:
    """Have the host of this cloud write down how it is asked for something."""
    driver, seen = cloud.hosts["node1"], []
    really = getattr(driver, name)

    def heard(**given: Any) -> None:
        seen.append(given)
        really(**given)

    setattr(driver, name, heard)
    return seen


def connection_of(cloud: Cloud, server_id: str, volume_id: str) -> Any:
    with cloud.service.db.read() as connection:
        return servers.decode(block_devices.load(connection, server_id, volume_id).connection_info)


def test_the_guest_goes_on_and_volume_is_told(running: Cloud, server: str, volume: str) -> None:
    asked, snapshot_id = calls(running, "take_assisted_snapshot"), snapshot_of(running, volume)
    assert create(running, volume, snapshot_id, id="anything") == {"snapshot": {"id": "anything", "volumeId": volume}}
    running.until(lambda: running.volume.snapshots[snapshot_id]["progress"] == "90%")
    assert asked == [{"server_id": server, "volume_id": volume, "new_file": f"volume-{volume}.snap"}]
    assert running.volume.snapshots[snapshot_id]["status"] == "creating"
    # What Volume does then: the volume is another file from now on, and the snapshot is there.
    [attachment] = running.volume.of(volume)
    attachment["connection_info"]["path"] = "/share/new"
    running.volume.snapshots[snapshot_id]["status"] = "available"
    running.until(lambda: connection_of(running, server, volume)["data"].get("path") == "/share/new")
    assert connection_of(running, server, volume)["compute_host"] == "node1"


def test_a_host_that_cannot_help_says_so(running: Cloud, server: str, volume: str) -> None:
    running.hosts["node1"].faults.errors["take_assisted_snapshot"] = "the volume is no file on this host"
    snapshot_id = snapshot_of(running, volume)
    assert create(running, volume, snapshot_id) == {"snapshot": {"id": None, "volumeId": volume}}
    running.until(lambda: running.volume.snapshots[snapshot_id]["status"] == "error")
    assert running.show(server)["status"] == "ACTIVE"
    running.hosts["node1"].faults.errors["merge_assisted_snapshot"] = "the volume is no file on this host"
    info = {"volume_id": volume, "type": "qcow2", "file_to_merge": "a", "merge_target_file": None}
    assert delete(running, snapshot_id, info).status == 204
    running.until(lambda: running.volume.snapshots[snapshot_id]["status"] == "error_deleting")


def test_a_snapshot_that_volume_does_not_know(running: Cloud, server: str, volume: str) -> None:
    asked = calls(running, "take_assisted_snapshot")
    create(running, volume, "unknown")
    running.until(lambda: asked)
    assert delete(running, "unknown", {"volume_id": volume}).status == 204
    path = f"/v2.1/servers/{server}/os-volume_attachments/{volume}"
    assert running.call("DELETE", path).status == 202
    running.until(lambda: running.volume.status(volume) == "available")


def test_files_are_merged_and_volume_is_told(running: Cloud, server: str, volume: str) -> None:
    asked, snapshot_id = calls(running, "merge_assisted_snapshot"), snapshot_of(running, volume)
    running.volume.snapshots[snapshot_id]["status"] = "deleting"
    info = {"volume_id": volume, "type": "qcow2", "file_to_merge": "b", "merge_target_file": "a"}
    assert delete(running, snapshot_id, info).status == 204
    running.until(lambda: running.volume.snapshots[snapshot_id]["progress"] == "90%")
    assert asked == [{"server_id": server, "volume_id": volume, "file": "b", "into": "a"}]
    assert running.volume.snapshots[snapshot_id]["status"] == "deleting"
    running.act(server, "os-stop")
    running.settled(server)
    refused = delete(running, snapshot_id, info)
    assert refused.status == 400 and "vm_state stopped" in refused.json()["badRequest"]["message"]
    assert delete(running, snapshot_id, info | {"file_to_merge": None, "merge_target_file": None}).status == 204
    running.until(lambda: len(asked) == 2)
    assert asked[1] == {"server_id": server, "volume_id": volume, "file": None, "into": None}


def test_nothing_to_merge_is_an_error_of_the_snapshot(running: Cloud, volume: str) -> None:
    asked, snapshot_id = calls(running, "merge_assisted_snapshot"), snapshot_of(running, volume)
    assert delete(running, snapshot_id, {"volume_id": volume}).status == 204
    running.until(lambda: running.volume.snapshots[snapshot_id]["status"] == "error_deleting")
    assert asked == []


def test_what_is_refused_at_once(running: Cloud, volume: str) -> None:
    info = {"snapshot_id": "s", "type": "qcow2", "new_file": "f"}
    body = {"snapshot": {"volume_id": volume, "create_info": info}}
    assert running.call("POST", PATH, json=body).status == 403
    assert delete(running, "s", {"volume_id": volume}, "member").status == 403
    missing = create(running, "none", "s", status=400)
    assert missing["badRequest"]["message"] == "No volume Block Device Mapping with id none."
    for wrong in ({"type": "raw"}, {"new_file": ""}, {"id": ""}, {"colour": "red"}):
        create(running, volume, "s", status=400, **wrong)
    assert running.call("POST", PATH, "nova", json={"snapshot": {}}).status == 400
    for text in ("nonsense", "{}", '{"volume_id": 1}', '{"volume_id": "v", "file_to_merge": 1}', "[]"):
        assert running.call("DELETE", f"{PATH}/s?delete_info={quote(text)}", "nova").status == 400
    assert running.call("DELETE", f"{PATH}/s", "nova").status == 400


def test_a_volume_of_several_servers_is_refused(running: Cloud, server: str) -> None:
    volume, other = running.volume.add(multiattach=True), running.active()["id"]
    attached(running, server, volume)
    attached(running, other, volume)
    assert "multi-attach" in create(running, volume, "s", status=400)["badRequest"]["message"]


def test_a_volume_stays_until_its_files_are_merged(running: Cloud, server: str, volume: str) -> None:
    driver, snapshot_id = running.hosts["node1"], snapshot_of(running, volume)
    driver.faults.delays["merge_assisted_snapshot"] = 1.0
    info = {"volume_id": volume, "type": "qcow2", "file_to_merge": None}
    assert delete(running, snapshot_id, info).status == 204
    assert running.call("DELETE", f"/v2.1/servers/{server}/os-volume_attachments/{volume}").status == 202
    running.until(lambda: running.volume.status(volume) == "available")
    running.until(lambda: running.volume.snapshots[snapshot_id]["progress"] == "90%")
    assert running.volume.snapshots[snapshot_id]["status"] == "deleting"
