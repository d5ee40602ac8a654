"""After a host's start, guests come back also where what serves their volumes comes later than they do."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.agents.compute import waking
from cumulet.agents.compute.config import HostConfig
from cumulet.agents.compute.folders import Folders
from cumulet.agents.compute.images import ImageCache
from cumulet.agents.compute.protocols import Disk
from cumulet.agents.compute.qemu import power, processes, volumes
from cumulet.agents.compute.qemu.driver import QemuHypervisor
from cumulet.agents.compute.qemu.host import Host
from cumulet.agents.ending import end
from cumulet.agents.volume.daemon import Daemon
from cumulet.agents.volume.file.driver import FileDriver
from cumulet.agents.volume.protocols import Connector, Volume
from cumulet.agents.volume.transfer import short_folder
from tests.agents.compute.support import a_guest, until
from tests.agents.volume.backends import ELSEWHERE, HERE, file_options
from tests.agents.volume.killing import Counted, killed_before
from tests.daemons import free_port

pytestmark = pytest.mark.skipif(
    shutil.which("qemu-system-x86_64") is None, reason="qemu-system-x86_64 is not installed here"
)
A, B = "aaaaaaaa-0000-4000-8000-000000000000", "bbbbbbbb-0000-4000-8000-000000000000"
KEY = "ab" * 32


@pytest.fixture
def place() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder
        for guest in (folder / "g").iterdir():
            processes.kill(guest)
        for pid in (folder / "x").rglob("pid"):
            Daemon(pid.parent).stop()


def hypervisor(place: Path, *, resume: bool = True) -> QemuHypervisor:
    """A host's driver; another one for the same directory is what a new agent has."""
    config = HostConfig(
        host="node1", instances=place / "g", virt_type="qemu", vnc=False, memory_stats_s=0, resume_at_boot=resume
    )
    # Nothing is asked of Image: these guests have no image.
    return QemuHypervisor(Host(config, Folders(config.instances), ImageCache(config.cache, None)))  # type: ignore[arg-type]


def volumes_of(place: Path) -> FileDriver:
    return FileDriver(file_options(place))


def guest_on(there: QemuHypervisor, *infos: dict[str, Any]) -> str:
    """A guest that starts from these volumes."""
    disks = [
        Disk(volume_id=info["data"]["volume_id"], device=f"/dev/vd{chr(97 + n)}", connection=info, boot_index=n)
        for n, info in enumerate(infos)
    ]
    guest = a_guest(None, volumes=disks, flavor={"disk": 0, "ram": 64})
    there.spawn(guest)
    return guest.id


def crash(place: Path, there: QemuHypervisor, server_id: str) -> None:
    """The host goes down with all that ran on it, and is another run of itself."""
    for folder in [place / "g" / server_id, *(file.parent for file in (place / "x").rglob("pid"))]:
        pid = processes.pid_of(folder) if folder.parent.name == "g" else Daemon(folder).pid()
        if pid is not None:
            assert end(pid, (signal.SIGKILL, 60))
    processes.bury()
    record = there.host.folders.load(server_id)
    record.boot_id = "an earlier one"
    there.host.folders.save(record)


@pytest.mark.parametrize("far", [True, False])
def test_it_waits_for_its_volumes(place: Path, far: bool) -> None:
    there, driver = hypervisor(place), volumes_of(place)
    driver.create(Volume(A, 1))
    who = ELSEWHERE if far else Connector(host="node1", shared=True)
    server_id = guest_on(there, driver.connect(A, "one", who, "rw"))
    assert there.guests() == {server_id: power.RUNNING}
    crash(place, there, server_id)
    again = hypervisor(place)
    for _ in range(2):  # it is not lost by a try in vain, nor by another agent's start
        waiting = hypervisor(place).wake()
        assert list(waiting) == [server_id]
        assert f"volume {A} is not served yet" in waiting[server_id]
        assert again.guests() == {server_id: power.SHUTDOWN}
    assert volumes_of(place).upkeep() == []
    assert again.wake() == {}
    assert again.guests() == {server_id: power.RUNNING}
    assert again.wake() == {}


