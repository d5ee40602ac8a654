"""The install guides' story with the stock client on real parts, in the order in which they tell it.

An image, a flavor, networks and a router; a server; its console; a floating IP that does not answer until a security
group lets it; ssh; a volume with a file system; and everything taken away again. Each test is a chapter and needs the
ones before it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.agents.network import outside
from tests.system.client import OpenStack
from tests.system.cloud import Cloud, a_cloud, environment, eventually, left_behind
from tests.system.compute.real import guest_images, missing, outside_of

pytestmark = [pytest.mark.root, pytest.mark.qemu, pytest.mark.timeout(900)]

BOOT_S = 240.0
_OPTIONS = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
SSH = ["ssh", "-o", "ConnectTimeout=10", *(word for option in _OPTIONS for word in ("-o", option))]


class Story:
    """What the chapters share."""

    def __init__(self, cloud: Cloud, guest: Path, folder: Path) -> None:
        self.cloud = cloud
        self.guest = guest
        self.key = folder / "mykey"
        self.admin = OpenStack(cloud, "admin")
        self.demo = OpenStack(cloud, "demo")
        self.address = ""
        self.fixed = ""

    def ping(self) -> bool:
        done = subprocess.run(["ping", "-c", "1", "-W", "1", self.address], capture_output=True, timeout=20)
        return done.returncode == 0

    def ssh(self, command: str, within_s: float = 60) -> str:
        """What a command in the server prints; tried again until ssh answers."""

        def once() -> subprocess.CompletedProcess[str] | None:
            words = [*SSH, "-i", str(self.key), f"cirros@{self.address}", command]
            done = subprocess.run(words, capture_output=True, text=True, timeout=120)
            return None if done.returncode == 255 else done

        done = eventually(once, within_s=within_s)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return str(done.stdout)

    def program(self, name: str, *words: str) -> str:
        """An administration command on this cloud."""
        command = [sys.executable, "-m", f"cumulet.cli.{name}", "--state-dir", str(self.cloud.directory), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment())
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    reason = missing(client=True)
    if reason is not None:
        pytest.skip(reason)
    guest = guest_images()
    if isinstance(guest, str):
        pytest.skip(guest)
    folder = tmp_path_factory.mktemp("story")
    with a_cloud(folder / "cloud") as cloud:
        cloud.up()
        told = Story(cloud, guest, folder)
        try:
            yield told
        finally:
            told.admin.close()
            told.demo.close()


def test_the_cloud_shows_its_services(story: Story) -> None:
    names = {service["Name"] for service in story.admin("catalog list")}
    assert {"keystone", "glance", "placement", "nova", "neutron", "cinder"} <= names

    def agents() -> bool:
        listed = story.admin("network agent list")
        alive = {agent["Agent Type"] for agent in listed if agent["Alive"] in (True, ":-)")}
        return {"Linux bridge agent", "DHCP agent", "L3 agent", "Metadata agent"} <= alive

    assert eventually(agents, within_s=60)

    def computes() -> bool:
        listed = story.admin("compute service list")
        alive = {service["Binary"] for service in listed if service["State"] == "up"}
        return {"nova-scheduler", "nova-conductor", "nova-compute"} <= alive

    assert eventually(computes, within_s=60)


def test_nova_manage_and_nova_status_print_as_in_the_guides(story: Story) -> None:
    assert "cell1" in story.program("nova_manage", "cell_v2", "list_cells")
    found = story.program("nova_manage", "cell_v2", "discover_hosts", "--verbose")
    assert "Creating host mapping for compute host" in found
    assert story.program("nova_status", "upgrade", "check").count("Result: Success") == 4


def test_an_administrator_brings_image_flavor_and_the_outside_network(story: Story) -> None:
    image = story.guest / "cumulet-guest.qcow2"
    made = story.admin(f"image create --public --disk-format qcow2 --container-format bare --file {image} guest")
    assert story.admin(f"image show {made['id']}")["status"] == "active"
    story.admin("flavor create --vcpus 1 --ram 128 --disk 1 m1.nano")
    cidr, address = outside_of(story.cloud)
    story.admin(
        "network create --external --provider-network-type flat "
        f"--provider-physical-network {outside.PHYSICAL_NETWORK} public"
    )
    first = cidr.rpartition(".")[0]
    pool = f"start={first}.10,end={first}.250"
    story.admin(
        f"subnet create --network public --subnet-range {cidr} --gateway {address} --no-dhcp "
        f"--allocation-pool {pool} public-subnet"
    )


def test_a_user_makes_a_network_behind_a_router(story: Story) -> None:
    story.demo("network create private")
    story.demo("subnet create --network private --subnet-range 10.0.0.0/24 private-subnet")
    story.demo("router create router1")
    story.demo.text("router set --external-gateway public router1")
    story.demo.text("router add subnet router1 private-subnet")
    story.demo("security group create web")
    story.key.write_text(story.demo.text("keypair create mykey"))
    story.key.chmod(0o600)


def test_the_server_boots_to_its_login_prompt(story: Story) -> None:
    story.demo(
        "server create --flavor m1.nano --image guest --network private --security-group web --key-name mykey first"
    )
    shown = eventually(_settled(story, "first"), within_s=BOOT_S)
    assert shown["status"] == "ACTIVE", shown
    story.fixed = shown["addresses"]["private"][0]
    assert eventually(lambda: "first login:" in story.demo.text("console log show first"), within_s=BOOT_S), (
        "the console log shows the prompt, with the name that the server was told"
    )


def _settled(story: Story, name: str) -> Callable[[], Any]:
    def look() -> Any:
        shown = story.demo(f"server show {name}")
        return shown if shown["status"] != "BUILD" else None

    return look


def test_a_ping_fails_until_a_rule_allows_it(story: Story) -> None:
    story.address = story.demo("floating ip create public")["floating_ip_address"]
    story.demo.text(f"server add floating ip first {story.address}")

    def addresses() -> list[str]:
        return list(story.demo("server show first")["addresses"]["private"])

    assert eventually(lambda: story.address in addresses(), within_s=60)
    assert not any(story.ping() for _ in range(3))

    story.demo("security group rule create --protocol icmp web")
    assert eventually(story.ping, within_s=60)


def test_ssh_shows_the_fixed_address(story: Story) -> None:
    story.demo("security group rule create --protocol tcp --dst-port 22 web")
    assert story.fixed in story.ssh("ip -4 addr show eth0", within_s=BOOT_S)
    assert story.ssh("hostname").strip() == "first"


def test_a_volume_holds_a_file_system(story: Story) -> None:
    story.demo("volume create --size 10 disk")
    assert eventually(lambda: story.demo("volume show disk")["status"] == "available", within_s=60)
    story.demo.text("server add volume first disk")
    assert eventually(lambda: story.demo("volume show disk")["status"] == "in-use", within_s=60)
    assert eventually(lambda: "vdb" in story.ssh("cat /proc/partitions"), within_s=60)
    story.ssh("sudo mkfs.ext4 -q /dev/vdb && sudo mkdir -p /data && sudo mount /dev/vdb /data")
    story.ssh("echo kept | sudo tee /data/word >/dev/null && sync")
    assert re.search(r"9\.\dG.* /data", story.ssh("df -h /data"))
    story.ssh("sudo umount /data")
    story.demo.text("server remove volume first disk")
    assert eventually(lambda: story.demo("volume show disk")["status"] == "available", within_s=60)


def test_everything_goes_away(story: Story) -> None:
    story.demo.text("server delete first")
    assert eventually(lambda: story.demo("server list") == [], within_s=60)
    story.demo.text("volume delete disk")
    assert eventually(lambda: story.demo("volume list") == [], within_s=60)
    story.demo.text(f"floating ip delete {story.address}")
    story.demo.text("router remove subnet router1 private-subnet")
    story.demo.text("router delete router1")
    story.demo.text("network delete private")
    story.demo.text("security group delete web")
    story.admin.text("network delete public")
    story.admin.text("image delete guest")
    assert story.program("nova_manage", "placement", "audit") == ""


def test_the_machine_is_as_it_was(story: Story) -> None:
    from cumulet.agents.host.real import prefix_of
    from cumulet.kernel.paths import Paths
    from cumulet.kernel.settings import Settings

    settings = Settings.load(Paths.at(story.cloud.directory))
    assert settings is not None
    prefix = prefix_of(settings)
    story.cloud.down("--purge")
    for command in (["ip", "netns"], ["ip", "-br", "link"], ["nft", "list", "tables"]):
        printed = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
        assert prefix not in printed
        assert prefix.rstrip("-") not in printed
    assert eventually(lambda: not left_behind(story.cloud.directory), within_s=30)
