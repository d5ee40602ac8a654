"""The container driver in real namespaces, with disks, volumes and two hosts on this machine.

One container goes through all of it in order, talked to over its serial console.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from cumulet.agents.compute.config import HostConfig
from cumulet.agents.compute.container import cgroups, devices, loops
from cumulet.agents.compute.container.driver import ContainerHypervisor
from cumulet.agents.compute.folders import Folders
from cumulet.agents.compute.images import ImageCache
from cumulet.agents.compute.protocols import Disk, Guest, NoSuchGuest
from cumulet.agents.compute.qemu.host import Host
from tests.agents.compute.support import SerialConsole, StoredImages, a_guest, until
from tests.system.compute import real

_MISSING = (
    real.missing()
    or (None if shutil.which("qemu-storage-daemon") else "not installed: qemu-system-common, qemu-utils")
    or (None if Path("/dev/loop-control").exists() and Path("/dev/fuse").exists() else "no loop devices, or no FUSE")
)
pytestmark = [
    pytest.mark.root,
    pytest.mark.timeout(300),
    pytest.mark.skipif(_MISSING is not None, reason=str(_MISSING)),
]
BOOT_S = 90
VOLUME = "11111111-2222-3333-4444-555555555555"
MB = 1 << 20


@dataclass
class Life:
    """The container, where it is, and the two hosts."""

    images: StoredImages
    here: ContainerHypervisor
    there: ContainerHypervisor
    guest: Guest
    volume: Path
    consoles: list[SerialConsole] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.guest.id

    def run(self, command: str) -> str:
        """What it printed, without the line itself, which a busy terminal shows twice."""
        said = self.consoles[-1].run(command)
        return (
            said.rpartition("; echo done''")[2].partition("\n")[2] if "; echo done''" in said else said
        )  # its own echo

    def log_in(self, on: ContainerHypervisor | None = None) -> None:
        """To a container that was just started."""
        console = SerialConsole(Path((on or self.here).console(self.id, "serial")["path"]))
        self.consoles.append(console)
        console.login(BOOT_S)
        console.run("stty columns 1000")
        console.run("while pgrep -f init.d/late >/dev/null; do sleep 0.1; done")  # which says a line of its own

    def disk(self) -> Disk:
        data = {"path": str(self.volume), "format": "raw"}
        return Disk(VOLUME, "/dev/vdc", {"driver_volume_type": "local", "data": data})

    def directory(self, on: ContainerHypervisor) -> Path:
        return on.host.folders.of(self.id)


def a_host(directory: Path, images: StoredImages, address: str) -> ContainerHypervisor:
    config = HostConfig(host=directory.name, instances=directory, address=address, virt_type="lxc", shutdown_s=30)
    return ContainerHypervisor(Host(config, Folders(directory), ImageCache(config.cache, images)))


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    found = real.guest_images()
    if isinstance(found, str):
        pytest.skip(found)
    images = StoredImages()
    image = images.show(images.add((found / "cumulet-guest.qcow2").read_bytes()))
    directory = tmp_path_factory.mktemp("hosts")
    volume = directory / "volume"
    volume.write_bytes(b"")
    os.truncate(volume, 64 * MB)
    metadata = json.dumps({"uuid": "x", "hostname": "told-by-drive"}).encode()
    drive = {"openstack/latest/meta_data.json": base64.b64encode(metadata).decode()}
    flavor = {"ephemeral": 1, "swap": 32}
    guest = a_guest(image["id"], image, config_drive=True, drive=drive, flavor=flavor)
    hosts = [a_host(directory / name, images, f"127.0.0.{n}") for n, name in enumerate(("here", "there"), 1)]
    try:
        hosts[0].spawn(guest)
        yield Life(images, hosts[0], hosts[1], guest, volume)
    finally:
        for host in hosts:
            host.destroy(guest.id)


def test_it_sees_its_own_processors_memory_disks_and_time(life: Life) -> None:
    life.here.spawn(life.guest)  # again: nothing happens
    assert life.here.guests() == {life.id: 1}
    life.log_in()
    assert life.run("hostname") == "told-by-drive"
    assert life.run("grep -c ^processor /proc/cpuinfo; nproc").split() == ["1", "1"]
    assert int(life.run("awk '/MemTotal/ { print $2 }' /proc/meminfo")) == 128 * 1024
    assert life.run("awk 'NR > 2 { print $4 }' /proc/partitions").split() == ["vda", "vdb", "vdc", "sr0"]
    assert "vdb 1073741824 disk" in life.run("lsblk -bdno NAME,SIZE,TYPE | tr -s ' '")
    assert float(life.run("cut -d' ' -f1 /proc/uptime")) < 3600
    assert int(life.run("df -m / | awk 'NR == 2 { print $2 }'")) in range(850, 1024)  # the flavor's 1 GB


def test_it_can_mount_its_own_disks_and_no_others(life: Life) -> None:
    life.run("mkdir -p /mnt /srv")
    assert life.run("mount $(blkid -L config-2 -o device) /srv; grep -c /srv /proc/mounts") == "1"
    assert "told-by-drive" in life.run("cat /srv/openstack/latest/meta_data.json")
    assert "Read-only" in life.run("touch /srv/x 2>&1")
    assert life.run("mount /dev/vdb /mnt && touch /mnt/kept && umount /mnt && umount /srv && echo done") == "done"
    assert "ermitted" in life.run("mknod /dev/host b 254 0 2>&1")  # a device of the host's
    assert "mount:" in life.run("mount -t ext4 /dev/null /mnt 2>&1")
    assert "Invalid" in life.run("mount -t ext4 -o errors=panic /dev/vdb /mnt 2>&1")
    life.run("mount -t ext4 -o dev /dev/vdb /mnt")
    assert "nodev" in life.run("grep ' /mnt ' /proc/mounts")
    assert "denied" in life.run("mount -o remount,bind,dev /mnt 2>&1")
    assert life.run("ls -ln /mnt/kept | awk '{ print $3, $4 }'; umount /mnt") == "0 0"


def test_the_disk_it_is_mounted_from_is_not_written_to(life: Life) -> None:
    if not cgroups.lists_devices():
        pytest.skip("the kernel has control groups of version 2 only: the container has no such device")
    assert life.run("dd if=/dev/vda of=/dev/null count=1 2>/dev/null && echo read") == "read"
    assert "ermitted" in life.run("dd if=/dev/zero of=/dev/vda count=1 conv=notrunc 2>&1")


def test_a_volume_comes_grows_and_goes(life: Life) -> None:
    for _ in range(2):  # every method may be repeated
        life.here.attach_volume(life.id, life.disk())
    assert life.run("grep -c vdd /proc/partitions; cat /sys/block/vdd/serial").split() == ["1", VOLUME[:20]]
    assert life.run("mkfs.ext4 -q /dev/vdd && mount /dev/vdd /mnt && echo written > /mnt/file && sync; echo $?") == "0"
    os.truncate(life.volume, 1024 * MB)
    life.here.extend_volume(life.id, VOLUME, 1)
    assert int(life.run("cat /sys/block/vdd/size")) * 512 == 1024 * MB
    for _ in range(2):
        life.here.detach_volume(life.id, VOLUME)  # also from where it is mounted
    assert life.run("grep -c vdd /proc/partitions; ls /dev/vdd 2>&1; grep -c /mnt /proc/mounts").split()[0] == "0"
    said = subprocess.run(
        ["debugfs", "-R", "cat /file", str(life.volume)], capture_output=True, text=True, check=True, timeout=30
    )
    assert said.stdout == "written\n"
    with pytest.raises(ValueError, match="not attached"):
        life.here.extend_volume(life.id, VOLUME, 1)


def test_a_volume_stays_through_stop_and_start(life: Life) -> None:
    life.here.attach_volume(life.id, life.disk())
    life.here.stop(life.id)
    assert life.here.guests() == {life.id: 4}
    assert _left(life, life.here) == []
    life.here.start(life.id)
    life.log_in()
    assert life.run("mount /dev/vdd /mnt; cat /mnt/file; umount /mnt") == "written"
    life.here.stop(life.id)
    life.here.detach_volume(life.id, VOLUME)
    life.here.start(life.id)
    life.log_in()
    assert life.run("ls /dev/vdd 2>/dev/null | wc -l") == "0"


def _left(life: Life, on: ContainerHypervisor) -> list[str]:
    """Loop devices, mounts, control groups and processes of the container."""
    directory = life.directory(on)
    names = [devices.name_of(directory, f"{kind}") for kind in ("disk-root", "disk-ephemeral0", "disk-swap", "config")]
    names += [devices.name_of(directory, f"volume-{VOLUME}"), devices.name_of(directory, "root partition")]
    bound = loops.bound()
    mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if str(directory) in line]
    groups = [str(group) for group in cgroups.groups(life.id) if group.exists()]
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if str(directory).encode() in (entry / "cmdline").read_bytes():
                    found.append(entry.name)
    return [*(name for name in names if name in bound), *mounts, *groups, *found]


def test_it_stands_still_while_paused_or_suspended(life: Life) -> None:
    for stop, state, go_on in (
        (life.here.pause, 3, life.here.unpause),
        (life.here.suspend, 7, life.here.resume),
    ):
        stop(life.id)
        assert life.here.guests() == {life.id: state}
        go_on(life.id)
        assert life.here.guests() == {life.id: 1}
        assert life.run("echo on") == "on"


def test_a_snapshot_has_what_was_written(life: Life) -> None:
    life.run("echo in the snapshot > /root/mark")
    image_id = life.images.queue()
    life.here.snapshot(life.id, image_id)
    told = {"config_drive": True, "drive": life.guest.drive}
    twin = a_guest(image_id, life.images.show(image_id), number=8, **told)
    try:
        life.there.spawn(twin)
        console = SerialConsole(Path(life.there.console(twin.id, "serial")["path"]))
        console.login(BOOT_S)
        assert console.run("cat /root/mark") == "in the snapshot"
        console.close()
    finally:
        life.there.destroy(twin.id)


def test_it_is_rescued_and_finds_its_root_as_the_second_disk(life: Life) -> None:
    rescue = msgspec.structs.replace(life.guest, config_drive=False, drive={})
    for _ in range(2):
        life.here.rescue(rescue)
    life.log_in()
    assert life.run("mount /dev/vdb /mnt; cat /mnt/root/mark; echo repaired > /mnt/root/mark") == "in the snapshot"
    life.here.unrescue(life.id)
    life.log_in()
    assert life.run("cat /root/mark") == "repaired"


def test_a_resize_gives_room_and_a_return_takes_it_back(life: Life) -> None:
    larger = msgspec.structs.replace(life.guest, flavor=life.guest.flavor | {"disk": 2, "ram": 256, "vcpus": 2})
    life.here.resize(larger, power_on=True)
    life.log_in()
    assert int(life.run("df -m / | awk 'NR == 2 { print $2 }'")) > 1500
    assert int(life.run("awk '/MemTotal/ { print $2 }' /proc/meminfo")) == 256 * 1024
    life.run("echo after > /root/mark; sync")
    life.here.revert_resize(life.id, volumes=life.guest.volumes, power_on=True)
    life.log_in()
    assert life.run("cat /root/mark; df -m / | awk 'NR == 2 { print $2 < 1024 }'").split() == ["repaired", "1"]
    with pytest.raises(ValueError, match="down"):
        life.here.resize(msgspec.structs.replace(life.guest, flavor=life.guest.flavor | {"disk": 0}), power_on=True)


def test_it_moves_to_another_host_and_back(life: Life) -> None:
    life.run("echo moved > /root/mark; sync")
    offer = life.here.send(life.id)
    assert life.here.guests() == {}
    life.there.receive(life.guest, offer, power_on=True)
    life.log_in(life.there)
    assert life.run("cat /root/mark") == "moved"
    life.here.confirm_resize(life.id)
    assert not life.directory(life.here).exists()
    offer = life.there.send(life.id)
    life.here.receive(life.guest, offer, power_on=True)
    life.here.confirm_resize(life.id)
    life.there.confirm_resize(life.id)
    life.log_in()
    assert life.run("cat /root/mark") == "moved"
    with pytest.raises(ValueError, match="while it runs"):
        life.here.prepare_live(life.guest, copy_disks=True)


def test_another_driver_takes_it_up_where_it_is(life: Life) -> None:
    """What a killed agent leaves is what a new one finds."""
    life.here.attach_volume(life.id, life.disk())
    again = ContainerHypervisor(life.here.host)
    again.wake()
    assert again.guests() == {life.id: 1}
    assert life.run("cat /root/mark") == "moved"
    again.detach_volume(life.id, VOLUME)
    assert life.run("grep -c vdd /proc/partitions") == "0"


def test_one_that_powers_itself_off_holds_no_disk(life: Life) -> None:
    life.run("(sleep 1; poweroff) & true")
    until(lambda: life.here.guests() == {life.id: 4}, BOOT_S)
    until(lambda: life.here.guests() and _left(life, life.here) == [], BOOT_S)


def test_it_starts_from_a_volume_with_a_partition_table(life: Life, tmp_path: Path) -> None:
    image = life.images.files[str(life.guest.image_id)]
    (tmp_path / "image").write_bytes(image)
    volume = tmp_path / "root"
    subprocess.run(["qemu-img", "convert", "-O", "raw", tmp_path / "image", volume], check=True, timeout=60)
    os.truncate(volume, 256 * MB)
    life.volume = volume
    disk = msgspec.structs.replace(life.disk(), boot_index=0, device="/dev/vda")
    told = {"config_drive": True, "drive": life.guest.drive}
    guest = a_guest(None, volumes=[disk], number=9, flavor={"disk": 0}, **told)
    life.there.spawn(guest)
    try:
        for mark in ("", "on the volume"):
            console = SerialConsole(Path(life.there.console(guest.id, "serial")["path"]))
            console.login(BOOT_S)
            assert console.run("cat /root/mark 2>/dev/null") == mark
            console.run("echo on the volume > /root/mark")
            life.there.reboot(guest.id, hard=True)
        with pytest.raises(ValueError, match="root disk"):
            life.there.detach_volume(guest.id, VOLUME)
    finally:
        life.there.destroy(guest.id)


def test_nothing_is_left(life: Life) -> None:
    """The last test."""
    life.here.start(life.id)
    life.here.attach_volume(life.id, life.disk())
    life.here.destroy(life.id)
    assert _left(life, life.here) == []
    assert not life.directory(life.here).exists()
    with pytest.raises(NoSuchGuest):
        life.here.start(life.id)
    life.here.destroy(life.id)  # nothing to end is right too
