"""Volumes for other hosts: NBD inside TLS, a daemon that outlives its agent, snapshots and growth while it is used."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cumulet.agents.volume import connector, options
from cumulet.agents.volume.connector import Connector, LocalDisk
from cumulet.agents.volume.daemon import Daemon
from cumulet.agents.volume.devices.nbd import NbdDevice
from cumulet.agents.volume.exports import Exports
from cumulet.agents.volume.file import heads
from cumulet.agents.volume.file.driver import FileDriver
from cumulet.agents.volume.lvm import LvmDriver
from cumulet.agents.volume.protocols import Connector as Who
from cumulet.agents.volume.protocols import InUse, Refused, Volume
from cumulet.agents.volume.transfer import short_folder
from cumulet.kernel.settings import Settings
from cumulet.processes import agent as agents
from tests.agents.volume.backends import (
    ELSEWHERE,
    GIB,
    HERE,
    file_options,
    pattern,
    read,
    serving_folder,
    write,
)
from tests.daemons import free_port

pytestmark = pytest.mark.skipif(
    shutil.which("qemu-storage-daemon") is None, reason="qemu-storage-daemon is not installed here"
)
A, B, S = "aaaaaaaa-0000", "bbbbbbbb-0000", "5aaaaaaa-0000"


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose path is short enough for sockets; daemons that are left in it are ended."""
    with serving_folder() as folder:
        yield folder


def make(folder: Path, **rest: object) -> FileDriver:
    return FileDriver(file_options(folder, **rest))


def device(disk: LocalDisk) -> NbdDevice:
    return NbdDevice(Path(disk.socket or ""), disk.export or "")


def test_another_host_reads_and_writes_through_tls(short: Path) -> None:
    driver, connector = make(short), Connector(short / "c")
    driver.create(Volume(A, 1))
    write(driver, A, 0, pattern("before"))
    info = driver.connect(A, "one", ELSEWHERE, "rw")
    assert info["driver_volume_type"] == "nbd"
    assert (info["data"]["tls"], info["data"]["format"]) == ("psk", "raw")
    assert info == driver.connect(A, "one", ELSEWHERE, "rw")
    with device(connector.attach(info)) as disk:
        assert disk.size == GIB
        assert disk.read(0, 1 << 16) == pattern("before")
        disk.write(1 << 20, pattern("after"))
        disk.flush()
    connector.detach(A)
    driver.disconnect(A, "one")
    assert read(driver, A, 1 << 20) == pattern("after")
    assert not list(short.rglob("pid"))


def test_without_the_key_nothing_is_served(short: Path) -> None:
    driver = make(short)
    driver.create(Volume(A, 1))
    data = driver.connect(A, "one", ELSEWHERE, "rw")["data"]
    plain = f"nbd://{data['host']}:{data['port']}/{data['export']}"
    refused = subprocess.run(["qemu-img", "info", plain], capture_output=True, timeout=60)
    assert refused.returncode != 0
    wrong = {**data, "tls_key": "0" * 64}
    with pytest.raises(Exception, match=r"(?i)tls|handshake|nbd|psk|error"):
        Connector(short / "c").attach({"driver_volume_type": "nbd", "data": wrong})
    driver.disconnect(A, "one")


