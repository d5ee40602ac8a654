"""How a server is made, as the guides tell it: image, flavor, networks, router, key, floating IP."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from tests.system.client import OpenStack
from tests.system.cloud import Cloud, a_cloud, eventually
from tests.system.compute import real

BOOT_S: Final = 240
_MISSING = real.missing(client=True)
REAL_SERVER = [
    pytest.mark.root,
    pytest.mark.qemu,
    pytest.mark.timeout(600),
    pytest.mark.skipif(_MISSING is not None, reason=str(_MISSING)),
]
"""Marks of a module whose tests share the fixture `story`."""
USER_DATA: Final = "#!/bin/sh\necho told by user data > /root/told\n"


@dataclass
class Story:
    """The cloud and what was made in it."""

    cloud: Cloud
    client: OpenStack
    key: Path
    address: str = ""
    ports: list[str] = field(default_factory=list)

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


@contextlib.contextmanager
def told(directory: Path, images: Path, **confs: str) -> Iterator[Story]:
    """A cloud in `directory` with one server; whatever happens, nothing is left. `nova=…` is what nova.conf says."""
    key = directory / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=30)
    with a_cloud(directory / "cloud") as cloud:
        for name, text in confs.items():
            (cloud.directory / "etc").mkdir(parents=True, mode=0o700, exist_ok=True)
            (cloud.directory / "etc" / f"{name}.conf").write_text(text)
        cloud.up()
        client = OpenStack(cloud, "admin")
        try:
            story = Story(cloud, client, key)
            upload(story, images)
            networks(story)
            _boot(story)
            yield story
        finally:
            client.close()


def upload(story: Story, images: Path) -> None:
    made = {}
    for name, kind in (("kernel", "aki"), ("ramdisk", "ari")):
        file = images / f"cumulet-guest-{name}"
        command = f"image create --disk-format {kind} --container-format {kind} --file {file} guest-{name}"
        made[name] = story.client(command)["id"]
    file = images / "cumulet-guest-root.qcow2"
    kernel = f"--property kernel_id={made['kernel']} --property ramdisk_id={made['ramdisk']}"
    story.client(f"image create --disk-format qcow2 --container-format bare {kernel} --file {file} guest")


def networks(story: Story) -> None:
    cidr, gateway = real.outside_of(story.cloud)
    story.client("network create --external --provider-network-type flat --provider-physical-network public public")
    story.client(f"subnet create --network public --subnet-range {cidr} --gateway {gateway} --no-dhcp outside")
    story.client("network create private")
    story.client("subnet create --network private --subnet-range 10.77.0.0/24 inside")
    story.client("router create router")
    story.client.text("router set --external-gateway public router")
    story.client.text("router add subnet router inside")
    story.client("security group create web")
    story.client("security group rule create --proto icmp web")
    story.client("security group rule create --proto tcp --dst-port 22 web")


def _boot(story: Story) -> None:
    story.client("flavor create --ram 128 --disk 1 --vcpus 1 m1.nano")
    story.client(f"keypair create --public-key {story.key}.pub ours")
    user_data = story.key.with_name("user-data")
    user_data.write_text(USER_DATA)
    options = f"--flavor m1.nano --network private --security-group web --key-name ours --user-data {user_data}"
    story.client(f"server create --image guest {options} web")
    story.reaches("ACTIVE")
    story.ports = [port["ID"] for port in story.client("port list --server web")]
    story.address = story.client("floating ip create public")["floating_ip_address"]
    story.client.text(f"server add floating ip web {story.address}")
