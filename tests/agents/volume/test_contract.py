"""What every back end promises, whatever it stands upon."""

from __future__ import annotations

from pathlib import Path

import pytest

from cumulet.agents.volume.lvm import lvm_is_missing
from cumulet.agents.volume.protocols import NoSuchReference, NoSuchSnapshot, NoSuchVolume, Refused, Volume
from cumulet.agents.volume.protocols import VolumeDriver as Driver
from cumulet.agents.volume.rbd.driver import RbdDriver
from tests.agents.volume.backends import BACKENDS, GIB, HERE, Make, digest, pattern, read, write
from tests.ceph import Ceph

A, B, C = "aaaaaaaa-0000", "bbbbbbbb-0000", "cccccccc-0000"
S, T = "5aaaaaaa-0000", "7aaaaaaa-0000"


@pytest.fixture(
    params=[
        *BACKENDS.values(),
        "rbd",
        pytest.param(None, id="lvm", marks=pytest.mark.skip(reason=f"no LVM here: {lvm_is_missing()}")),
    ],
    ids=[*BACKENDS, "rbd", "lvm"],
)
def make(request: pytest.FixtureRequest) -> Make:
    if request.param == "rbd":
        ceph: Ceph = request.getfixturevalue("ceph")
        return lambda _: RbdDriver(ceph.options())
    chosen: Make = request.param
    return chosen


@pytest.fixture
def driver(make: Make, tmp_path: Path) -> Driver:
    return make(tmp_path)


def test_a_new_volume_is_zeros(driver: Driver) -> None:
    made = driver.create(Volume(A, 1))
    assert made.size_gb == 1
    with driver.opened(A) as device:
        assert device.size == GIB
        assert device.read(GIB - 4096, 4096) == bytes(4096)


def test_creating_twice_keeps_what_was_written(driver: Driver) -> None:
    driver.create(Volume(A, 1))
    write(driver, A, 4096, pattern("once"))
    driver.create(Volume(A, 1))
    assert read(driver, A, 4096) == pattern("once")


def test_deleting_twice(driver: Driver) -> None:
    driver.create(Volume(A, 1))
    driver.delete(A)
    driver.delete(A)
    with pytest.raises(NoSuchVolume), driver.opened(A):
        pass
    assert driver.report().pools[0].volumes == 0


def test_data_survives_a_restart_of_the_agent(driver: Driver, make: Make, tmp_path: Path) -> None:
    driver.create(Volume(A, 1))
    write(driver, A, GIB - (1 << 16), pattern("end"))
    assert read(make(tmp_path), A, GIB - (1 << 16)) == pattern("end")


def test_a_snapshot_keeps_what_was(driver: Driver) -> None:
    driver.create(Volume(A, 1))
    write(driver, A, 0, pattern("before"))
    before = digest(driver, A)
    driver.create_snapshot(S, A)
    write(driver, A, 0, pattern("after"))
    driver.create_snapshot(S, A)  # again: it stays what it was
    assert digest(driver, A, S) == before
    assert read(driver, A, 0) == pattern("after")


def test_a_volume_from_a_snapshot_may_be_larger(driver: Driver) -> None:
    driver.create(Volume(A, 1))
    write(driver, A, 8192, pattern("one"))
    driver.create_snapshot(S, A)
    write(driver, A, 8192, pattern("two"))
    assert driver.from_snapshot(Volume(B, 2), S, A).size_gb == 2
    assert read(driver, B, 8192) == pattern("one")
    with driver.opened(B) as device:
        assert device.size == 2 * GIB
        assert device.read(GIB, 4096) == bytes(4096)


def test_a_clone_goes_its_own_way(driver: Driver) -> None:
    driver.create(Volume(A, 1))
    write(driver, A, 0, pattern("shared"))
    driver.clone(Volume(B, 1), A)
    write(driver, A, 0, pattern("a"))
    write(driver, B, 1 << 20, pattern("b"))
    assert read(driver, B, 0) == pattern("shared")
    assert read(driver, A, 1 << 20) == bytes(1 << 16)
    driver.clone(Volume(B, 1), A)  # again
    assert read(driver, B, 1 << 20) == pattern("b")


def test_parents_may_go_first(driver: Driver) -> None:
    """Volume, snapshot, volume of it, clone of that: deleted from the top, the last one keeps every byte."""
    driver.create(Volume(A, 1))
    write(driver, A, 0, pattern("ground"))
    driver.create_snapshot(S, A)
    driver.from_snapshot(Volume(B, 1), S, A)
    write(driver, B, 1 << 20, pattern("first floor"))
    driver.clone(Volume(C, 1), B)
    write(driver, C, 2 << 20, pattern("second floor"))
    expected = digest(driver, C)
    driver.delete_snapshot(S, A)
    driver.delete(A)
    driver.upkeep()
    driver.delete(B)
    for _ in range(4):
        driver.upkeep()
    assert digest(driver, C) == expected
    driver.delete(C)
    driver.upkeep()
    assert driver.report().pools[0].volumes == 0


