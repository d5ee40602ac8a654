"""Servers whose root disk is a volume: rebuilt from an image, rescued."""

from __future__ import annotations

from typing import Any

import pytest

from tests.compute.attaching import boot_from, delete, interrupt, volume_root
from tests.compute.images import IMAGE_ID
from tests.compute.support import Cloud

OTHER = "22222222-2222-4222-8222-222222222222"


def on_a_volume(cloud: Cloud, image_id: str = IMAGE_ID) -> tuple[str, str]:
    """(server, volume)"""
    facts = {"min_ram": "64", "min_disk": "0", "image_id": image_id}
    root = cloud.volume.add(4, bootable="true", volume_image_metadata=facts)
    server = cloud.settled(boot_from(cloud, volume_root(root))["id"])
    assert server["status"] == "ACTIVE", server.get("fault")
    return str(server["id"]), root


def another_image(cloud: Cloud, **properties: Any) -> str:
    cloud.images.images[OTHER] = cloud.images.images[IMAGE_ID] | {"id": OTHER, **properties}
    return OTHER


def rebuild(cloud: Cloud, server_id: str, image_id: str, *, version: str, status: int = 202) -> Any:
    body = {"rebuild": {"imageRef": image_id}}
    return cloud.json("POST", f"/v2.1/servers/{server_id}/action", version=version, status=status, json=body)


def test_a_rebuild_writes_the_image_onto_the_root_volume(running: Cloud) -> None:
    server, root = on_a_volume(running)
    image = another_image(running, hw_firmware_type="uefi")
    running.volume.slow = 2
    shown = rebuild(running, server, image, version="2.93")["server"]
    assert shown["image"] == ""
    assert running.settled(server)["status"] == "ACTIVE"
    assert running.volume.filled == [(root, image)]
    [attachment] = running.volume.of(root)
    assert (attachment["status"], running.volume.status(root)) == ("attached", "in-use")
    disk = running.hosts["node1"].volumes(server)[root]
    assert (disk.boot_index, disk.connection["data"]["attachment_id"]) == (0, attachment["id"])
    delete(running, server)
    assert running.volume.attachments == {} and running.volume.status(root) == "available"


def test_it_is_resized_whatever_the_size_of_the_image_it_was_made_of(running: Cloud) -> None:
    """Volume tells the size as text, and a flavor's root disk is nothing to a server that starts from a volume."""
    facts = {"min_ram": "64", "min_disk": "3", "size": str(2 << 30), "image_id": IMAGE_ID}
    root = running.volume.add(4, bootable="true", volume_image_metadata=facts)
    running.add_host("node2")
    server = running.settled(boot_from(running, volume_root(root))["id"])
    running.act(server["id"], "resize", {"flavorRef": running.flavor(ram=256)})
    assert running.settled(server["id"])["status"] == "VERIFY_RESIZE"
    running.act(server["id"], "confirmResize", status=204)
    running.until(lambda: running.show(server["id"])["status"] == "ACTIVE", 60)


def test_a_stopped_server_is_stopped_after_it(running: Cloud) -> None:
    server, root = on_a_volume(running)
    running.act(server, "os-stop")
    assert running.settled(server)["status"] == "SHUTOFF"
    rebuild(running, server, IMAGE_ID, version="2.100")
    assert running.settled(server)["status"] == "SHUTOFF"
    assert running.volume.filled == [(root, IMAGE_ID)]


def test_before_2_93_the_volume_stays_as_it_is(running: Cloud) -> None:
    server, root = on_a_volume(running)
    refusal = rebuild(running, server, another_image(running), version="2.92", status=400)
    assert "Unable to rebuild with a different image" in refusal["badRequest"]["message"]
    rebuild(running, server, IMAGE_ID, version="2.92")
    assert running.settled(server)["status"] == "ACTIVE"
    assert running.volume.filled == [] and list(running.hosts["node1"].volumes(server)) == [root]


def test_what_does_not_fit_is_refused(running: Cloud) -> None:
    server, root = on_a_volume(running)
    large = rebuild(running, server, another_image(running, min_disk=5), version="2.93", status=400)
    assert "Volume is smaller" in large["badRequest"]["message"]
    running.volume.volumes[root]["status"] = "backing-up"
    busy = rebuild(running, server, IMAGE_ID, version="2.93", status=400)
    assert "status must be 'in-use'" in busy["badRequest"]["message"]
    assert running.show(server)["status"] == "ACTIVE"


