"""A real server, as the guides make it: image, flavor, networks, router, key; then ssh through its floating IP.

One cloud and one guest for the whole module: with emulated processors a start takes seconds to a minute.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.system.client import OpenStack
from tests.system.cloud import Cloud, a_cloud, eventually
from tests.system.compute import real

_MISSING = real.missing(client=True)
pytestmark = [
    pytest.mark.root,
    pytest.mark.qemu,
    pytest.mark.timeout(600),
    pytest.mark.skipif(_MISSING is not None, reason=str(_MISSING)),
]
BOOT_S = 240
USER_DATA = "#!/bin/sh\necho told by user data > /root/told\n"


@dataclass
class Story:
    """The cloud and what was made in it."""

    cloud: Cloud
    client: OpenStack
    key: Path
    address: str = ""
    ports: list[str] | None = None

    def server(self) -> dict[str, Any]:
        shown: dict[str, Any] = self.client("server show web")
        return shown

    def reaches(self, status: str, within_s: float = 90) -> dict[str, Any]:
        def is_there() -> dict[str, Any] | None:
            shown = self.server()
            assert shown["status"] != "ERROR" or status == "ERROR", shown
            return shown if shown["status"] == status else None

        shown: dict[str, Any] = eventually(is_there, within_s=within_s)
        return shown

    def ssh(self, command: str, within_s: float = BOOT_S) -> str:
        return real.ssh(self.key, self.address, command, within_s)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    images = real.guest_images()
    if isinstance(images, str):
        pytest.skip(images)
    key = tmp_path_factory.mktemp("key") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=30)
    with a_cloud(tmp_path_factory.mktemp("real")) as cloud:
        cloud.up()
        client = OpenStack(cloud, "admin")
        try:
            told = Story(cloud, client, key)
            _upload(told, images)
            _networks(told)
            _boot(told)
            yield told
        finally:
            client.close()


def _upload(told: Story, images: Path) -> None:
    made = {}
    for name, kind in (("kernel", "aki"), ("ramdisk", "ari")):
        file = images / f"cumulet-guest-{name}"
        command = f"image create --disk-format {kind} --container-format {kind} --file {file} guest-{name}"
        made[name] = told.client(command)["id"]
    file = images / "cumulet-guest-root.qcow2"
    kernel = f"--property kernel_id={made['kernel']} --property ramdisk_id={made['ramdisk']}"
    told.client(f"image create --disk-format qcow2 --container-format bare {kernel} --file {file} guest")


def _networks(told: Story) -> None:
    cidr, gateway = real.outside_of(told.cloud)
    told.client("network create --external --provider-network-type flat --provider-physical-network public public")
    told.client(f"subnet create --network public --subnet-range {cidr} --gateway {gateway} --no-dhcp outside")
    told.client("network create private")
    told.client("subnet create --network private --subnet-range 10.77.0.0/24 inside")
    told.client("router create router")
    told.client.text("router set --external-gateway public router")
    told.client.text("router add subnet router inside")
    told.client("security group create web")
    told.client("security group rule create --proto icmp web")
    told.client("security group rule create --proto tcp --dst-port 22 web")


def _boot(told: Story) -> None:
    told.client("flavor create --ram 128 --disk 1 --vcpus 1 m1.nano")
    told.client(f"keypair create --public-key {told.key}.pub ours")
    user_data = told.key.with_name("user-data")
    user_data.write_text(USER_DATA)
    options = f"--flavor m1.nano --network private --security-group web --key-name ours --user-data {user_data}"
    told.client(f"server create --image guest {options} web")
    told.reaches("ACTIVE")
    told.ports = [port["ID"] for port in told.client("port list --server web")]
    told.address = told.client("floating ip create public")["floating_ip_address"]
    told.client.text(f"server add floating ip web {told.address}")


def test_one_can_log_in_with_the_key(story: Story) -> None:
    assert story.ssh("hostname").strip() == "web"
    fixed = next(address for address in story.server()["addresses"]["private"] if address.startswith("10.77.0."))
    assert f"inet {fixed}/24" in story.ssh("ip address show eth0")


def test_the_console_log_shows_the_login_prompt(story: Story) -> None:
    def log() -> str:
        return story.client.text("console log show web")

    assert eventually(lambda: "login:" in log(), within_s=BOOT_S)
    assert "told" in story.ssh("cat /root/told")


def test_the_guest_outlives_its_agent(story: Story) -> None:
    before = real.guests_of(story.cloud)
    started = story.ssh("cat /proc/sys/kernel/random/boot_id")
    agent = story.cloud.pid("agent")
    os.kill(agent, signal.SIGKILL)
    eventually(lambda: story.cloud.pid("agent") != agent, within_s=60)
    assert real.guests_of(story.cloud) == before
    assert story.ssh("cat /proc/sys/kernel/random/boot_id") == started
    story.client.text("server pause web")
    story.reaches("PAUSED")
    story.client.text("server unpause web")
    story.reaches("ACTIVE")
    assert story.ssh("cat /proc/sys/kernel/random/boot_id") == started


def test_suspended_it_goes_on_where_it_was(story: Story) -> None:
    story.ssh("echo kept in memory > /run/mark")
    story.client.text("server suspend web")
    story.reaches("SUSPENDED")
    assert real.guests_of(story.cloud) == []
    story.client.text("server resume web")
    story.reaches("ACTIVE")
    assert story.ssh("cat /run/mark") == "kept in memory\n"


def test_it_goes_on_after_the_cloud_was_down(story: Story) -> None:
    story.ssh("echo still here > /run/mark")
    story.cloud.down()
    assert real.guests_of(story.cloud) == []
    assert real.taps_of(story.ports or []) == []
    story.cloud.up()
    assert story.ssh("cat /run/mark") == "still here\n"
    story.reaches("ACTIVE")


def test_nothing_is_left_of_a_deleted_server(story: Story) -> None:
    """The last test."""
    story.client.text("server delete --wait web")
    assert eventually(lambda: real.guests_of(story.cloud) == [], within_s=60)
    assert eventually(lambda: real.taps_of(story.ports or []) == [], within_s=60)
    instances = story.cloud.directory / "agents" / "instances"
    assert [entry.name for entry in instances.iterdir()] == ["_base"]