def test_each_attachment_has_a_key_of_its_own(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one host knows is worth nothing once its attachment has ended; the others go on."""
    driver = make(short)
    driver.create(Volume(A, 1))
    shared = [Who(host=name, ip="127.0.0.1", shared=True) for name in ("node2", "node3")]
    one, two = (driver.connect(A, name, who, "rw") for name, who in zip(("one", "two"), shared, strict=True))
    assert [info["data"]["tls_username"] for info in (one, two)] == ["one", "two"]
    assert one["data"]["tls_key"] != two["data"]["tls_key"]
    assert driver.connect(A, "one", shared[0], "rw") == one
    with pytest.raises(Refused):
        Connector(short / "w").attach({**one, "data": {**one["data"], "tls_key": two["data"]["tls_key"]}})
    stays = device(Connector(short / "c2").attach(two))
    monkeypatch.setattr(connector, "_RECONNECT_S", 0)
    goes = device(Connector(short / "c1").attach(one))
    with stays, goes:
        goes.write(0, pattern("one"))
        goes.flush()
        driver.disconnect(A, "one")
        driver.disconnect(A, "one")
        with pytest.raises(Refused):
            goes.read(0, 4096)
        with pytest.raises(Refused):
            Connector(short / "c3").attach(one)
        assert stays.read(0, 1 << 16) == pattern("one")
        stays.write(1 << 20, pattern("two"))
        stays.flush()
    driver.disconnect(A, "two")
    assert read(driver, A, 1 << 20) == pattern("two")


def test_an_export_of_a_logical_volume_ends_with_its_last_host(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A live migration ends the attachment of the host that the guest has left, while it runs on the other."""
    (short / "lv").write_bytes(bytes(1 << 20))
    monkeypatch.setattr(LvmDriver, "_path", lambda *_: short / "lv")
    monkeypatch.setattr(LvmDriver, "_size_gb", lambda *_: 1)
    exports = Exports(short / "x" / "lvm", address="127.0.0.1", first_port=free_port())
    driver = LvmDriver(name="lvm", host="node1", group="g", volume_backend_name="lvm", exports=exports)
    driver.connect(A, "one", ELSEWHERE, "rw")
    two = driver.connect(A, "two", ELSEWHERE, "rw")
    with device(Connector(short / "c").attach(two)) as stays:
        driver.disconnect(A, "one")
        stays.write(0, pattern("two"))
        stays.flush()
    driver.disconnect(A, "two")
    assert not exports.is_alive(A)
    assert (short / "lv").read_bytes()[: 1 << 16] == pattern("two")


def test_no_key_is_in_a_command_line(short: Path) -> None:
    driver = make(short)
    driver.create(Volume(A, 1, key="ab" * 32))
    data = driver.connect(A, "one", ELSEWHERE, "rw", key="ab" * 32)["data"]
    for pid in short.rglob("pid"):
        command = Path(f"/proc/{pid.read_text().strip()}/cmdline").read_bytes()
        assert b"ab" * 32 not in command
        assert data["tls_key"].encode() not in command
    driver.disconnect(A, "one")


def test_a_snapshot_and_growth_while_it_is_used(short: Path) -> None:
    driver, connector = make(short), Connector(short / "c")
    driver.create(Volume(A, 1))
    info = driver.connect(A, "one", ELSEWHERE, "rw")
    disk = connector.attach(info)
    with device(disk) as client:
        client.write(0, pattern("then"))
        client.flush()
        driver.create_snapshot(S, A)
        client.write(0, pattern("now"))
        client.flush()
        assert read(driver, A, 0, snapshot_id=S) == pattern("then")
    assert driver.extend(A, 2).online
    connector.detach(A)
    with device(connector.attach(driver.connect(A, "one", ELSEWHERE, "rw"))) as client:
        assert client.size == 2 * GIB
        assert client.read(0, 1 << 16) == pattern("now")
    connector.detach(A)
    driver.disconnect(A, "one")
    assert read(driver, A, 0) == pattern("now")
    assert read(driver, A, 0, snapshot_id=S) == pattern("then")


def test_a_backup_of_a_volume_in_use_is_a_moments_picture(short: Path) -> None:
    driver, connector = make(short), Connector(short / "c")
    driver.create(Volume(A, 1))
    with device(connector.attach(driver.connect(A, "one", ELSEWHERE, "rw"))) as client:
        client.write(0, pattern("then"))
        client.flush()
        with driver.opened(A) as picture:
            client.write(0, pattern("later"))
            client.flush()
            assert picture.read(0, 1 << 16) == pattern("then")
        assert client.read(0, 1 << 16) == pattern("later")
    connector.detach(A)
    driver.disconnect(A, "one")
    for _ in range(3):
        driver.upkeep()
    assert read(driver, A, 0) == pattern("later")
    assert len(list((short / "data" / "layers").iterdir())) == 1


def test_layers_of_a_volume_in_use_are_bounded_and_joined_afterwards(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "MOST_LAYERS", 4)
    driver, connector = make(short), Connector(short / "c")
    driver.create(Volume(A, 1))
    with device(connector.attach(driver.connect(A, "one", ELSEWHERE, "rw"))) as client:
        for turn in range(3):
            client.write(turn << 20, pattern(f"{turn}"))
            client.flush()
            driver.create_snapshot(f"{S}-{turn}", A)
            if turn:
                driver.delete_snapshot(f"{S}-{turn - 1}", A)
            driver.upkeep()
        with pytest.raises(InUse, match="4 layers"):
            driver.create_snapshot(S, A)
        client.write(3 << 20, pattern("3"))
        client.flush()
    connector.detach(A)
    driver.disconnect(A, "one")
    for _ in range(4):
        driver.upkeep()
    assert len(list((short / "data" / "layers").iterdir())) == 2
    assert [read(driver, A, turn << 20) for turn in range(4)] == [pattern(f"{turn}") for turn in range(4)]
    assert [read(driver, A, turn << 20, snapshot_id=f"{S}-2") for turn in range(4)] == [
        *(pattern(f"{turn}") for turn in range(3)),
        bytes(1 << 16),
    ]
    driver.create_snapshot(S, A)


def test_a_daemon_that_was_killed_is_started_again_and_clients_go_on(short: Path) -> None:
    driver, connector = make(short), Connector(short / "c")
    driver.create(Volume(A, 1))
    info = driver.connect(A, "one", ELSEWHERE, "rw")
    with device(connector.attach(info)) as client:
        client.write(0, pattern("flushed"))
        client.flush()
        pid = Daemon(short / "x" / A).pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        limit = time.monotonic() + 60
        while Daemon(short / "x" / A).pid() is not None:
            assert time.monotonic() < limit
            time.sleep(0.01)
        assert driver.upkeep() == []
        assert driver.connect(A, "one", ELSEWHERE, "rw") == info
        assert client.read(0, 1 << 16) == pattern("flushed")
        client.write(1 << 20, pattern("more"))
        client.flush()
    connector.detach(A)
    driver.disconnect(A, "one")
    assert read(driver, A, 1 << 20) == pattern("more")


def test_exports_outlive_the_agent(short: Path) -> None:
    port = make(short)
    port.create(Volume(A, 1))
    info = port.connect(A, "one", ELSEWHERE, "rw")
    again = make(short)
    assert again.upkeep() == []
    assert again.connect(A, "one", ELSEWHERE, "rw") == info
    again.disconnect(A, "one")


def test_a_file_that_a_guest_has_open_is_left_alone(short: Path) -> None:
    driver = make(short)
    driver.create(Volume(A, 1))
    path = Path(driver.connect(A, "one", HERE, "rw")["data"]["path"])
    with short_folder() as folder:
        guest = Daemon(folder)
        node = f'{{"driver":"qcow2","node-name":"d","file":{{"driver":"file","filename":"{path}"}}}}'
        serve = ["--nbd-server", f"addr.type=unix,addr.path={folder}/n", "--export"]
        guest.start(["--blockdev", node, *serve, "type=nbd,id=e,node-name=d,name=d,writable=on"], {})
        try:
            with pytest.raises(InUse):
                driver.delete(A)
            with pytest.raises(InUse):
                driver.create_snapshot(S, A)
            with pytest.raises(InUse):
                driver.connect(A, "two", ELSEWHERE, "rw")
            assert driver.extend(A, 2).online
        finally:
            guest.stop()
    driver.disconnect(A, "one")
    with driver.opened(A) as disk:
        assert disk.size == 2 * GIB


def test_guests_of_the_same_host_over_a_unix_socket(short: Path) -> None:
    driver, connector = make(short, nbd_local=True), Connector(short / "c")
    driver.create(Volume(A, 1))
    info = driver.connect(A, "one", HERE, "rw")
    assert info["data"]["tls"] is None
    with device(connector.attach(info)) as client:
        client.write(0, pattern("x"))
        client.flush()
        driver.create_snapshot(S, A)
        client.write(0, pattern("y"))
    driver.disconnect(A, "one")
    assert read(driver, A, 0) == pattern("y")
    assert read(driver, A, 0, snapshot_id=S) == pattern("x")


def test_a_purged_cloud_serves_nothing(tmp_path: Path) -> None:
    settings = Settings(state_dir=str(tmp_path / "a-directory-whose-path-is-too-long-for-sockets"))
    agents.purge(settings)
    folder = settings.paths.state / "volumes"
    folder.mkdir(parents=True)
    agents.purge(settings)
    conf = options.load([])
    driver = options.drivers_of(conf, "node1", folder)["file"]
    driver.create(Volume(A, 1))
    driver.connect(A, "one", ELSEWHERE, "rw")
    exports, outside = options.exports_of(conf, "file", folder), options.exports_folder(folder, "file")
    assert exports.is_alive(A)
    assert not outside.is_relative_to(tmp_path)
    agents.purge(settings)
    assert not exports.is_alive(A)
    assert not outside.exists()
