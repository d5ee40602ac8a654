"""Where a guest's devices are, and its volume replaced by another while it runs.

On the simulated host, and in QEMU, where firmware runs and no system.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.agents.compute.config import HostConfig
from cumulet.agents.compute.folders import Folders, Record
from cumulet.agents.compute.images import ImageCache
from cumulet.agents.compute.protocols import Disk, Hypervisor
from cumulet.agents.compute.qemu import accelerator, addresses, building, machine, processes, swapping
from cumulet.agents.compute.qemu.driver import QemuHypervisor
from cumulet.agents.compute.qemu.host import Host
from cumulet.simulator.compute import SimulatedHypervisor
from tests.agents.compute.support import StoredImages, a_guest, until

OLD, NEW = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-aaaaaaaaaaaa"
MB = 1 << 20
needs_qemu = pytest.mark.skipif(shutil.which(accelerator.PROGRAM) is None, reason="QEMU is not installed")
MakeDriver = Callable[[], Hypervisor]


class Volumes:
    """Files of 8 MB."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def make(self, volume_id: str, byte: bytes = b"\0", size: int = 8 * MB) -> Disk:
        path = self.directory / volume_id
        path.write_bytes(byte * MB)
        os.truncate(path, size)
        return self.disk(volume_id)

    def disk(self, volume_id: str, **data: Any) -> Disk:
        connection = {"path": str(self.directory / volume_id), "format": "raw", **data}
        return Disk(volume_id, "/dev/vdb", {"driver_volume_type": "local", "data": connection}, serial=OLD)

    def starts_with(self, volume_id: str) -> bytes:
        with (self.directory / volume_id).open("rb") as file:
            return file.read(1)


def qemu(directory: Path) -> QemuHypervisor:
    config = HostConfig(host="here", instances=directory, virt_type="qemu", vnc=False, shutdown_s=0.5)
    return QemuHypervisor(Host(config, Folders(directory), ImageCache(config.cache, StoredImages())))


@pytest.fixture(params=["simulated", pytest.param("qemu", marks=needs_qemu)])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> MakeDriver:
    """Another agent of the same host at each call."""
    if request.param == "simulated":
        return lambda: SimulatedHypervisor(file=tmp_path / "guests.json")
    return lambda: qemu(tmp_path / "instances")


@pytest.fixture
def volumes(tmp_path: Path) -> Volumes:
    return Volumes(tmp_path)


@pytest.fixture
def guest(make: MakeDriver, volumes: Volumes) -> Iterator[str]:
    """With the old volume, which begins with `o`, beside its root, which is a volume too."""
    root = Disk("root-volume", "/dev/vda", volumes.make("root-volume").connection, boot_index=0)
    driver, made = make(), a_guest(None, volumes=[root])
    driver.spawn(made)
    driver.attach_volume(made.id, volumes.make(OLD, b"o"))
    volumes.make(NEW)
    yield made.id
    driver.destroy(made.id)


def test_the_guest_has_the_other_volume(make: MakeDriver, guest: str, volumes: Volumes) -> None:
    driver = make()
    driver.swap_volume(guest, OLD, volumes.disk(NEW), NEW)
    driver.swap_volume(guest, OLD, volumes.disk(NEW), NEW)
    assert driver.cancel_swap(guest, OLD, volumes.disk(NEW), NEW)
    with pytest.raises(ValueError):
        driver.swap_volume(guest, OLD, volumes.disk("another"), "another")
    assert set(driver.addresses(guest)) == {"root-volume", NEW}
    driver.stop(guest)
    driver.detach_volume(guest, NEW)
    assert set(driver.addresses(guest)) == {"root-volume"}


def test_a_volume_that_moves_keeps_its_id(make: MakeDriver, guest: str, volumes: Volumes) -> None:
    driver = make()
    driver.swap_volume(guest, OLD, volumes.disk(NEW), OLD)
    assert driver.cancel_swap(guest, OLD, volumes.disk(NEW), OLD)
    make().swap_volume(guest, OLD, volumes.disk(NEW), OLD)
    assert set(driver.addresses(guest)) == {"root-volume", OLD}
    third = "bbbbbbbb-7777-8888-9999-aaaaaaaaaaaa"
    driver.swap_volume(guest, OLD, volumes.make(third), OLD)
    driver.stop(guest)
    driver.detach_volume(guest, OLD)


def test_nothing_begun_is_nothing_to_take_back(make: MakeDriver, guest: str, volumes: Volumes) -> None:
    driver = make()
    assert not driver.cancel_swap(guest, OLD, volumes.disk(NEW), NEW)
    driver.stop(guest)
    with pytest.raises(ValueError):
        driver.swap_volume(guest, OLD, volumes.disk(NEW), NEW)
    assert not driver.cancel_swap(guest, OLD, volumes.disk(NEW), NEW)
    driver.start(guest)
    driver.swap_volume(guest, OLD, volumes.disk(NEW), NEW)


# -- QEMU alone ------------------------------------------------------------------------------------------------------


@pytest.fixture
def host(tmp_path: Path) -> QemuHypervisor:
    return qemu(tmp_path / "instances")


@pytest.fixture
def running(host: QemuHypervisor, volumes: Volumes) -> Iterator[str]:
    root = Disk("root-volume", "/dev/vda", volumes.make("root-volume").connection, boot_index=0)
    made = a_guest(None, volumes=[root])
    host.spawn(made)
    host.attach_volume(made.id, volumes.make(OLD, b"o"))
    volumes.make(NEW)
    yield made.id
    host.destroy(made.id)


