"""The agent is killed at every step of what copies data: backups there and back, moves, growth, files taken over.

Steps are as in test_kills.py, and each piece that is written.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from cumulet.agents.volume import transfer
from cumulet.agents.volume.backups import stores
from cumulet.agents.volume.backups.repository import Repository
from cumulet.agents.volume.connector import Connector
from cumulet.agents.volume.devices.files import FileDevice
from cumulet.agents.volume.devices.nbd import NbdDevice
from cumulet.agents.volume.file.driver import FileDriver
from cumulet.agents.volume.file.options import FileOptions
from cumulet.agents.volume.protocols import Backup, Volume
from cumulet.agents.volume.transfer import copy_into, sweep
from tests.agents.volume.backends import ELSEWHERE, GIB, digest, file_options, pattern, read, serving_folder, write
from tests.agents.volume.killing import Counted, killed_before
from tests.agents.volume.test_kills import copy_tree
from tests.agents.volume.test_kills import steps as files_and_tools

A, B = "aaaaaaaa-0000", "bbbbbbbb-0000"


@pytest.fixture
def place() -> Iterator[Path]:
    with serving_folder() as folder:
        yield folder
        sweep()


def steps(counted: Counted) -> None:
    files_and_tools(counted)
    for device in (NbdDevice, FileDevice):
        for name in ("write", "flush"):
            setattr(device, name, counted(getattr(device, name)))
        device.zero = counted(device.zero, lambda _, offset, *__: offset % (512 << 20) == 0)
    stores.write_durably = counted(stores.write_durably)
    shutil.rmtree = counted(shutil.rmtree)


def folders(place: Path) -> Iterator[tuple[int, Path]]:
    """Copies of `place/ground`, for the first step, the second and so on; each is removed when the next is made."""
    for step in itertools.count(1):
        folder = place / str(step)
        copy_tree(place / "ground", folder)
        yield step, folder
        shutil.rmtree(folder)


def volume(folder: Path, format_: str = "raw") -> FileDriver:
    """Volume A with something in two places."""
    driver = FileDriver(file_options(folder, format=format_))
    driver.create(Volume(A, 1))
    write(driver, A, 3 << 20, pattern("three"))
    write(driver, A, 40 << 20, pattern("forty"))
    return driver


def files_below(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


def test_a_backup(place: Path) -> None:
    volume(place / "ground")
    for step, folder in folders(place):
        driver, wanted = FileDriver(file_options(folder, format="raw")), Backup("one", A, 1)

        def act(folder: Path = folder, wanted: Backup = wanted) -> Backup:
            with FileDriver(file_options(folder, format="raw")).opened(A) as device:
                made = Repository(folder / "b").back_up(wanted, device)
            return msgspec.structs.replace(wanted, container=made.container, digest=made.digest)

        done = not killed_before(step, act, steps)
        taken, repository = act(), Repository(folder / "b")
        repository.verify(taken)
        driver.create(Volume(B, 1))
        with driver.opened(B, writable=True) as device:
            repository.restore(taken, device)
        assert digest(driver, B) == digest(driver, A), f"killed before step {step}"
        repository.delete(taken)
        assert files_below(folder / "b") == []
        if done:
            assert step > 3
            return


@pytest.mark.parametrize("format_", ["raw", "qcow2"])
def test_a_restoration(place: Path, format_: str) -> None:
    """Into a volume that holds something else. The backup is what it was, whatever becomes of the volume."""
    driver, repository = volume(place / "ground", format_), Repository(place / "b")
    with driver.opened(A) as device:
        made = repository.back_up(Backup("one", A, 1), device)
    taken = Backup("one", A, 1, container=made.container, digest=made.digest)
    expected = digest(driver, A)
    driver.create(Volume(B, 1))
    write(driver, B, 7 << 20, pattern("rubbish that must go"))
    for step, folder in folders(place):
        here = file_options(folder, format=format_)

        def act(here: FileOptions = here) -> None:
            with FileDriver(here).opened(B, writable=True) as device:
                repository.restore(taken, device)

        done = not killed_before(step, act, steps)
        sweep()
        repository.verify(taken)
        assert digest(FileDriver(here), A) == expected
        act()
        assert digest(FileDriver(here), B) == expected, f"killed before step {step}"
        if done:
            assert step > 3
            return


def test_the_deletion_of_a_backup(place: Path) -> None:
    driver = volume(place / "ground")
    with driver.opened(A) as device:
        made = Repository(place / "ground" / "b").back_up(Backup("one", A, 1), device)
    taken = Backup("one", A, 1, container=made.container, digest=made.digest)
    for step, folder in folders(place):
        repository = Repository(folder / "b")
        # mypy finds no type for a lambda with a default.
        done = not killed_before(step, lambda repository=repository: repository.delete(taken), steps)  # type: ignore[misc]
        repository.delete(taken)
        assert files_below(folder / "b") == [], f"killed before step {step}"
        if done:
            assert step > 2
            return


@pytest.mark.parametrize("format_", ["raw", "qcow2"])
def test_a_move_to_another_host(place: Path, format_: str) -> None:
    """The old copy is untouched until the new one is whole."""
    source = volume(place / "source", format_)
    expected = digest(source, A)
    told = source.connect(A, "move", ELSEWHERE, "ro")
    (place / "ground").mkdir()
    for step, folder in folders(place):
        target = file_options(folder, host="node2", format=format_)

        def act(target: FileOptions = target) -> None:
            driver = FileDriver(target)
            driver.create(Volume(A, 1))
            with driver.opened(A, writable=True) as device:
                copy_into(device, told, None)

        done = not killed_before(step, act, steps)
        sweep()
        FileDriver(target).upkeep()
        act()
        assert digest(FileDriver(target), A) == expected, f"killed before step {step}"
        if done:
            assert step > 3
            break
    source.disconnect(A, "move")
    assert digest(source, A) == expected


def test_growth_while_it_is_used(place: Path) -> None:
    """Clients are cut off for a moment, and come back whether or not the agent does."""
    for step in itertools.count(1):
        folder = place / str(step)
        here = file_options(folder)
        driver, connector = FileDriver(here), Connector(folder / "c")
        driver.create(Volume(A, 1))
        disk = connector.attach(driver.connect(A, "one", ELSEWHERE, "rw"))
        with NbdDevice(Path(disk.socket or ""), disk.export or "") as client:
            client.write(0, pattern("before"))
            client.flush()
            # mypy finds no type for a lambda with a default.
            done = not killed_before(step, lambda here=here: FileDriver(here).extend(A, 2), files_and_tools)  # type: ignore[misc]
            again = FileDriver(here)
            again.upkeep()
            assert client.read(0, 1 << 16) == pattern("before"), f"killed before step {step}"
            assert again.extend(A, 2).online
            client.write(1 << 20, pattern("after"))
            client.flush()
        connector.detach(A)
        again.disconnect(A, "one")
        with again.opened(A) as device:
            assert device.size == 2 * GIB
        assert read(again, A, 0) == pattern("before")
        assert read(again, A, 1 << 20) == pattern("after")
        if done:
            assert step > 4
            return


@pytest.mark.parametrize("format_", ["raw", "qcow2"])
def test_taking_over_a_file(place: Path, format_: str) -> None:
    """What an operator put there is a volume afterwards, or still there."""
    data = place / "ground" / "data"
    data.mkdir(parents=True)
    (place / "image").write_bytes(pattern("theirs", 3 << 19))
    found = data / "theirs"
    subprocess.run(["qemu-img", "convert", "-O", format_, place / "image", found], check=True, timeout=60)
    for step, folder in folders(place):
        here = file_options(folder, format=format_)

        def act(here: FileOptions = here) -> object:
            return FileDriver(here).manage(Volume(A, 1), {"source-name": "theirs"})

        done = not killed_before(step, act, steps)
        FileDriver(here).upkeep()
        act()
        driver = FileDriver(here)
        assert read(driver, A, 0) == pattern("theirs"), f"killed before step {step}"
        with driver.opened(A) as device:
            assert device.size == GIB
        assert [one.id for one in driver.manageable([])] == [A]
        driver.delete(A)
        assert files_below(driver._layers.folder) == []
        if done:
            assert step > 2
            return


def test_two_agents_sweep_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the other one removes while this one looks at it is no error."""
    monkeypatch.setattr(transfer, "_place", lambda: str(tmp_path))
    ended = subprocess.Popen(["true"])
    ended.wait()
    for name in ("one", "two"):
        daemon = tmp_path / f"cumulet-open-{ended.pid}-{name}" / "daemon"
        daemon.mkdir(parents=True)
        (daemon / "pid").write_text("")

    def swept_by_the_other(path: Path, pattern: str) -> Iterator[Path]:
        shutil.rmtree(path)
        yield from sorted(path.iterdir())

    monkeypatch.setattr(Path, "rglob", swept_by_the_other)
    sweep()
    assert list(tmp_path.iterdir()) == []
