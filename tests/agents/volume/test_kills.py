"""The agent is killed at every step of every change: repeating the wish completes it, and no byte is lost.

A step is what changes files: a tool that runs, a rename, a removal, a command to a storage daemon. The change is made
in a child process that dies right before its n-th step, for every n there is.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cumulet.agents.volume import qemu
from cumulet.agents.volume.connector import Connector
from cumulet.agents.volume.daemon import Daemon
from cumulet.agents.volume.devices.nbd import NbdDevice
from cumulet.agents.volume.file.driver import FileDriver
from cumulet.agents.volume.protocols import Connector as Who
from cumulet.agents.volume.protocols import Refused, Volume
from tests.agents.volume.backends import ELSEWHERE, GIB, digest, file_options, pattern, read, serving_folder, write
from tests.agents.volume.killing import Counted, killed_before

A, B, C = "aaaaaaaa-0000", "bbbbbbbb-0000", "cccccccc-0000"
S, T = "5aaaaaaa-0000", "7aaaaaaa-0000"


class Change(NamedTuple):
    make: Callable[[FileDriver], Any]
    check: Callable[[FileDriver], None]


def _size(driver: FileDriver, volume_id: str) -> int:
    with driver.opened(volume_id) as device:
        return device.size


def _has(volume_id: str, text: str, snapshot_id: str | None = None) -> Callable[[FileDriver], None]:
    def check(driver: FileDriver) -> None:
        assert read(driver, volume_id, 0, snapshot_id=snapshot_id) == pattern(text)

    return check


def _extended(driver: FileDriver) -> None:
    assert _size(driver, A) == 2 * GIB
    _has(A, "now")(driver)


def _gone(driver: FileDriver) -> None:
    assert driver.report().pools[0].volumes == 0


def _snapshot_gone(driver: FileDriver) -> None:
    for _ in range(3):
        driver.upkeep()
    _has(A, "now")(driver)
    assert len(driver._layers.all()) == 1


def _delete_all(driver: FileDriver) -> None:
    driver.delete_snapshot(S, A)
    driver.delete(A)


def _delete_and_join(driver: FileDriver) -> None:
    driver.delete_snapshot(S, A)
    driver.upkeep()


def _rotate(driver: FileDriver) -> None:
    """As those do who keep the last few snapshots."""
    driver.create_snapshot(T, A)
    driver.delete_snapshot(S, A)
    driver.upkeep()


def _rotated(driver: FileDriver) -> None:
    """One layer for the snapshot and one for the volume; the lowest of a raw volume cannot be one with a snapshot."""
    for _ in range(3):
        driver.upkeep()
    _has(A, "now", T)(driver)
    _has(A, "now")(driver)
    assert len(driver._layers.all()) == (2 if driver._options.format == "qcow2" else 3)


def _created(driver: FileDriver) -> None:
    assert _size(driver, B) == 2 * GIB


def _unmanage(driver: FileDriver) -> None:
    driver.delete_snapshot(S, A)
    driver.unmanage(A)


def _from_file(driver: FileDriver) -> None:
    driver.from_file(Volume(B, 1), driver._options.folder.parent / "image", "raw")


CHANGES = {
    "create": Change(lambda driver: driver.create(Volume(B, 2)), _created),
    "from_file": Change(_from_file, _has(B, "image")),
    "clone": Change(lambda driver: driver.clone(Volume(B, 1), A), _has(B, "now")),
    "from_snapshot": Change(lambda driver: driver.from_snapshot(Volume(B, 1), S, A), _has(B, "then")),
    "create_snapshot": Change(lambda driver: driver.create_snapshot(T, A), _has(A, "now", T)),
    "extend": Change(lambda driver: driver.extend(A, 2), _extended),
    "revert": Change(lambda driver: driver.revert(A, S), _has(A, "then")),
    "rotate": Change(_rotate, _rotated),
    "delete_snapshot": Change(_delete_and_join, _snapshot_gone),
    "delete": Change(_delete_all, _gone),
    "unmanage": Change(_unmanage, lambda driver: _managed_again(driver)),
}
_SLOW = ("unmanage",)
"""Writes all of a raw volume anew: once, for qcow2, is enough."""


def _managed_again(driver: FileDriver) -> None:
    [offered] = [one for one in driver.manageable([]) if one.safe]
    driver.manage(Volume(C, 1), offered.reference)
    _has(C, "now")(driver)


@pytest.fixture
def place() -> Iterator[Path]:
    with serving_folder() as folder:
        yield folder


def prepare(folder: Path, options: dict[str, Any]) -> None:
    """Volume A says `now`, its snapshot S `then`."""
    driver = FileDriver(file_options(folder, **options))
    driver.create(Volume(A, 1))
    write(driver, A, 0, pattern("then"))
    driver.create_snapshot(S, A)
    write(driver, A, 0, pattern("now"))
    (folder / "image").write_bytes(pattern("image", 1 << 20))


def steps(counted: Counted) -> None:
    qemu.run = counted(qemu.run)
    # In a child that ends: mypy is right everywhere else.
    Daemon.ask = counted(Daemon.ask)  # type: ignore[method-assign]
    Path.replace = counted(Path.replace)  # type: ignore[method-assign]
    Path.rename = counted(Path.rename)  # type: ignore[method-assign]
    Path.unlink = counted(Path.unlink)  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("name", "format_"),
    [(name, format_) for name in CHANGES for format_ in ("qcow2", "raw") if format_ == "qcow2" or name not in _SLOW],
)
def test_killed_at_every_step(name: str, format_: str, place: Path) -> None:
    options = {"format": format_}
    prepare(place / "ground", options)
    change, step = CHANGES[name], 0
    while True:
        step += 1
        folder = place / str(step)
        copy_tree(place / "ground", folder)
        here = file_options(folder, **options)
        # mypy finds no type for a lambda with a default.
        if not killed_before(step, lambda here=here: change.make(FileDriver(here)), steps):  # type: ignore[misc]
            break
        driver = FileDriver(here)
        if name not in ("delete", "delete_snapshot", "unmanage", "revert", "rotate"):
            assert read(driver, A, 0) == pattern("now"), f"before it was repeated, step {step}"
            assert read(driver, A, 0, snapshot_id=S) == pattern("then")
        driver.upkeep()
        change.make(driver)
        change.check(driver)
        _ends_clean(driver)
        shutil.rmtree(folder)
    assert step > 1


def copy_tree(source: Path, target: Path) -> None:
    shutil.copytree(source, target, copy_function=_sparse)


def _sparse(source: str, target: str) -> str:
    from cumulet.agents.volume.devices.files import copy_sparse

    copy_sparse(Path(source), Path(target))
    return target


def _ends_clean(driver: FileDriver) -> None:
    """When all is deleted nothing is left: no layer, no half-made file."""
    for snapshot in (S, T):
        driver.delete_snapshot(snapshot, A)
    for volume_id in (A, B, C):
        driver.delete(volume_id)
    driver.upkeep()
    assert list(driver._layers.folder.iterdir()) == []


def test_one_of_two_hosts_goes_killed_at_every_step(place: Path) -> None:
    """Its key is good for nothing afterwards, and the other host goes on where it was."""
    step = 0
    while True:
        step += 1
        folder = place / f"d{step}"
        here = file_options(folder)
        driver, stays = FileDriver(here), Connector(folder / "c")
        driver.create(Volume(A, 1))
        far = Who(host="node2", shared=True)
        gone, told = (driver.connect(A, name, far, "rw") for name in ("one", "two"))
        disk = stays.attach(told)
        with NbdDevice(Path(disk.socket or ""), disk.export or "") as client:
            client.write(0, pattern("before"))
            client.flush()
            # mypy finds no type for a lambda with a default.
            done = not killed_before(step, lambda here=here: FileDriver(here).disconnect(A, "one"), steps)  # type: ignore[misc]
            again = FileDriver(here)
            again.upkeep()
            assert client.read(0, 1 << 16) == pattern("before"), f"killed before step {step}"
            again.disconnect(A, "one")
            with pytest.raises(Refused):
                Connector(folder / "g").attach(gone)
            client.write(0, pattern("after"))
            client.flush()
        stays.detach(A)
        again.disconnect(A, "two")
        assert read(again, A, 0) == pattern("after")
        if done:
            break
    assert step > 5


def test_a_snapshot_of_a_volume_in_use_killed_at_every_step(place: Path) -> None:
    """The daemon that serves the volume goes on while the agent dies; what its client flushed is in the snapshot."""
    step = 0
    while True:
        step += 1
        folder = place / f"i{step}"
        here = file_options(folder)
        driver, connector = FileDriver(here), Connector(folder / "c")
        driver.create(Volume(A, 1))
        disk = connector.attach(driver.connect(A, "one", ELSEWHERE, "rw"))
        with NbdDevice(Path(disk.socket or ""), disk.export or "") as client:
            client.write(0, pattern("flushed"))
            client.flush()
            # mypy finds no type for a lambda with a default.
            done = not killed_before(step, lambda here=here: FileDriver(here).create_snapshot(S, A), steps)  # type: ignore[misc]
            again = FileDriver(here)
            again.upkeep()
            again.create_snapshot(S, A)
            client.write(0, pattern("later"))
            client.flush()
            assert read(again, A, 0, snapshot_id=S) == pattern("flushed")
        connector.detach(A)
        again.disconnect(A, "one")
        assert read(again, A, 0) == pattern("later")
        assert digest(again, A, S) != digest(again, A)
        if done:
            break
    assert step > 3
