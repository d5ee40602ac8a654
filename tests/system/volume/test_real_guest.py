"""A real guest's volume while it is used: a file on its host, snapshots and clones of what was flushed, growth."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from cumulet.agents.compute.folders import Record
from tests.ceph import Ceph, missing
from tests.system.cloud import eventually, request
from tests.system.compute.story import REAL_SERVER, Story

pytestmark = REAL_SERVER


def create(story: Story, name: str, backend: str) -> None:
    story.client(f"volume type create --property volume_backend_name={backend} {backend}")
    story.client(f"volume create --size 1 --type {backend} {name}")
    eventually(lambda: story.client(f"volume show {name}")["status"] == "available", within_s=60)


def attached(story: Story, name: str) -> str:
    """The device that the volume is in the guest."""
    story.client(f"server add volume web {name}")
    eventually(lambda: story.client(f"volume show {name}")["status"] == "in-use", within_s=60)
    volume_id = story.client(f"volume show {name}")["id"]
    look = f"grep -l {volume_id[:20]} /sys/block/vd*/serial | cut -d/ -f4"
    return "/dev/" + str(eventually(lambda: story.ssh(look).strip(), within_s=60))


def snapshot_of_used(story: Story, name: str, snapshot: str) -> None:
    """By the API: the client does not send its own --force."""
    shown = story.client(f"volume show {name}")
    wanted = {"volume_id": shown["id"], "name": snapshot, "force": True}
    url = f"{story.cloud.url('volume')}/v3/{shown['os-vol-tenant-attr:tenant_id']}/snapshots"
    answer = request("POST", url, token=story.cloud.login(), json={"snapshot": wanted})
    assert answer.status == 202, answer.data


def opened(story: Story) -> list[str]:
    """What the guest's definition says of its volumes' files."""
    [file] = (story.cloud.directory / "agents" / "instances").glob("*/guest.json")
    drives = msgspec.json.decode(file.read_bytes(), type=Record).drives
    return [str(drive.node["file"].get("filename")) for drive in drives if drive.volume_id is not None]


def test_its_volume_is_a_file_that_snapshots_and_clones_follow(story: Story) -> None:
    create(story, "data", "file")
    device = attached(story, "data")
    [path] = opened(story)
    assert Path(path).suffix == ".qcow2"
    story.ssh(f"mkfs.ext4 -q {device} && mount {device} /mnt && echo then > /mnt/file && sync")
    snapshot_of_used(story, "data", "taken")
    eventually(lambda: story.client("volume snapshot show taken")["status"] == "available", within_s=60)
    story.ssh("echo now > /mnt/file && sync")
    assert opened(story) == [path]
    story.client("volume create --snapshot taken past")
    eventually(lambda: story.client("volume show past")["status"] == "available", within_s=60)
    other = attached(story, "past")
    assert story.ssh(f"mkdir -p /tmp/past && mount {other} /tmp/past && cat /tmp/past/file /mnt/file") == "then\nnow\n"
    story.client.text("--os-volume-api-version 3.42 volume set --size 2 data")
    size = f"blockdev --getsize64 {device}"
    eventually(lambda: story.ssh(size).strip() == str(2 << 30), within_s=60)
    story.ssh("umount /mnt /tmp/past")
    story.client.text("server remove volume web data")
    eventually(lambda: story.client("volume show data")["status"] == "available", within_s=90)
    device = attached(story, "data")
    assert story.ssh(f"mount {device} /mnt && cat /mnt/file && umount /mnt") == "now\n"


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_its_volume_is_an_image_of_ceph(story: Story, one_ceph: Ceph) -> None:
    create(story, "far", "pool")
    volume_id = story.client("volume show far")["id"]
    assert one_ceph.images() == [f"volume-{volume_id}"]
    device = attached(story, "far")
    story.ssh(f"mkfs.ext4 -q {device} && mount {device} /mnt && echo then > /mnt/file && sync")
    snapshot_of_used(story, "far", "before")
    eventually(lambda: story.client("volume snapshot show before")["status"] == "available", within_s=60)
    story.client.text("--os-volume-api-version 3.42 volume set --size 2 far")
    size = f"blockdev --getsize64 {device}"
    eventually(lambda: story.ssh(size).strip() == str(2 << 30), within_s=60)
    assert story.ssh("echo now > /mnt/file && sync && umount /mnt && echo done") == "done\n"
    story.client.text("server remove volume web far")
    eventually(lambda: story.client("volume show far")["status"] == "available", within_s=90)
    device = attached(story, "far")
    assert story.ssh(f"mount {device} /mnt && cat /mnt/file && umount /mnt") == "now\n"
