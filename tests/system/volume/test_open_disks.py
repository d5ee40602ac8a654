"""Volumes that a real QEMU has open as files: snapshots, growth, backups, hosts that join, kills meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.agents.compute.qemu.monitor import Monitor
from cumulet.agents.volume import qemu
from cumulet.agents.volume.connector import Connector, LocalDisk
from cumulet.agents.volume.daemon import Daemon
from cumulet.agents.volume.devices.nbd import NbdDevice
from cumulet.agents.volume.file.driver import FileDriver
from cumulet.agents.volume.protocols import Connector as Who
from cumulet.agents.volume.protocols import InUse, Volume
from tests.agents.volume.backends import ELSEWHERE, GIB, HERE, file_options, read, serving_folder
from tests.agents.volume.killing import Counted, killed_before
from tests.system.volume.machines import Machine, host_of

pytestmark = pytest.mark.skipif(
    shutil.which("qemu-system-x86_64") is None, reason="qemu-system-x86_64 is not installed here"
)
A, B, S, T = "aaaaaaaa-0000-4000-8000-000000000000", "bbbbbbbb-0000", "5aaaaaaa-0000", "7aaaaaaa-0000"
BLOCK = 1 << 16


@pytest.fixture
def place() -> Iterator[Path]:
    with serving_folder() as folder:
        yield folder


@pytest.fixture
def machine(place: Path) -> Iterator[Machine]:
    machine = Machine(host_of(place))
    machine.build()
    machine.start()
    yield machine
    machine.end()


def driver_of(place: Path, machine: Machine, **rest: Any) -> FileDriver:
    return FileDriver(file_options(place, nbd_local=None, **rest), machine.disks)


def said(driver: FileDriver, block: int, snapshot_id: str | None = None, volume_id: str = A) -> int:
    """The byte that a block is full of."""
    data = read(driver, volume_id, block * BLOCK, BLOCK, snapshot_id=snapshot_id)
    assert data == data[:1] * BLOCK
    return data[0]


def client(disk: LocalDisk) -> NbdDevice:
    return NbdDevice(Path(disk.socket or ""), disk.export or "")


def attached(driver: FileDriver, machine: Machine) -> dict[str, Any]:
    driver.create(Volume(A, 1))
    info = driver.connect(A, "one", HERE, "rw")
    machine.attach(A, info)
    return info


def test_it_is_a_file_and_keeps_its_name_through_snapshots(place: Path, machine: Machine) -> None:
    driver = driver_of(place, machine)
    info = attached(driver, machine)
    assert info["driver_volume_type"] == "local"
    machine.write(1, 0)
    driver.create_snapshot(S, A)
    machine.write(2, 0)
    driver.create_snapshot(T, A)
    machine.write(3, 0)
    assert driver.connect(A, "one", HERE, "rw") == info
    assert [said(driver, 0, S), said(driver, 0, T)] == [1, 2]
    machine.end()  # what it has flushed is in the file that its record names
    machine.start()
    machine.write(4, 1)
    machine.end()
    driver.disconnect(A, "one")
    assert [said(driver, 0), said(driver, 1)] == [3, 4]
    driver.delete_snapshot(S, A)
    driver.delete_snapshot(T, A)
    for _ in range(4):
        driver.upkeep()
    assert [said(driver, 0), said(driver, 1)] == [3, 4]
    assert len(driver._layers.all()) == 1


def test_what_is_written_in_part_keeps_the_rest(place: Path, machine: Machine) -> None:
    """QEMU reads the rest of a cluster from the layer below: from what was there, by whatever name it knows it."""
    driver = driver_of(place, machine)
    attached(driver, machine)
    for block in range(8):
        machine.write(1, block)
    for turn, snapshot in enumerate((S, T, f"{T}-2", f"{T}-3")):
        if turn == 2:
            machine.end()
            machine.start()
        driver.create_snapshot(snapshot, A)
        machine.write_part(2 + turn, turn)
    machine.end()
    driver.disconnect(A, "one")
    for block in range(8):
        part = bytes([2 + block if block < 4 else 1]) * 4096
        rest = b"\1" * BLOCK
        assert read(driver, A, block * BLOCK, BLOCK) == rest[:8192] + part + rest[12288:], f"block {block}"
    assert said(driver, 0, S) == 1
    assert [said(driver, block, T) for block in range(1, 8)] == [1] * 7


def test_clones_and_backups_are_a_moments_picture(place: Path, machine: Machine) -> None:
    driver = driver_of(place, machine)
    attached(driver, machine)
    machine.write(1, 0)
    with driver.opened(A) as picture:
        machine.write(2, 0)
        assert picture.read(0, 4) == b"\1\1\1\1"
    driver.clone(Volume(B, 1), A)
    machine.write(3, 0)
    assert said(driver, 0, volume_id=B) == 2
    machine.end()
    driver.disconnect(A, "one")
    assert said(driver, 0) == 3


def test_it_grows_after_a_snapshot(place: Path, machine: Machine) -> None:
    driver = driver_of(place, machine)
    attached(driver, machine)
    driver.create_snapshot(S, A)
    assert driver.extend(A, 2).online
    machine.extend(A, 2)
    assert machine.size() == 2 * GIB
    machine.write(5, (2 * GIB // BLOCK) - 1)
    machine.end()
    driver.disconnect(A, "one")
    assert said(driver, (2 * GIB // BLOCK) - 1) == 5


def test_two_hypervisors_cannot_have_the_file_open(place: Path, machine: Machine) -> None:
    """QEMU's own image locks hold for volumes as for any other disk."""
    driver = driver_of(place, machine)
    info = attached(driver, machine)
    with pytest.raises(qemu.ToolFailed, match="lock"):
        qemu.run(["qemu-io", "-f", "qcow2", "-c", "write 0 512", info["data"]["path"]])
    with pytest.raises(InUse):
        driver.delete(A)


