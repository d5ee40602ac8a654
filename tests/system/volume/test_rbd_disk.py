"""Volumes of Ceph that a real QEMU has open: snapshots and growth meanwhile, a start with them, the key as a secret."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cumulet.agents.compute.protocols import Disk
from cumulet.agents.compute.qemu import volumes
from cumulet.agents.volume.protocols import InUse, Volume
from cumulet.agents.volume.rbd.driver import RbdDriver
from cumulet.agents.volume.transfer import short_folder
from tests.agents.volume.backends import GIB, HERE, read
from tests.ceph import USER, Ceph
from tests.system.volume.machines import Machine, host_of

pytestmark = pytest.mark.skipif(
    shutil.which("qemu-system-x86_64") is None, reason="qemu-system-x86_64 is not installed here"
)
A, S = "aaaaaaaa-0000-4000-8000-000000000000", "5aaaaaaa-0000"
SECRET = "457eb676-33da-42ec-9a8c-9293d545c337"
BLOCK = 1 << 16


@pytest.fixture
def machine() -> Iterator[Machine]:
    with short_folder() as folder:
        machine = Machine(host_of(folder))
        machine.build()
        machine.start()
        yield machine
        machine.end()


def said(driver: RbdDriver, block: int, snapshot_id: str | None = None) -> bytes:
    """The byte that a block begins with."""
    return read(driver, A, block * BLOCK, 1, snapshot_id=snapshot_id)


def test_it_is_snapshot_and_grown_while_it_is_written_to(ceph: Ceph, machine: Machine) -> None:
    driver = RbdDriver(ceph.options())
    driver.create(Volume(A, 1))
    machine.attach(A, driver.connect(A, "one", HERE, "rw"))
    machine.write(1, 0)
    driver.create_snapshot(S, A)
    machine.write(2, 0)
    assert (said(driver, 0, S), said(driver, 0)) == (b"\1", b"\2")
    assert driver.extend(A, 2).online
    machine.extend(A, 2)
    assert machine.size() == 2 * GIB
    machine.write(3, 2 * GIB // BLOCK - 1)
    with pytest.raises(InUse):
        driver.revert(A, S)
    machine.end()
    machine.start()
    machine.write(4, 1)
    machine.end()
    driver.disconnect(A, "one")
    assert [said(driver, block) for block in (0, 1, 2 * GIB // BLOCK - 1)] == [b"\2", b"\4", b"\3"]
    driver.delete_snapshot(S, A)
    driver.delete(A)


def test_libvirts_secret_is_the_key(ceph: Ceph, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that knows no keyring, but the secret and, from the connection, the monitors."""
    driver = RbdDriver(ceph.options(secret_uuid=SECRET))
    driver.create(Volume(A, 1))
    told = driver.connect(A, "one", HERE, "rw")
    told["data"]["ceph_conf"] = "/nowhere/ceph.conf"
    folder = ceph.folder / "secrets"
    folder.mkdir(exist_ok=True)
    key = ceph.ceph("auth", "get-key", f"client.{USER}")
    (folder / f"{SECRET}.base64").write_text(key)
    monkeypatch.setattr(volumes, "_LIBVIRT_SECRETS", folder)
    disk = Disk(volume_id=A, device="/dev/vdb", connection=told)
    assert key not in str((volumes.node_of(disk), volumes.objects_of(disk)))
    machine.attach(A, told)
    machine.write(7, 3)
    machine.end()
    driver.disconnect(A, "one")
    assert said(driver, 3) == b"\7"


def test_a_secret_is_a_uuid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes, "_LIBVIRT_SECRETS", tmp_path / "secrets")
    (tmp_path / "other.base64").touch()
    for uuid in ("../other", None, SECRET):
        disk = Disk(A, "/dev/vdb", {"driver_volume_type": "rbd", "data": {"name": "p/i", "secret_uuid": uuid}})
        assert volumes.objects_of(disk) == []
