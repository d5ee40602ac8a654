"""What a server starts from: rebuild, rescue, snapshots, backups, shelving, and deletion that can be taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cumulet.compute.jobs import reclaim
from tests.compute.images import IMAGE_ID
from tests.compute.support import Cloud


def _image_of(cloud: Cloud, **wanted: Any) -> dict[str, Any]:
    (found,) = [one for one in cloud.images.images.values() if wanted.items() <= one.items()]
    return found


def test_a_rebuild_changes_what_it_is_told_and_keeps_the_rest(running: Cloud) -> None:
    server = running.active(metadata={"a": "b"}, user_data="aGk=")
    other = dict(running.images.images[IMAGE_ID], id="33333333-3333-4333-8333-333333333333")
    running.images.images[other["id"]] = other
    given = {"imageRef": other["id"], "name": "renewed", "metadata": {"c": "d"}, "adminPass": "secret"}
    shown = running.act(server["id"], "rebuild", given)["server"]
    assert (shown["status"], shown["adminPass"], shown["user_data"]) == ("REBUILD", "secret", "aGk=")
    after = running.settled(server["id"])
    assert (after["status"], after["name"], after["metadata"]) == ("ACTIVE", "renewed", {"c": "d"})
    assert after["image"]["id"] == other["id"]
    assert after["addresses"] == server["addresses"]
    assert running.hosts["node1"].guests() == {server["id"]: 1}


def test_a_stopped_server_is_stopped_after_its_rebuild(running: Cloud) -> None:
    server_id = running.active()["id"]
    running.act(server_id, "os-stop")
    running.settled(server_id)
    running.act(server_id, "rebuild", {"imageRef": IMAGE_ID})
    assert running.settled(server_id)["status"] == "SHUTOFF"


def test_a_failed_rebuild_is_an_error_with_its_reason(running: Cloud) -> None:
    server_id = running.active()["id"]
    running.hosts["node1"].faults.errors["rebuild"] = "no more disk"
    running.act(server_id, "rebuild", {"imageRef": IMAGE_ID})
    server = running.settled(server_id)
    assert server["status"] == "ERROR" and "no more disk" in server["fault"]["message"]
    del running.hosts["node1"].faults.errors["rebuild"]
    running.act(server_id, "rebuild", {"imageRef": IMAGE_ID})
    assert running.settled(server_id)["status"] == "ACTIVE"


def test_rescue_and_back(running: Cloud) -> None:
    server_id = running.active()["id"]
    assert running.act(server_id, "rescue", {"adminPass": "secret"}, status=200) == {"adminPass": "secret"}
    assert running.settled(server_id)["status"] == "RESCUE"
    running.act(server_id, "rescue", status=409)
    running.act(server_id, "unrescue")
    assert running.settled(server_id)["status"] == "ACTIVE"
    error = running.act(server_id, "rescue", {"rescue_image_ref": "33333333-3333-4333-8333-333333333333"}, status=400)
    assert "is not supported" in error["badRequest"]["message"]


def test_a_snapshot_is_an_image_that_knows_where_it_comes_from(running: Cloud) -> None:
    server_id = running.active()["id"]
    image_id = running.act(server_id, "createImage", {"name": "copy", "metadata": {"k": "v"}})["image_id"]
    assert running.settled(server_id)["status"] == "ACTIVE"
    image = running.images.images[image_id]
    assert image["status"] == "active"
    expected = {"image_type": "snapshot", "instance_uuid": server_id, "base_image_ref": IMAGE_ID, "k": "v"}
    assert expected.items() <= image.items() and image["hw_disk_bus"] == "virtio"


def test_a_snapshot_of_a_server_with_volumes_starts_another(running: Cloud) -> None:
    disk = {"source_type": "image", "destination_type": "volume", "uuid": IMAGE_ID, "boot_index": 0, "volume_size": 1}
    server_id = running.active(imageRef="", block_device_mapping_v2=[disk])["id"]
    image_id = running.act(server_id, "createImage", {"name": "copy"})["image_id"]
    image = running.images.images[image_id]
    (mapped,) = msgspec.json.decode(image["block_device_mapping"])
    assert (image["status"], image["size"], mapped["source_type"]) == ("active", 0, "snapshot")
    other = running.active(imageRef=image_id)
    assert other["image"] == "" and len(other["os-extended-volumes:volumes_attached"]) == 1


def test_a_snapshot_of_a_server_on_a_volume_that_knows_its_image(running: Cloud) -> None:
    """Volume keeps the image's numbers as text."""
    facts = {"min_ram": "64", "min_disk": "0", "disk_format": "qcow2", "container_format": "bare"}
    root = running.volume.add(1, bootable="true", volume_image_metadata=facts)
    disk = {"source_type": "volume", "destination_type": "volume", "uuid": root, "boot_index": 0}
    server_id = running.active(imageRef="", block_device_mapping_v2=[disk])["id"]
    image_id = running.act(server_id, "createImage", {"name": "copy"})["image_id"]
    image = running.images.images[image_id]
    assert (image["status"], image["min_ram"]) == ("active", 64)