def test_an_encrypted_volume_comes_when_the_engine_has_told_its_key(place: Path) -> None:
    there, driver = hypervisor(place), volumes_of(place)
    driver.create(Volume(A, 1, key=KEY))
    server_id = guest_on(there, driver.connect(A, "one", HERE, "rw", key=KEY))
    crash(place, there, server_id)
    again, stop, ended = hypervisor(place), threading.Event(), []
    insisting = threading.Thread(target=lambda: ended.append(waking.insist(again.wake, stop, every_s=0.2)))
    insisting.start()
    try:
        later = volumes_of(place)
        assert later.upkeep() == [A]
        assert again.guests() == {server_id: power.SHUTDOWN}
        later.connect(A, "one", HERE, "rw", key=KEY)
        until(lambda: again.guests() == {server_id: power.RUNNING})
        until(lambda: ended == [{}])
    finally:
        stop.set()
        insisting.join(60)


def test_who_starts_it_waits_a_while(place: Path) -> None:
    """A user is as fast as the volume's host."""
    there, driver = hypervisor(place, resume=False), volumes_of(place)
    driver.create(Volume(A, 1))
    server_id = guest_on(there, driver.connect(A, "one", ELSEWHERE, "rw"))
    crash(place, there, server_id)
    again = hypervisor(place, resume=False)
    assert again.wake() == {}
    assert again.guests() == {server_id: power.SHUTDOWN}
    later = threading.Timer(1.0, volumes_of(place).upkeep)
    later.start()
    again.start(server_id)
    later.join()
    assert again.guests() == {server_id: power.RUNNING}


def test_what_was_decided_meanwhile_counts(place: Path) -> None:
    there, driver = hypervisor(place), volumes_of(place)
    driver.create(Volume(A, 1))
    server_id = guest_on(there, driver.connect(A, "one", ELSEWHERE, "rw"))
    crash(place, there, server_id)
    again = hypervisor(place)
    assert list(again.wake()) == [server_id]
    again.stop(server_id)
    volumes_of(place).upkeep()
    assert again.wake() == {}
    assert again.guests() == {server_id: power.SHUTDOWN}


def test_an_agent_that_is_killed_while_it_starts_guests_loses_none(place: Path) -> None:
    there, driver = hypervisor(place), volumes_of(place)
    driver.create(Volume(A, 1))
    server_id = guest_on(there, driver.connect(A, "one", ELSEWHERE, "rw"))

    def steps(counted: Counted) -> None:
        # In the child alone, which ends with it.
        Folders.save = counted(Folders.save)  # type: ignore[method-assign]
        processes.start = counted(processes.start)
        volumes.await_served = counted(volumes.await_served)

    step, killed = 0, True
    while killed:
        step += 1
        crash(place, there, server_id)
        volumes_of(place).upkeep()
        killed = killed_before(step, lambda: hypervisor(place).wake(), steps)
        assert hypervisor(place).wake() == {}
        assert there.guests() == {server_id: power.RUNNING}
    assert step > 3


def test_no_export_takes_the_port_of_one_that_is_not_back_yet(place: Path) -> None:
    options = file_options(place, first_port=_two_free_ports())
    driver = FileDriver(options)
    for volume_id in (A, B):
        driver.create(Volume(volume_id, 1))
    before = driver.connect(A, "one", ELSEWHERE, "rw")
    pid = Daemon(options.exports_folder / A).pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: Daemon(options.exports_folder / A).pid() is None)
    other = FileDriver(options).connect(B, "two", ELSEWHERE, "rw")
    assert other["data"]["port"] != before["data"]["port"]
    assert driver.upkeep() == []
    assert driver.connect(A, "one", ELSEWHERE, "rw") == before
    (place / "g").mkdir()


def _two_free_ports() -> int:
    """A port that is free as the one after it."""
    while True:
        first = free_port()
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", first + 1))
            except (OSError, OverflowError):
                continue
            return first


def test_exports_that_nothing_is_known_of_are_asked_for(place: Path) -> None:
    (place / "g").mkdir()
    options = file_options(place)
    driver = FileDriver(options)
    driver.create(Volume(A, 1))
    driver.connect(A, "one", ELSEWHERE, "rw")
    Daemon(options.exports_folder / A).stop()
    shutil.rmtree(options.exports_folder / A)
    again = FileDriver(options)
    assert again.upkeep() == [A]
    again.connect(A, "one", ELSEWHERE, "rw")
    assert again.upkeep() == []
