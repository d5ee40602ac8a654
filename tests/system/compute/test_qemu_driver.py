"""The QEMU driver with a real guest and two hosts on this machine: everything that is done to a guest after its birth.

One guest goes through all of it in order, talked to over its serial console: a start takes a while when emulated.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cumulet.agents.compute.protocols import Disk, Guest, NoSuchGuest
from cumulet.agents.compute.qemu import processes
from cumulet.agents.compute.qemu.driver import QemuHypervisor
from tests.agents.compute.support import SerialConsole, StoredImages, a_guest, until
from tests.system.compute import real
from tests.system.compute.hosts import a_host, add_guest_image

_MISSING = real.missing()
pytestmark = [
    pytest.mark.root,
    pytest.mark.qemu,
    pytest.mark.timeout(900),
    pytest.mark.skipif(_MISSING is not None, reason=str(_MISSING)),
]
BOOT_S = 240
CAP_DAC_OVERRIDE = 1  # capabilities(7), its number in linux/capability.h
VOLUME = "11111111-2222-3333-4444-555555555555"
GB = 1 << 30


@dataclass
class Life:
    """The guest, where it is, and the two hosts."""

    images: StoredImages
    here: QemuHypervisor
    there: QemuHypervisor
    guest: Guest
    volume: Path

    @property
    def id(self) -> str:
        return self.guest.id

    def console(self, on: QemuHypervisor) -> SerialConsole:
        return SerialConsole(Path(on.console(self.id, "serial")["path"]))

    def logged_in(self, on: QemuHypervisor) -> SerialConsole:
        until(lambda: "login:" in on.console_log(self.id), BOOT_S, why=lambda: on.console_log(self.id)[-500:])
        console = self.console(on)
        console.login(BOOT_S)
        return console

    def disk(self) -> Disk:
        data = {"path": str(self.volume), "format": "raw"}
        return Disk(VOLUME, "/dev/vdb", {"driver_volume_type": "local", "data": data})


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    found = real.guest_images()
    if isinstance(found, str):
        pytest.skip(found)
    images = StoredImages()
    image = add_guest_image(images, found)
    directory = tmp_path_factory.mktemp("hosts")
    volume = directory / "volume"
    volume.write_bytes(b"")
    os.truncate(volume, 64 << 20)
    metadata = json.dumps({"uuid": "x", "hostname": "told-by-drive"}).encode()
    drive = {"openstack/latest/meta_data.json": base64.b64encode(metadata).decode()}
    guest = a_guest(image["id"], image, config_drive=True, drive=drive)
    hosts = [a_host(directory / name, images, f"127.0.0.{n}") for n, name in enumerate(("here", "there"), 1)]
    try:
        hosts[0].spawn(guest)
        yield Life(images, *hosts, guest, volume)
    finally:
        for host in hosts:
            host.destroy(guest.id)


def test_it_is_built_once_and_reads_its_config_drive(life: Life) -> None:
    life.here.spawn(life.guest)
    assert life.here.guests() == {life.id: 1}
    assert life.logged_in(life.here).run("hostname").endswith("told-by-drive")


def test_its_process_can_do_nothing_with_the_host_but_open_files(life: Life) -> None:
    pid = processes.pid_of(life.here.host.folders.of(life.id))
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    for kind in ("CapPrm", "CapEff", "CapBnd"):
        assert int(status[kind], 16) == 1 << CAP_DAC_OVERRIDE, kind
    for kind in ("CapInh", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def test_a_volume_comes_grows_and_goes(life: Life) -> None:
    console = life.console(life.here)
    for _ in range(2):  # every method may be repeated
        life.here.attach_volume(life.id, life.disk())
    until(lambda: VOLUME[:20] in console.run("cat /sys/block/vdb/serial"))
    os.truncate(life.volume, GB)
    life.here.extend_volume(life.id, VOLUME, 1)
    until(lambda: str(GB // 512) in console.run("cat /sys/block/vdb/size"))
    console.run("mkfs.ext4 -q /dev/vdb; mount /dev/vdb /mnt; echo written > /mnt/file; umount /mnt")
    for _ in range(2):
        life.here.detach_volume(life.id, VOLUME)
    until(lambda: "No such file" in console.run("cat /sys/block/vdb/serial"))
    assert b"written" in life.volume.read_bytes()[: 1 << 29]
    console.close()


def test_a_card_comes_and_goes(life: Life) -> None:
    vif: dict[str, Any] = {"id": f"{os.getpid():08x}-0000-1111-2222-333344445555", "mac_address": "fa:16:3e:11:22:33"}
    console = life.console(life.here)
    for _ in range(2):
        life.here.attach_interface(life.id, vif | {"mtu": 1450})
    until(lambda: "fa:16:3e:11:22:33" in console.run("cat /sys/class/net/eth*/address"))
    assert len(life.here.diagnostics(life.id)["nic_details"]) == 1
    for _ in range(2):
        life.here.detach_interface(life.id, vif["id"])
    assert real.taps_of([vif["id"]]) == []
    until(lambda: "fa:16:3e:11:22:33" not in console.run("cat /sys/class/net/eth*/address"))
    console.close()


def test_a_snapshot_holds_what_is_on_its_disk(life: Life) -> None:
    console = life.console(life.here)
    console.run("echo on disk > /root/mark; echo in memory > /run/mark; sync")
    console.close()
    image_id = life.images.queue()
    life.here.snapshot(life.id, image_id)
    assert life.images.show(image_id)["status"] == "active"
    base = life.here.host.images.fetch(life.images.show(image_id))
    assert base.size == GB
    assert life.here.guests() == {life.id: 1}


def test_it_moves_while_it_runs(life: Life) -> None:
    life.here.attach_volume(life.id, life.disk())
    guest = msgspec.structs.replace(life.guest, volumes=[life.disk()])
    life.there.prepare_live(guest, copy_disks=True)  # given up, and asked again
    life.there.cancel_live(life.id)
    assert life.there.guests() == {}
    target = life.there.prepare_live(guest, copy_disks=True)
    life.here.live_migrate(life.id, target)
    assert (life.here.guests(), life.there.guests()) == ({}, {life.id: 1})
    with pytest.raises(NoSuchGuest):
        life.here.console_log(life.id)
    console = life.console(life.there)
    assert "in memory" in console.run("cat /run/mark")
    assert "on disk" in console.run("cat /root/mark")
    assert "written" in console.run("mount /dev/vdb /mnt; cat /mnt/file; umount /mnt")
    console.close()
    life.there.detach_volume(life.id, VOLUME)


def test_a_move_to_a_host_that_is_not_ready_leaves_it_where_it_is(life: Life) -> None:
    target = life.here.prepare_live(life.guest, copy_disks=True)
    life.here.cancel_live(life.id)
    with pytest.raises(OSError, match="refused"):
        life.there.live_migrate(life.id, target)
    assert life.there.guests() == {life.id: 1}
    console = life.console(life.there)
    assert "in memory" in console.run("cat /run/mark")
    console.close()


def test_it_is_rescued(life: Life) -> None:
    life.there.rescue(life.guest)
    console = life.logged_in(life.there)
    assert "on disk" in console.run("mount /dev/vdb /mnt; cat /mnt/root/mark; umount /mnt")
    console.close()
    life.there.unrescue(life.id)


def test_it_has_another_flavor_until_that_is_reverted(life: Life) -> None:
    larger = msgspec.structs.replace(life.guest, flavor=life.guest.flavor | {"disk": 2, "ram": 160, "swap": 32})
    life.there.resize(larger, power_on=False)
    life.there.resize(larger, power_on=True)
    console = life.logged_in(life.there)
    shown = console.run("cat /proc/partitions; cat /root/mark")
    assert f"{2 * GB // 1024} vda" in shown
    assert "32768 vdb" in shown
    assert "on disk" in shown
    console.close()
    life.there.revert_resize(life.id, volumes=life.guest.volumes, power_on=False)
    assert life.there.guests() == {life.id: 4}
    assert life.there.diagnostics(life.id)["memory_details"]["maximum"] == 128


def test_it_goes_to_another_host_and_is_built_anew(life: Life) -> None:
    offer = life.there.send(life.id)
    assert life.there.guests() == {}
    life.here.receive(life.guest, offer, power_on=False)
    for _ in range(2):
        life.there.confirm_resize(life.id)
    assert list(life.there.host.folders.all()) == []
    life.here.start(life.id)
    console = life.logged_in(life.here)
    assert "on disk" in console.run("cat /root/mark")
    console.close()
    life.here.rebuild(life.guest)
    assert life.here.guests() == {life.id: 1}


def test_nothing_is_left_of_it(life: Life) -> None:
    for _ in range(2):
        life.here.destroy(life.id)
    assert life.here.guests() == {}
    assert [entry.name for entry in life.here.host.folders.root.iterdir()] == ["_base"]