def nodes(host: QemuHypervisor, server_id: str) -> set[str]:
    with processes.monitor(host.host.folders.of(server_id)) as monitor:
        return {node["node-name"] for node in monitor.ask("query-named-block-nodes") if node["node-name"][0] == "v"}


@needs_qemu
def test_the_content_goes_along(host: QemuHypervisor, running: str, volumes: Volumes) -> None:
    before = host.addresses(running)[OLD]
    host.swap_volume(running, OLD, volumes.disk(NEW), NEW)
    assert volumes.starts_with(NEW) == b"o"
    assert host.addresses(running)[NEW] == before
    assert nodes(host, running) == {"vrootvolume", _node(NEW)}
    host.stop(running)
    host.start(running)
    assert nodes(host, running) == {"vrootvolume", _node(NEW)}


def _node(volume_id: str) -> str:
    return "v" + volume_id.replace("-", "")[:30]


@needs_qemu
def test_an_agent_killed_after_the_step_finds_it_done(
    host: QemuHypervisor, running: str, volumes: Volumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """As if the process had ended here."""

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(swapping, "_take_over", die)
        with pytest.raises(Killed):
            host.swap_volume(running, OLD, volumes.disk(NEW), NEW)
    assert host.cancel_swap(running, OLD, volumes.disk(NEW), NEW)
    assert nodes(host, running) == {"vrootvolume", _node(NEW)}


@needs_qemu
@pytest.mark.parametrize("goes_on", [True, False], ids=["goes on", "is taken back"])
def test_an_agent_killed_while_it_copies(
    host: QemuHypervisor, running: str, volumes: Volumes, monkeypatch: pytest.MonkeyPatch, goes_on: bool
) -> None:
    class Killed(BaseException):
        """As if the process had ended here."""

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(swapping, "_until_ready", die)
        with pytest.raises(Killed):
            host.swap_volume(running, OLD, volumes.disk(NEW), NEW)
    assert nodes(host, running) == {"vrootvolume", _node(OLD), _node(NEW)}
    if goes_on:
        host.swap_volume(running, OLD, volumes.disk(NEW), NEW)
    else:
        assert not host.cancel_swap(running, OLD, volumes.disk(NEW), NEW)
    assert nodes(host, running) == {"vrootvolume", _node(NEW if goes_on else OLD)}


@needs_qemu
def test_a_smaller_or_missing_volume_leaves_the_old_one(host: QemuHypervisor, running: str, volumes: Volumes) -> None:
    small = "cccccccc-7777-8888-9999-aaaaaaaaaaaa"
    for disk in (volumes.make(small, size=MB), volumes.disk("dddddddd-0000")):
        with pytest.raises(Exception, match=r"blockdev|could not be copied"):
            host.swap_volume(running, OLD, disk, disk.volume_id)
        assert nodes(host, running) == {"vrootvolume", _node(OLD)}
    assert not (host.host.folders.of(running) / "swapping").exists()


@needs_qemu
def test_addresses_are_those_that_the_firmware_gave(host: QemuHypervisor, running: str) -> None:
    directory = host.host.folders.of(running)
    known = {one["address"] for one in host.addresses(running).values()}

    def numbered() -> set[str]:
        with processes.questions(directory) as monitor:
            buses = monitor.ask("query-pci")
        behind = [device.get("pci_bridge", {}) for bus in buses for device in bus["devices"]]
        return {
            f"0000:{device['bus']:02x}:{device['slot']:02x}.{device['function']}"
            for bridge in behind
            for device in bridge.get("devices", [])
            if bridge["bus"]["secondary"]
        }

    until(lambda: known <= numbered(), 60, why=lambda: f"{known} {numbered()}")


def test_a_config_drive_tells_where_tagged_devices_are(tmp_path: Path) -> None:
    port, mac = "deadbeef-0000-1111-2222-333344445555", "fa:16:3e:00:00:01"
    devices = [
        {"type": "nic", "mac": mac, "bus": "none", "address": "none", "tags": ["front"]},
        {"type": "disk", "serial": OLD, "bus": "none", "address": "none", "tags": ["data"]},
        {"type": "disk", "serial": "another", "bus": "none", "address": "none", "tags": ["gone"]},
    ]
    drive = {
        "openstack/latest/meta_data.json": base64.b64encode(json.dumps({"devices": devices}).encode()).decode(),
        "openstack/latest/user_data": base64.b64encode(b"no JSON").decode(),
    }
    config = HostConfig(host="here", instances=tmp_path, virt_type="qemu")
    host = Host(config, Folders(tmp_path), ImageCache(config.cache, StoredImages()))
    disk = Disk(OLD, "/dev/vdb", {"driver_volume_type": "local", "data": {"path": "/volume"}}, boot_index=0)
    vifs = [{"id": port, "mac_address": mac, "mtu": 1450}]
    guest = a_guest(None, volumes=[disk], vifs=vifs, config_drive=True, drive=drive)
    record = Record(guest=guest, machine=machine.choose(guest, config))
    building.lay_out(host, record)
    written = addresses.filled(record).drive
    assert written["openstack/latest/user_data"] == drive["openstack/latest/user_data"]
    told = json.loads(base64.b64decode(written["openstack/latest/meta_data.json"]))["devices"]
    places = addresses.of(record)
    assert [(one["bus"], one["address"]) for one in told] == [
        ("pci", places[port]["address"]),
        ("pci", places[OLD]["address"]),
        ("none", "none"),
    ]
    assert places[port] != places[OLD]
