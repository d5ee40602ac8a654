"""The small test guest: built from Debian's packages, booted once, told who it is by a config drive."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guest.machine import Machine, make_config_drive

pytestmark = [pytest.mark.qemu, pytest.mark.timeout(400)]

SCRIPT = Path(__file__).parents[2] / "scripts" / "guest"
TOOLS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mformat": "mtools",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
}
UNAVAILABLE = 3
USER_DATA = "#!/bin/sh\necho run >>/root/runs\necho told by user data\n"


def build(out: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"CUMULET_GUEST_INSTALL": "no"}
    return subprocess.run([str(SCRIPT), str(out)], capture_output=True, text=True, timeout=300, env=environment)


@pytest.fixture(scope="module")
def images() -> Path:
    """The built images, in the cache that scripts/guest uses, so that only the first run ever builds."""
    missing = sorted({package for tool, package in TOOLS.items() if shutil.which(tool) is None})
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    out = Path(os.environ.get("CUMULET_GUEST_DIR") or cache / "cumulet" / "guest")
    done = build(out)
    if done.returncode == UNAVAILABLE:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True, timeout=30)
    return path


def metadata(key: Path, uuid: str, hostname: str) -> dict[str, object]:
    return {
        "uuid": uuid,
        "hostname": f"{hostname}.novalocal",
        "public_keys": {"mine": key.with_suffix(".pub").read_text()},
    }


@pytest.fixture
def machine(images: Path, key: Path, tmp_path: Path) -> Iterator[Machine]:
    drive = make_config_drive(tmp_path, metadata(key, "9f3a0c1e-4f0f-4e35-8f2c-1d1d1d1d1d1d", "seagull"), USER_DATA)
    guest = Machine(tmp_path, images / "cumulet-guest.qcow2", drive)
    guest.start()
    try:
        yield guest
    finally:
        guest.kill()


def test_a_second_build_does_nothing(images: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in images.iterdir()}

    assert build(images).returncode == 0

    assert {path: path.stat().st_mtime_ns for path in images.iterdir()} == before


def test_a_disk_image_boots_and_does_what_the_config_drive_says(machine: Machine, key: Path) -> None:
    machine.wait_for(lambda: "seagull login:" in machine.console(), "login prompt with the instance's name", 150)
    machine.wait_for(lambda: "guest: ready" in machine.console(), "end of the user data", 60)
    assert "user-data: exit 0" in machine.console()

    # On the console by password.
    machine.type("cirros", "Password:", "gocubsgo", "# ", "echo the answer is $((6 * 7))", "the answer is 42")

    # Over the network by the injected key.
    assert machine.ssh(key, "hostname; sudo cat /root/runs /var/log/user-data.log").split("\n") == [
        "seagull",
        "run",
        "told by user data",
        "",
    ]
    addresses = machine.ssh(key, "ip a")
    assert "inet 10.0.2.15/24" in addresses, "DHCP"
    assert "inet6 fec0::" in addresses, "SLAAC"

    # The root file system is as large as the disk, less the boot partition.
    size_kb = int(machine.ssh(key, "df -k / | tail -1").split()[1])
    assert size_kb > 900 * 1024
    assert "vda2" in machine.ssh(key, "lsblk -l")
    assert "config-2" in machine.ssh(key, "blkid").lower()

    machine.press_power_button()
    machine.process.wait(60)
    assert "guest: going down" in machine.console()


@pytest.fixture
def metadata_service(key: Path, tmp_path: Path) -> str:
    """The command of a metadata service with OpenStack's and EC2's forms."""
    pages = tmp_path / "pages"
    pages.mkdir()
    described = metadata(key, "31c5a3b0-0000-4c5e-9d5e-2e2e2e2e2e2e", "heron")
    (pages / "openstack+latest+meta_data.json").write_text(json.dumps(described))
    (pages / "openstack+latest+user_data").write_text(USER_DATA)
    (pages / "latest+meta-data+instance-id").write_text("i-0000002a")
    (pages / "latest+meta-data+local-hostname").write_text("egret.novalocal")
    (pages / "latest+meta-data+public-keys+0+openssh-key").write_text(key.with_suffix(".pub").read_text())
    return f"{sys.executable} {Path(__file__).with_name('metadata_service.py')} {pages}"


def test_kernel_ramdisk_and_root_boot_and_ask_the_metadata_service(
    images: Path, key: Path, tmp_path: Path, metadata_service: str
) -> None:
    boot = ["-kernel", str(images / "cumulet-guest-kernel"), "-initrd", str(images / "cumulet-guest-ramdisk")]
    # The command line Nova gives to images with a kernel and a ramdisk.
    boot += ["-append", "root=/dev/vda console=tty0 console=ttyS0 no_timer_check"]
    service = f",net=169.254.169.0/24,guestfwd=tcp:169.254.169.254:80-cmd:{metadata_service}"
    machine = Machine(tmp_path, images / "cumulet-guest-root.qcow2", network_options=service, boot_arguments=boot)
    machine.start()
    try:
        machine.wait_for(lambda: "heron login:" in machine.console(), "login prompt with the instance's name", 150)
        machine.wait_for(lambda: "guest: ready" in machine.console(), "end of the user data", 60)
        assert machine.ssh(key, "cat /root/runs") == "run\n"
        assert int(machine.ssh(key, "df -k / | tail -1").split()[1]) > 900 * 1024

        library = "/usr/lib/guest"
        ec2 = f". {library}/common; . {library}/metadata; rm $run/meta_data.json; from_ec2; instance_id; echo"
        told = machine.ssh(key, f"{ec2}; instance_hostname; echo; instance_keys")
        assert told.split("\n")[:2] == ["i-0000002a", "egret.novalocal"]
        assert key.with_suffix(".pub").read_text().strip() in told
    finally:
        machine.kill()
