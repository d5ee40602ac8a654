"""The directory of backups: whole or not at all, bit for bit or refused."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from cumulet.agents.volume.backups.repository import PACKERS, Repository
from cumulet.agents.volume.protocols import BackedUp, Backup, BadBackup, ParentBackup, Volume, VolumeDriver
from tests.agents.volume.backends import BACKENDS, digest, pattern, write

A, B = "aaaaaaaa-0000", "bbbbbbbb-0000"


def make(tmp_path: Path, kind: str = "simulated") -> VolumeDriver:
    driver = BACKENDS[kind](tmp_path)
    driver.create(Volume(A, 1))
    write(driver, A, 3 << 20, pattern("three"))
    write(driver, A, (40 << 20) + 4096, pattern("forty"))
    return driver


def back_up(repository: Repository, driver: VolumeDriver, backup_id: str, *parents: ParentBackup) -> Backup:
    """Taken, as `restore` wants it."""
    wanted = Backup(backup_id, A, 1, parents=list(parents))
    with driver.opened(A) as device:
        made: BackedUp = repository.back_up(wanted, device)
    return msgspec.structs.replace(wanted, container=made.container, digest=made.digest)


def parent(backup: Backup) -> ParentBackup:
    return ParentBackup(backup.id, backup.container or "", backup.digest or "")


def restore(repository: Repository, driver: VolumeDriver, backup: Backup, volume_id: str = B) -> None:
    driver.create(Volume(volume_id, 1))
    with driver.opened(volume_id, writable=True) as device:
        repository.restore(backup, device)


@pytest.mark.parametrize("kind", BACKENDS)
@pytest.mark.parametrize("algorithm", PACKERS)
def test_bit_for_bit(tmp_path: Path, kind: str, algorithm: str) -> None:
    driver, repository = make(tmp_path, kind), Repository(tmp_path / "b", algorithm=algorithm)
    backup = back_up(repository, driver, "one")
    expected = digest(driver, A)
    driver.create(Volume(B, 1))
    write(driver, B, 7 << 20, pattern("rubbish that must go"))
    restore(repository, driver, backup)
    assert digest(driver, B) == expected


def test_increments_in_any_order(tmp_path: Path) -> None:
    """Random writes and holes between backups; each of them restores to what there was then."""
    driver, repository = make(tmp_path), Repository(tmp_path / "b", algorithm="none")
    chance, chain, digests = random.Random(6), list[Backup](), list[str]()
    for number in range(5):
        for _ in range(6):
            place = chance.randrange(64) << 20
            write(driver, A, place, pattern(str(chance.random())) if chance.random() < 0.7 else bytes(1 << 20))
        chain.append(back_up(repository, driver, f"inc-{number}", *(parent(one) for one in chain)))
        digests.append(digest(driver, A))
    sizes = [sum(file.stat().st_size for file in (tmp_path / "b" / (one.container or "")).glob("0*")) for one in chain]
    assert max(sizes[1:]) <= 6 << 20
    for number in chance.sample(range(5), 5):
        restore(repository, driver, chain[number])
        assert digest(driver, B) == digests[number]


def damaged(file: Path, how: str) -> None:
    data = file.read_bytes()
    if how == "torn":
        file.write_bytes(data[: len(data) // 2])
    elif how == "altered":
        file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    else:
        file.unlink()


@pytest.mark.parametrize("how", ["torn", "altered", "missing"])
@pytest.mark.parametrize("name", ["manifest.json", "blocks", "00000000"])
@pytest.mark.parametrize("whose", ["its own", "its parent's"])
def test_what_was_damaged_is_refused_before_a_byte_is_written(tmp_path: Path, how: str, name: str, whose: str) -> None:
    driver, repository = make(tmp_path), Repository(tmp_path / "b")
    full = back_up(repository, driver, "full")
    write(driver, A, 9 << 20, pattern("nine"))
    child = back_up(repository, driver, "child", parent(full))
    if whose == "its parent's" and name == "blocks":
        return  # only making another increment reads those
    container = child.container if whose == "its own" else full.container
    damaged(tmp_path / "b" / (container or "") / name, how)
    driver.create(Volume(B, 1))
    write(driver, B, 0, pattern("mine"))
    expected = digest(driver, B)
    with pytest.raises(BadBackup):
        restore(repository, driver, child)
    assert digest(driver, B) == expected


def test_another_ones_contents_are_refused(tmp_path: Path) -> None:
    """Somebody who may write to the directory puts another backup, whole in itself, in its place."""
    driver, repository = make(tmp_path), Repository(tmp_path / "b")
    good = back_up(repository, driver, "good")
    write(driver, A, 0, pattern("evil"))
    evil = back_up(repository, driver, "evil")
    with pytest.raises(BadBackup):
        restore(repository, driver, msgspec.structs.replace(good, container=evil.container))
    with pytest.raises(BadBackup):
        restore(repository, driver, msgspec.structs.replace(good, container="../../etc"))


def test_a_backup_that_was_interrupted_is_made_anew(tmp_path: Path) -> None:
    driver, repository = make(tmp_path), Repository(tmp_path / "b")

    class Stop(BaseException):
        """As a kill."""

    class Dying:
        def __init__(self, device: object) -> None:
            self._device, self.size = device, device.size  # type: ignore[attr-defined]

        def extents(self) -> object:
            return self._device.extents()  # type: ignore[attr-defined]

        def read(self, offset: int, length: int) -> bytes:
            if offset >= 40 << 20:
                raise Stop
            return bytes(self._device.read(offset, length))  # type: ignore[attr-defined]

    with driver.opened(A) as device, pytest.raises(Stop):
        repository.back_up(Backup("one", A, 1), Dying(device))  # type: ignore[arg-type]
    assert not list((tmp_path / "b").glob("[!.]*/*/[!.]*"))
    backup = back_up(repository, driver, "one")
    assert back_up(repository, driver, "one").digest == backup.digest
    restore(repository, driver, backup)
    assert digest(driver, B) == digest(driver, A)
    repository.delete(backup)
    repository.delete(backup)
    assert not [file for file in (tmp_path / "b").rglob("*") if file.is_file()]