def test_a_refused_rebuild_leaves_the_guest_its_disk(running: Cloud) -> None:
    server, root = on_a_volume(running)
    original = running.volume.refuse
    running.volume.refuse = "The volume has snapshots."
    running.volume.app.add_middleware(_OnlyActions(running))
    rebuild(running, server, IMAGE_ID, version="2.93")
    failed = running.settled(server)
    assert failed["status"] == "ERROR" and "has snapshots" in failed["fault"]["message"]
    running.volume.refuse = original
    assert list(running.hosts["node1"].volumes(server)) == [root]
    [attachment] = running.volume.of(root)
    assert attachment["status"] == "attached"
    running.act(server, "reboot", {"type": "HARD"})
    assert running.settled(server)["status"] == "ACTIVE"


class _OnlyActions:
    """Lets attachments be made while actions are refused."""

    def __init__(self, cloud: Cloud) -> None:
        self._volume = cloud.volume
        self._kept: str | None = None

    def process_request(self, req: Any, resp: Any) -> None:
        if req.path.endswith("/attachments"):
            self._kept, self._volume.refuse = self._volume.refuse, None

    def process_response(self, req: Any, resp: Any, resource: Any, req_succeeded: bool) -> None:
        if req.path.endswith("/attachments"):
            self._volume.refuse = self._kept


@pytest.mark.parametrize("step", ["attach", "detach", "reimage", "connect", "complete"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_interrupted_rebuild_goes_on(
    running: Cloud, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    server, root = on_a_volume(running)
    left = interrupt(monkeypatch, step, after=after)
    rebuild(running, server, another_image(running), version="2.93")
    assert running.settled(server)["status"] == "ACTIVE"
    assert not left
    assert [one["status"] for one in running.volume.of(root)] == ["attached"]
    assert list(running.hosts["node1"].volumes(server)) == [root]
    assert running.hosts["node1"].guests()[server] == 1
    delete(running, server)
    assert running.volume.attachments == {} and running.volume.status(root) == "available"


# -- rescue --------------------------------------------------------------------------------------------------------


def rescue(cloud: Cloud, server_id: str, image_id: str | None, *, version: str, status: int) -> Any:
    body = {"rescue": {"rescue_image_ref": image_id} if image_id else None}
    return cloud.json("POST", f"/v2.1/servers/{server_id}/action", version=version, status=status, json=body)


def test_rescue_with_the_disks_where_they_are(running: Cloud) -> None:
    server, root = on_a_volume(running)
    plain = rescue(running, server, IMAGE_ID, version="2.87", status=400)
    assert "Cannot rescue a volume-backed instance" in plain["badRequest"]["message"]
    image = another_image(running, hw_rescue_bus="virtio", hw_rescue_device="disk")
    rescue(running, server, image, version="2.86", status=400)
    rescue(running, server, None, version="2.87", status=400)
    rescue(running, server, image, version="2.87", status=200)
    assert running.settled(server)["status"] == "RESCUE"
    guest = running.hosts["node1"]._find(server)
    assert guest.rescue_image_id == image and list(guest.volumes) == [root]
    running.act(server, "unrescue")
    assert running.settled(server)["status"] == "ACTIVE"
    assert running.volume.status(root) == "in-use"


def test_an_image_of_its_own_that_says_how(running: Cloud) -> None:
    image = another_image(running)
    facts = {"image_id": image, "hw_rescue_bus": "virtio", "hw_rescue_device": "disk"}
    root = running.volume.add(4, bootable="true", volume_image_metadata=facts)
    server = running.settled(boot_from(running, volume_root(root))["id"])["id"]
    rescue(running, server, None, version="2.87", status=200)
    assert running.settled(server)["status"] == "RESCUE"
    assert running.hosts["node1"]._find(server).rescue_image_id == image


def test_a_rescue_waits_for_no_volume(running: Cloud) -> None:
    server, root = on_a_volume(running)
    image = another_image(running, hw_rescue_bus="virtio", hw_rescue_device="disk")
    running.volume.volumes[root]["status"] = "backing-up"
    busy = rescue(running, server, image, version="2.87", status=409)
    assert "status must be 'in-use'" in busy["conflictingRequest"]["message"]
    snapshot = another_image(running, block_device_mapping="[]")
    rescue(running, server, snapshot, version="2.87", status=400)
