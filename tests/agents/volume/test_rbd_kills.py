"""The agent is killed before every tool that a change runs: repeating the wish completes it, and nothing is left.

As tests/agents/volume/test_kills.py does it for files.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cumulet.agents.volume import qemu
from cumulet.agents.volume.protocols import NoSuchVolume, Volume
from cumulet.agents.volume.rbd.driver import RbdDriver
from tests.agents.volume.backends import GIB, pattern, read, write
from tests.agents.volume.killing import Counted, killed_before
from tests.ceph import POOL, Ceph

A, B = "aaaaaaaa-0000", "bbbbbbbb-0000"
S, T = "5aaaaaaa-0000", "7aaaaaaa-0000"
GROUND = "ground"


class Change(NamedTuple):
    make: Callable[[RbdDriver], Any]
    check: Callable[[RbdDriver], None]


def _has(volume_id: str, text: str, snapshot_id: str | None = None) -> Callable[[RbdDriver], None]:
    def check(driver: RbdDriver) -> None:
        assert read(driver, volume_id, 0, snapshot_id=snapshot_id) == pattern(text)

    return check


def _created(driver: RbdDriver) -> None:
    assert driver._images.get(f"volume-{B}").size == 2 * GIB


def _delete(driver: RbdDriver) -> None:
    """With a clone of its snapshot, which stays."""
    driver.delete_snapshot(S, A)
    driver.delete(A)


def _clone_stays(driver: RbdDriver) -> None:
    _has(B, "then")(driver)
    with pytest.raises(NoSuchVolume):
        driver.extend(A, 2)


CHANGES = {
    "create": Change(lambda driver: driver.create(Volume(B, 2)), _created),
    "create_snapshot": Change(lambda driver: driver.create_snapshot(T, A), _has(A, "now", T)),
    "clone": Change(lambda driver: driver.clone(Volume(B, 2), A), _has(B, "now")),
    "delete": Change(_delete, _clone_stays),
}


@pytest.fixture
def driver(ceph: Ceph) -> RbdDriver:
    """Volume A says `now`, its snapshot S `then`; GROUND is the same, to be copied."""
    driver = RbdDriver(ceph.options())
    driver.create(Volume(A, 1))
    write(driver, A, 0, pattern("then"))
    driver.create_snapshot(S, A)
    write(driver, A, 0, pattern("now"))
    ceph.rbd("rename", f"{POOL}/volume-{A}", f"{POOL}/{GROUND}")
    return driver


def steps(counted: Counted) -> None:
    qemu.run = counted(qemu.run)


@pytest.mark.parametrize("name", CHANGES)
def test_killed_at_every_step(name: str, driver: RbdDriver, ceph: Ceph) -> None:
    change, step, killed = CHANGES[name], 0, True
    while killed:
        step += 1
        ceph.rbd("deep", "cp", "--no-progress", f"{POOL}/{GROUND}", f"{POOL}/volume-{A}")
        if name == "delete":
            driver.from_snapshot(Volume(B, 1), S, A)
        killed = killed_before(step, lambda: change.make(RbdDriver(ceph.options())), steps)
        change.make(driver)
        change.check(driver)
        _ends_clean(ceph)
    assert step > 1


def _ends_clean(ceph: Ceph) -> None:
    """When all is deleted nothing is left: no image that was half made, none that was kept for another's sake."""
    driver = RbdDriver(ceph.options())
    if f"volume-{A}" in ceph.images():
        ceph.rbd("snap", "purge", "--no-progress", f"{POOL}/volume-{A}")
    for volume_id in (A, B):
        driver.delete(volume_id)
    driver.upkeep()
    assert ceph.images() == [GROUND]


def test_an_image_is_made_anew_over_what_was_half_made(driver: RbdDriver, ceph: Ceph, tmp_path: Path) -> None:
    """What is called `making` may be of any size and hold anything."""
    image = tmp_path / "image"
    image.write_bytes(pattern("image", 1 << 20))
    ceph.rbd("create", f"{POOL}/making-{B}", "--size", "3G")
    driver.from_file(Volume(B, 1), image, "raw")
    _has(B, "image")(driver)
    driver.delete(B)
    assert ceph.images() == [GROUND]