def test_a_snapshot_that_fails_leaves_no_image_and_the_server_as_it_was(running: Cloud) -> None:
    server_id = running.active()["id"]
    running.hosts["node1"].faults.errors["snapshot"] = "no more disk"
    image_id = running.act(server_id, "createImage", {"name": "copy"})["image_id"]
    assert running.settled(server_id)["status"] == "ACTIVE"
    running.until(lambda: image_id not in running.images.images)


def test_backups_are_rotated(running: Cloud) -> None:
    server_id = running.active()["id"]
    made = []
    for number in range(3):
        given = {"name": f"backup-{number}", "backup_type": "daily", "rotation": 2}
        made.append(running.act(server_id, "createBackup", given)["image_id"])
        running.settled(server_id)
    kept = [one["id"] for one in running.images.images.values() if one.get("image_type") == "backup"]
    assert kept == made[1:]


def test_a_shelved_server_leaves_its_host_and_comes_back(running: Cloud) -> None:
    server_id = running.active()["id"]
    running.act(server_id, "shelve")
    running.until(lambda: running.show(server_id)["status"] == "SHELVED_OFFLOADED")
    image = _image_of(running, name="server-shelved")
    assert (running.allocations(server_id), running.hosts["node1"].guests()) == ({}, {})
    (port,) = running.network.ports.values()
    assert (port["device_id"], port["binding:host_id"]) == (server_id, "")
    running.act(server_id, "unshelve")
    server = running.settled(server_id)
    assert (server["status"], server["OS-EXT-SRV-ATTR:host"]) == ("ACTIVE", "node1")
    assert len(running.allocations(server_id)) == 1
    assert [port["binding:host_id"] for port in running.network.ports.values()] == ["node1"]
    assert server["image"]["id"] == IMAGE_ID
    running.until(lambda: image["id"] not in running.images.images)


def test_a_server_that_cannot_be_unshelved_stays_on_the_shelf(running: Cloud) -> None:
    server_id = running.active()["id"]
    running.act(server_id, "shelve")
    running.until(lambda: running.show(server_id)["status"] == "SHELVED_OFFLOADED")
    running.hosts["node1"].faults.errors["spawn"] = "no more disk"
    running.act(server_id, "unshelve")
    assert running.settled(server_id)["status"] == "SHELVED_OFFLOADED"
    assert (running.allocations(server_id), running.hosts["node1"].guests()) == ({}, {})
    del running.hosts["node1"].faults.errors["spawn"]
    running.act(server_id, "unshelve")
    assert running.settled(server_id)["status"] == "ACTIVE"


@pytest.fixture
def patient(database_urls: Callable[[str], str], tmp_path: Path) -> Iterator[Cloud]:
    """A cloud in which deleted servers can be restored for an hour."""
    made = Cloud(tmp_path, database_urls, "[DEFAULT]\nreclaim_instance_interval = 3600")
    made.add_host("node1")
    made.start_engine()
    yield made
    made.close()


def test_a_deleted_server_can_be_restored_or_deleted_for_good(patient: Cloud) -> None:
    server_id = patient.active()["id"]
    patient.json("DELETE", f"/v2.1/servers/{server_id}", status=204)
    server = patient.settled(server_id)
    assert (server["status"], patient.hosts["node1"].guests()) == ("SOFT_DELETED", {server_id: 4})
    assert patient.json("GET", "/v2.1/servers")["servers"] == []
    patient.act(server_id, "restore")
    assert patient.settled(server_id)["status"] == "ACTIVE"
    patient.act(server_id, "forceDelete")
    patient.until(lambda: patient.is_gone(server_id))
    assert patient.hosts["node1"].guests() == {}


def test_a_deleted_server_is_reclaimed_when_its_time_is_over(patient: Cloud) -> None:
    server_id = patient.active()["id"]
    patient.json("DELETE", f"/v2.1/servers/{server_id}", status=204)
    patient.settled(server_id)
    now = patient.service.now
    patient.service.now = lambda: now() + 3_601_000_000
    reclaim.reclaim(_NoJob(), patient.service)  # type: ignore[arg-type]
    patient.until(lambda: patient.is_gone(server_id))


class _NoJob:
    """A periodic run that nobody ends."""

    def check(self) -> None:
        return
