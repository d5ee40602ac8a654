"""The same story with a machine container (virt_type = lxc): without emulated processors ssh answers at once."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.cloud import eventually
from tests.system.compute import real
from tests.system.compute.story import Story, told

_MISSING = real.missing(client=True) or (None if shutil.which("debugfs") else "not installed: e2fsprogs")
pytestmark = [
    pytest.mark.root,
    pytest.mark.timeout(400),
    pytest.mark.skipif(_MISSING is not None, reason=str(_MISSING)),
]
NOVA_CONF = "[libvirt]\nvirt_type = lxc\n"


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    images = real.guest_images()
    if isinstance(images, str):
        pytest.skip(images)
    with told(tmp_path_factory.mktemp("container"), images, nova=NOVA_CONF) as made:
        yield made


def test_one_can_log_in_with_the_key(story: Story) -> None:
    assert story.ssh("hostname").strip() == "web"
    fixed = next(address for address in story.server()["addresses"]["private"] if address.startswith("10.77.0."))
    assert f"inet {fixed}/24" in story.ssh("ip address show eth0")
    assert eventually(lambda: "told by user data" in story.ssh("cat /root/told; true"), within_s=60)


def test_its_root_is_nobody_on_the_host(story: Story) -> None:
    inside, outside, count = (int(word) for word in story.ssh("cat /proc/self/uid_map").split())
    assert (inside, count) == (0, 65536)
    assert outside >= 1_000_000


def test_it_outlives_its_agent(story: Story) -> None:
    story.ssh("echo here > /run/mark")
    agent = story.cloud.pid("agent")
    os.kill(agent, signal.SIGKILL)
    eventually(lambda: story.cloud.pid("agent") != agent, within_s=60)
    assert story.ssh("cat /run/mark") == "here\n"


def test_a_volume_is_there_until_it_is_taken_away(story: Story) -> None:
    story.client("volume create --size 1 data")
    volume = story.client("volume show data")["id"]
    eventually(lambda: story.client("volume show data")["status"] == "available", within_s=90)
    story.client("server add volume web data")
    disk = eventually(lambda: story.ssh("awk '$4 ~ /^vd[b-z]$/ { print $4 }' /proc/partitions").strip(), within_s=90)
    story.ssh(f"mkfs.ext4 -q /dev/{disk} && mkdir -p /data && mount /dev/{disk} /data && echo kept > /data/file")
    assert len(_loops(story)) == 2
    agent = story.cloud.pid("agent")
    os.kill(agent, signal.SIGKILL)
    eventually(lambda: story.cloud.pid("agent") != agent, within_s=60)
    assert story.ssh("sync; cat /data/file") == "kept\n"
    story.client.text("server remove volume web data")
    eventually(lambda: story.client("volume show data")["status"] == "available", within_s=90)
    assert story.ssh(f"grep -c {disk} /proc/partitions /proc/mounts; true").split() == [
        "/proc/partitions:0",
        "/proc/mounts:0",
    ]
    assert len(_loops(story)) == 1
    story.client.text(f"volume delete {volume}")


def _loops(story: Story) -> list[str]:
    """Loop devices over files of this cloud."""
    files = [entry.read_text() for entry in Path("/sys/block").glob("loop*/loop/backing_file")]
    return [file for file in files if str(story.cloud.directory) in file]


def test_it_is_started_anew(story: Story) -> None:
    story.ssh("echo kept > /root/mark; echo lost > /run/mark")
    story.client.text("server reboot --hard web")
    story.reaches("ACTIVE")
    assert story.ssh("cat /root/mark; cat /run/mark 2>/dev/null; true") == "kept\n"
    story.client.text("server stop web")
    story.reaches("SHUTOFF")
    story.client.text("server start web")
    story.reaches("ACTIVE")
    assert story.ssh("cat /root/mark") == "kept\n"


def test_a_snapshot_of_it_starts_as_another_server(story: Story) -> None:
    story.ssh("echo in the snapshot > /root/mark; sync")
    story.client("server image create --name copy --wait web")
    story.client("server create --image copy --flavor m1.nano --network private --key-name ours --wait twin")
    story.client.text("server delete --wait web")
    story.client.text(f"server add floating ip twin {story.address}")
    story.client.text("server add security group twin web")
    assert story.ssh("hostname").strip() == "twin"
    assert story.ssh("cat /root/mark") == "in the snapshot\n"


def test_nothing_is_left_of_deleted_servers(story: Story) -> None:
    """The last test."""
    story.client.text("server delete --wait twin")
    instances = story.cloud.directory / "agents" / "instances"
    assert eventually(lambda: [entry.name for entry in instances.iterdir()] == ["_base"], within_s=60)
    assert real.taps_of(story.ports) == []
    assert _loops(story) == []
    mounts = Path("/proc/mounts").read_text()
    assert str(instances) not in mounts
