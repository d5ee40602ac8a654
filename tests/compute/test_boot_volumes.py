"""Servers that start from volumes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.compute.attaching import blank_volume, boot_from, delete, detach, volume_root
from tests.compute.support import IMAGE_ID, Cloud
from tests.compute.test_metadata_service import spawned_on


def test_boot_from_a_volume(running: Cloud) -> None:
    facts = {"min_ram": "64", "min_disk": "0", "hw_firmware_type": "uefi", "disk_format": "qcow2"}
    root = running.volume.add(4, bootable="true", volume_image_metadata=facts)
    spawned = spawned_on(running)
    server = running.settled(boot_from(running, volume_root(root))["id"])
    assert spawned[0].image == {"min_ram": 64, "min_disk": 0, "hw_firmware_type": "uefi"}
    assert server["status"] == "ACTIVE" and server["image"] == ""
    assert running.volume.status(root) == "in-use"
    disk = running.hosts["node1"].volumes(server["id"])[root]
    assert (disk.boot_index, disk.device) == (0, "/dev/vda")
    [resources] = [one["resources"] for one in running.allocations(server["id"]).values()]
    assert "DISK_GB" not in resources
    detach(running, server["id"], root, status=400)
    delete(running, server["id"])
    assert running.volume.status(root) == "available"


def test_volumes_are_made_from_images_and_snapshots_for_their_owner(running: Cloud) -> None:
    source = running.volume.add(3)
    snapshot = "55555555-5555-4555-8555-555555555555"
    running.volume.snapshots[snapshot] = {"id": snapshot, "size": 3, "volume_id": source}
    running.volume.slow = 2
    server = running.settled(
        boot_from(
            running,
            {
                "source_type": "image",
                "destination_type": "volume",
                "uuid": IMAGE_ID,
                "boot_index": 0,
                "volume_size": 5,
                "delete_on_termination": True,
                "tag": "root",
                "volume_type": "simulated",
            },
            {"source_type": "snapshot", "destination_type": "volume", "uuid": snapshot, "boot_index": -1},
            {"source_type": "blank", "destination_type": "volume", "volume_size": 1, "boot_index": None},
        )["id"]
    )
    assert server["status"] == "ACTIVE", server.get("fault")
    disks = running.hosts["node1"].volumes(server["id"])
    assert [(one.size_gb, one.boot_index, one.device, one.tag) for one in disks.values()] == [
        (5, 0, "/dev/vda", "root"),
        (3, -1, "/dev/vdb", None),
        (1, None, "/dev/vdc", None),
    ]
    assert running.volume.tokens == ["member"] * 3
    shown = server["os-extended-volumes:volumes_attached"]
    assert {one["id"] for one in shown} == set(disks)
    with running.service.db.read() as connection:
        kept = connection.exec_driver_sql("SELECT payload FROM jobs").scalars().all()
    assert not any('"token":"member"' in payload for payload in kept)
    delete(running, server["id"])
    assert len(running.volume.volumes) == 3 and running.volume.attachments == {}


def test_an_image_as_root_disk_with_volumes_beside(running: Cloud) -> None:
    data = running.volume.add(bootable="false")
    image = {"source_type": "image", "destination_type": "local", "uuid": IMAGE_ID, "boot_index": 0}
    given = {"source_type": "volume", "destination_type": "volume", "uuid": data, "boot_index": -1}
    server = running.settled(running.boot(block_device_mapping_v2=[image, given])["id"])
    assert server["status"] == "ACTIVE" and server["image"]["id"] == IMAGE_ID
    assert list(running.hosts["node1"].volumes(server["id"])) == [data]


def test_the_first_syntax(running: Cloud) -> None:
    root = running.volume.add(4, bootable="true")
    mapping = [{"device_name": "vda", "volume_id": root, "delete_on_termination": "1"}]
    server = running.settled(running.boot(imageRef="", block_device_mapping=mapping)["id"])
    assert server["status"] == "ACTIVE"
    delete(running, server["id"])
    assert root not in running.volume.volumes


def test_a_failed_boot_gives_all_back(running: Cloud) -> None:
    running.hosts["node1"].faults.errors["spawn"] = "it does not want to"
    root = running.volume.add(4, bootable="true")
    server = running.settled(boot_from(running, volume_root(root), blank_volume())["id"])
    assert server["status"] == "ERROR"
    running.until(lambda: running.volume.attachments == {} and list(running.volume.volumes) == [root])
    assert running.volume.status(root) == "available"
    delete(running, server["id"])


@pytest.mark.parametrize(
    ("devices", "says"),
    [
        ([volume_root("44444444-4444-4444-8444-444444444444")], "failed to get volume"),
        ([{"source_type": "image", "destination_type": "volume", "uuid": IMAGE_ID, "boot_index": 0}], "non-zero size"),
        ([{"source_type": "blank", "destination_type": "volume", "boot_index": 0}], "non-zero size"),
        ([{"source_type": "image", "uuid": IMAGE_ID, "boot_index": 1}], "Boot sequence"),
        ([{"source_type": "image", "uuid": IMAGE_ID}], "Boot sequence"),
        ([{"source_type": "volume", "destination_type": "volume", "boot_index": 0}], "Missing device UUID"),
        ([{"source_type": "tape", "uuid": "x", "boot_index": 0}], "source_type"),
        ([{"source_type": "blank", "destination_type": "volume", "volume_size": 0, "boot_index": 0}], "volume_size"),
        (
            [
                {"source_type": "image", "uuid": IMAGE_ID, "boot_index": 0},
                {"source_type": "blank", "guest_format": "swap", "volume_size": 9, "boot_index": -1},
            ],
            "Swap drive",
        ),
        (
            [
                {"source_type": "image", "uuid": IMAGE_ID, "boot_index": 0},
                {"source_type": "blank", "volume_size": 9, "boot_index": -1},
            ],
            "Ephemeral",
        ),
        (
            [
                {
                    "source_type": "blank",
                    "destination_type": "volume",
                    "volume_size": 1,
                    "boot_index": 0,
                    "volume_type": "gold",
                }
            ],
            "gold",
        ),
        ([{"source_type": "image", "uuid": IMAGE_ID, "boot_index": 0, "disk_bus": "punched-card"}], "disk_bus"),
    ],
)
def test_disks_that_cannot_be_had(cloud: Cloud, devices: list[dict[str, Any]], says: str) -> None:
    assert says in cloud.boot(status=400, imageRef=None, block_device_mapping_v2=devices)["message"]


def test_volumes_a_server_cannot_start_from(cloud: Cloud) -> None:
    def refusal(volume: str, **fields: Any) -> str:
        given = {"imageRef": None, "block_device_mapping_v2": [volume_root(volume)], **fields}
        return str(cloud.boot(status=400, **given)["message"])

    assert "not bootable" in refusal(cloud.volume.add())
    assert "smaller than" in refusal(cloud.volume.add(1, bootable="true", volume_image_metadata={"min_disk": "2"}))
    assert "memory" in refusal(cloud.volume.add(1, bootable="true", volume_image_metadata={"min_ram": "4096"}))
    assert "multiple instances" in refusal(cloud.volume.add(1, bootable="true"), min_count=2)
    assert "status must be" in refusal(cloud.volume.add(1, bootable="true", status="error"))
