"""Backups in an object store: bit for bit or refused, whole or not at all, and a store that has its bad moments."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from cumulet.agents.volume import login, options
from cumulet.agents.volume.backups.repository import Repository
from cumulet.agents.volume.backups.swift import ObjectStore
from cumulet.agents.volume.protocols import Backup, BadBackup, Refused, Volume, VolumeDriver
from cumulet.kernel.client import Session, Transport
from cumulet.kernel.settings import Settings
from tests.agents.volume.backends import digest, pattern, simulated, write
from tests.agents.volume.object_server import PASSWORD, USER, ObjectServer, serving

A, B = "aaaaaaaa-0000", "bbbbbbbb-0000"
ONE, TWO = "0ne00000-0000", "7w000000-0000"


@pytest.fixture
def server() -> Iterator[ObjectServer]:
    with serving() as server:
        yield server


@pytest.fixture
def repository(server: ObjectServer) -> Repository:
    return Repository(ObjectStore(lambda: Session(Transport(), f"{server.url}/v3", USER, PASSWORD)))


@pytest.fixture
def driver(tmp_path: Path) -> VolumeDriver:
    driver = simulated(tmp_path)
    driver.create(Volume(A, 1))
    driver.create(Volume(B, 1))
    write(driver, A, 3 << 20, pattern("three"))
    write(driver, A, (80 << 20) + 4096, pattern("eighty"))
    write(driver, B, 7 << 20, pattern("rubbish that must go"))
    return driver


def back_up(repository: Repository, driver: VolumeDriver, wanted: Backup) -> Backup:
    with driver.opened(A) as device:
        made = repository.back_up(wanted, device)
    return msgspec.structs.replace(wanted, container=made.container, digest=made.digest)


def restore(repository: Repository, driver: VolumeDriver, backup: Backup) -> None:
    with driver.opened(B, writable=True) as device:
        repository.restore(backup, device)


def child_of(backup: Backup) -> Backup:
    parent = {"id": backup.id, "container": backup.container, "digest": backup.digest}
    return msgspec.convert({"id": TWO, "volume_id": A, "size_gb": 1, "parents": [parent]}, Backup)


def test_full_and_increment_bit_for_bit(repository: Repository, driver: VolumeDriver, server: ObjectServer) -> None:
    full = back_up(repository, driver, Backup(ONE, A, 1))
    first = digest(driver, A)
    write(driver, A, 9 << 20, pattern("nine"))
    child = back_up(repository, driver, child_of(full))
    assert full.container == f"volumebackups/0n/e0/{ONE}"
    assert server.containers == {"volumebackups"}
    restore(repository, driver, child)
    assert digest(driver, B) == digest(driver, A)
    restore(repository, driver, full)
    assert digest(driver, B) == first
    repository.delete(child)
    repository.delete(child)
    assert {name.split("/")[3] for name in server.objects} == {ONE}
    repository.verify(full)
    repository.delete(full)
    assert server.objects == {}


@pytest.mark.parametrize("how", ["torn", "altered", "missing"])
@pytest.mark.parametrize("name", ["manifest.json", "blocks", "00000000"])
def test_what_was_damaged_is_refused_before_a_byte_is_written(
    repository: Repository, driver: VolumeDriver, server: ObjectServer, how: str, name: str
) -> None:
    backup = back_up(repository, driver, Backup(ONE, A, 1))
    path = f"{backup.container}/{name}"
    data = server.objects.pop(path)
    if how != "missing":
        server.objects[path] = data[: len(data) // 2] if how == "torn" else data[:-1] + bytes([data[-1] ^ 1])
    before = digest(driver, B)
    with pytest.raises(BadBackup):
        repository.verify(backup)
    with pytest.raises(BadBackup):
        restore(repository, driver, backup)
    assert digest(driver, B) == before


def test_what_is_altered_on_its_way_is_not_kept(
    repository: Repository, driver: VolumeDriver, server: ObjectServer
) -> None:
    server.alters_uploads = True
    with pytest.raises(Refused, match="422"):
        back_up(repository, driver, Backup(ONE, A, 1))
    assert server.objects == {}


def test_one_that_was_interrupted_is_made_anew(
    repository: Repository, driver: VolumeDriver, server: ObjectServer
) -> None:
    """Its objects are there without a manifest: that is no backup, and nothing of it is left afterwards."""
    server.containers.add("volumebackups")
    left = f"volumebackups/0n/e0/{ONE}"
    server.objects |= {f"{left}/{number:08d}": b"left" for number in range(9)}
    with pytest.raises(BadBackup):
        repository.verify(Backup(ONE, A, 1, container=left, digest="0" * 64))
    backup = back_up(repository, driver, Backup(ONE, A, 1))
    assert b"left" not in server.objects.values()
    again = back_up(repository, driver, Backup(ONE, A, 1))
    assert again == backup
    restore(repository, driver, backup)
    assert digest(driver, B) == digest(driver, A)


def test_a_store_that_has_a_bad_moment_is_asked_again(
    repository: Repository, driver: VolumeDriver, server: ObjectServer
) -> None:
    server.faults += [503, 500]
    backup = back_up(repository, driver, Backup(ONE, A, 1))
    server.tokens.clear()  # they ran out
    restore(repository, driver, backup)
    assert digest(driver, B) == digest(driver, A)
    before = digest(driver, B)
    server.faults += [503] * 3
    with pytest.raises(Refused, match="503"):
        restore(repository, driver, backup)
    assert digest(driver, B) == before


def test_without_a_store_the_reason_is_said(driver: VolumeDriver, server: ObjectServer) -> None:
    server.serves_objects = False
    with pytest.raises(Refused, match="no endpoint of type object-store"):
        back_up(
            Repository(ObjectStore(lambda: Session(Transport(), f"{server.url}/v3", USER, PASSWORD))),
            driver,
            Backup(ONE, A, 1),
        )


@pytest.mark.parametrize("container", ["others/0n/e0/x", "volumebackups", "volumebackups/0n", "volumebackups/0n//x"])
def test_a_record_cannot_lead_elsewhere(repository: Repository, server: ObjectServer, container: str) -> None:
    server.objects["volumebackups/0n/e0/x/blocks"] = b"another's"
    with pytest.raises(BadBackup):
        repository.delete(Backup(ONE, A, 1, container=container))
    assert server.objects


def test_cinder_conf_chooses_it(tmp_path: Path, driver: VolumeDriver, server: ObjectServer) -> None:
    file = tmp_path / "cinder.conf"
    file.write_text(
        f"""[DEFAULT]
backup_driver = cinder.backup.drivers.swift.SwiftBackupDriver
backup_swift_container = kept
backup_swift_auth = single_user
backup_swift_auth_url = {server.url}/v3
backup_swift_user = {USER}
backup_swift_key = {PASSWORD}
backup_swift_project = service
"""
    )
    conf, settings = options.load([file]), Settings(state_dir=str(tmp_path / "s"))
    made = options.repository_of(conf, tmp_path, lambda: login.session(settings, conf))
    assert made is not None
    backup = back_up(made, driver, Backup(ONE, A, 1))
    assert backup.container == f"kept/0n/e0/{ONE}"
    assert "blocks_sha256" in json.loads(server.objects[f"{backup.container}/manifest.json"])