def test_a_volume_with_snapshots_stays(driver: Driver) -> None:
    driver.create(Volume(A, 1))
    driver.create_snapshot(S, A)
    with pytest.raises(Refused):
        driver.delete(A)
    driver.delete_snapshot(S, A)
    driver.delete_snapshot(S, A)
    driver.delete(A)


def test_what_is_not_there(driver: Driver) -> None:
    driver.create(Volume(A, 1))
    with pytest.raises(NoSuchVolume):
        driver.clone(Volume(B, 1), C)
    with pytest.raises(NoSuchVolume):
        driver.create_snapshot(S, C)
    with pytest.raises(NoSuchSnapshot):
        driver.from_snapshot(Volume(B, 1), S, A)
    with pytest.raises(NoSuchSnapshot):
        driver.revert(A, S)
    driver.delete_snapshot(S, C)
    driver.disconnect(C, "attachment")


def test_extending_keeps_data_and_adds_zeros(driver: Driver) -> None:
    driver.create(Volume(A, 1))
    write(driver, A, GIB - (1 << 16), pattern("edge"))
    assert not driver.extend(A, 3).online
    driver.extend(A, 3)
    with driver.opened(A) as device:
        assert device.size == 3 * GIB
    assert read(driver, A, GIB - (1 << 16)) == pattern("edge")
    assert read(driver, A, GIB) == bytes(1 << 16)


def test_extending_over_a_snapshot(driver: Driver) -> None:
    driver.create(Volume(A, 1))
    write(driver, A, 0, pattern("x"))
    driver.create_snapshot(S, A)
    driver.extend(A, 2)
    write(driver, A, GIB + 4096, pattern("y"))
    with driver.opened(A, S) as device:
        assert device.size == GIB
    assert (read(driver, A, 0), read(driver, A, GIB + 4096)) == (pattern("x"), pattern("y"))
    driver.delete_snapshot(S, A)
    driver.upkeep()
    assert (read(driver, A, 0), read(driver, A, GIB + 4096)) == (pattern("x"), pattern("y"))


def test_reverting(driver: Driver) -> None:
    driver.create(Volume(A, 1))
    write(driver, A, 0, pattern("good"))
    driver.create_snapshot(S, A)
    expected = digest(driver, A)
    write(driver, A, 0, pattern("bad"))
    write(driver, A, 5 << 20, pattern("worse"))
    driver.create_snapshot(T, A)
    driver.delete_snapshot(T, A)
    driver.revert(A, S)
    driver.revert(A, S)
    assert digest(driver, A) == expected
    write(driver, A, 0, pattern("new"))
    assert digest(driver, A, S) == expected


def test_from_a_file(driver: Driver, tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(512) + pattern("image", 1 << 20))
    driver.from_file(Volume(A, 1), image, "raw")
    assert read(driver, A, 512) == pattern("image")[: 1 << 16]
    image.write_bytes(b"")
    driver.from_file(Volume(A, 1), image, "raw")
    assert read(driver, A, 512) == pattern("image")[: 1 << 16]


def test_attachments(driver: Driver) -> None:
    driver.create(Volume(A, 1))
    first = driver.connect(A, "one", HERE, "rw")
    assert first == driver.connect(A, "one", HERE, "rw")
    assert first["data"]["volume_id"] == A
    assert (first["data"]["access_mode"], first["data"]["size"]) == ("rw", GIB)
    assert driver.extend(A, 2).online
    driver.disconnect(A, "one")
    driver.disconnect(A, "one")
    assert not driver.extend(A, 2).online
    with driver.opened(A) as device:
        assert device.size == 2 * GIB


def test_unmanaged_volumes_can_be_managed_again(driver: Driver) -> None:
    driver.create(Volume(A, 1))
    write(driver, A, 0, pattern("mine"))
    driver.unmanage(A)
    driver.unmanage(A)
    offered = [one for one in driver.manageable([]) if one.safe]
    assert len(offered) == 1
    assert offered[0].size_gb == 1
    driver.manage(Volume(B, 1), offered[0].reference)
    assert driver.manage(Volume(B, 1), offered[0].reference).size_gb == 1
    assert read(driver, B, 0) == pattern("mine")
    assert [one.id for one in driver.manageable([B])] == [B]
    with pytest.raises(NoSuchReference):
        driver.manage(Volume(C, 1), {"source-name": "../../etc/passwd"})


def test_managed_snapshots_are_listed(driver: Driver) -> None:
    driver.create(Volume(A, 1))
    driver.create_snapshot(S, A)
    [listed] = driver.manageable_snapshots([S])
    assert (listed.id, listed.safe, listed.size_gb) == (S, False, 1)