def test_volumes_for_several_guests_are_served(place: Path, machine: Machine) -> None:
    driver = driver_of(place, machine)
    driver.create(Volume(A, 1))
    info = driver.connect(A, "one", Who(host="node1", shared=True), "rw")
    assert info["data"]["socket"] is not None
    other = driver.connect(A, "two", Who(host="node2", shared=True), "rw")
    assert other["data"]["port"] is not None
    connector = Connector(place / "c")
    machine.attach(A, info)
    with client(connector.attach(other)) as far:
        far.write(0, b"\7" * BLOCK)
        far.flush()
        machine.write(8, 1)
        assert far.read(BLOCK, 4) == b"\x08\x08\x08\x08"
    connector.detach(A)
    driver.disconnect(A, "two")
    machine.end()
    driver.disconnect(A, "one")
    assert [said(driver, 0), said(driver, 1)] == [7, 8]


@pytest.mark.parametrize("runs", [True, False])
def test_another_host_joins(place: Path, machine: Machine, runs: bool) -> None:
    """As a live migration does: the guest goes on writing while it changes from the file to the export."""
    driver, connector = driver_of(place, machine), Connector(place / "c")
    info = attached(driver, machine)
    machine.write(1, 0)
    driver.create_snapshot(S, A)
    machine.write(2, 1)
    if not runs:
        machine.end()
    far = driver.connect(A, "two", ELSEWHERE, "rw")
    assert (far["driver_volume_type"], far["data"]["tls"]) == ("nbd", "psk")
    if not runs:
        machine.start()
    machine.write(3, 2)
    with client(connector.attach(far)) as other:
        assert [other.read(block * BLOCK, 1)[0] for block in range(3)] == [1, 2, 3]
        driver.create_snapshot(T, A)
        other.write(3 * BLOCK, b"\4" * BLOCK)
        other.flush()
    assert driver.connect(A, "one", HERE, "rw")["data"]["socket"] is not None
    assert info["data"]["path"] not in machine.files()
    machine.end()
    machine.start()  # its record says how it reaches the volume now
    machine.write(5, 4)
    machine.end()
    driver.disconnect(A, "one")
    connector.detach(A)
    driver.disconnect(A, "two")
    assert [said(driver, block) for block in range(5)] == [1, 2, 3, 4, 5]
    assert said(driver, 3, T) == 0


def test_without_a_guest_that_can_be_told_nothing_changes(place: Path, machine: Machine) -> None:
    driver = driver_of(place, machine)
    driver.create(Volume(A, 1))
    info = driver.connect(A, "one", HERE, "rw")
    with pytest.raises(InUse):
        driver.connect(A, "two", ELSEWHERE, "rw")
    assert driver.connect(A, "one", HERE, "rw") == info
    machine.attach(A, info)
    machine.write(1, 0)
    alone = FileDriver(file_options(place, nbd_local=None), None)  # an agent without its hypervisor's
    with pytest.raises(InUse):
        alone.create_snapshot(S, A)
    machine.write(2, 1)
    machine.end()
    driver.disconnect(A, "one")
    assert [said(driver, 0), said(driver, 1)] == [1, 2]


# -- killed at every step ----------------------------------------------------------------------------------------------


def steps(counted: Counted) -> None:
    """Questions change nothing, so they are no steps."""
    # In a child that ends: mypy is right everywhere else.
    Monitor.execute = counted(Monitor.execute, lambda _, name, *__: not name.startswith("q"))  # type: ignore[method-assign]
    qemu.run = counted(qemu.run, lambda argv, *_: "info" not in argv)
    for name in ("replace", "unlink", "hardlink_to"):
        setattr(Path, name, counted(getattr(Path, name)))


@pytest.mark.parametrize("what", ["snapshot", "join"])
def test_killed_at_every_step(place: Path, what: str) -> None:
    """At every other step the guest dies too, and is started again before the agent is."""
    step = 0
    done = False
    while not done:
        step += 1
        folder = place / f"{step}"
        machine = Machine(host_of(folder))
        machine.build()
        machine.start()
        driver = driver_of(folder, machine)
        attached(driver, machine)
        machine.write(1, 0)

        def act(folder: Path = folder) -> None:
            new = Machine(host_of(folder))  # what it starts with is what the disk says, as for a new agent
            driver = driver_of(folder, new)
            if what == "snapshot":
                driver.create_snapshot(S, A)
            else:
                driver.connect(A, "two", ELSEWHERE, "rw")

        done = not killed_before(step, act, steps)
        machine.write(2, 1)
        if step % 2:
            machine.end()
            machine.start()
        again = driver_of(folder, machine)
        again.upkeep()
        act()
        machine.write(3, 2)
        machine.end()
        again.disconnect(A, "one")
        again.disconnect(A, "two")
        assert [said(again, block) for block in range(3)] == [1, 2, 3], f"step {step}"
        if what == "snapshot":
            assert said(again, 0, S) == 1
            again.delete_snapshot(S, A)
        again.delete(A)
        again.upkeep()
        assert list(again._layers.folder.iterdir()) == [], f"step {step}"
        for pid in folder.rglob("pid"):
            Daemon(pid.parent).stop()
    assert step > 4
