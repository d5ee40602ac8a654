"""What a Ceph pool does that no other back end does, over a real Ceph of one node."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from cumulet.agents.volume import options, qemu
from cumulet.agents.volume.down import DownDriver
from cumulet.agents.volume.protocols import InUse, NoSuchReference, Refused, Volume
from cumulet.agents.volume.rbd import driver as rbd
from cumulet.agents.volume.rbd import tools
from cumulet.agents.volume.rbd.connecting import _split
from cumulet.agents.volume.rbd.driver import RbdDriver
from cumulet.agents.volume.transfer import copy_into
from tests.agents.volume.backends import GIB, HERE, pattern, read, write
from tests.ceph import POOL, USER, Ceph

A, B, C = "aaaaaaaa-0000", "bbbbbbbb-0000", "cccccccc-0000"
S, T = "5aaaaaaa-0000", "7aaaaaaa-0000"
CONF = """
[DEFAULT]
enabled_backends = ceph
[ceph]
volume_driver = cinder.volume.drivers.rbd.RBDDriver
rbd_pool = volumes
rbd_user = cinder
rbd_ceph_conf = {conf}
rbd_secret_uuid = 457eb676-33da-42ec-9a8c-9293d545c337
rbd_flatten_volume_from_snapshot = true
rbd_max_clone_depth = 2
rados_connect_timeout = 7
"""


@pytest.fixture
def driver(ceph: Ceph) -> RbdDriver:
    return RbdDriver(ceph.options())


def parent_of(driver: RbdDriver, volume_id: str) -> str | None:
    parent = driver._images.get(f"volume-{volume_id}").parent
    return parent.image if parent is not None else None


def test_connections_are_as_hosts_know_them(driver: RbdDriver, ceph: Ceph) -> None:
    driver.create(Volume(A, 1))
    told = driver.connect(A, "one", HERE, "rw")
    assert told["driver_volume_type"] == "rbd"
    data = told["data"]
    assert data["name"] == f"{POOL}/volume-{A}"
    assert data["hosts"] == ["127.0.0.1"]
    assert f":{data['ports'][0]}" in ceph.conf.read_text()
    assert (data["auth_enabled"], data["auth_username"], data["cluster_name"]) == (True, USER, "ceph")
    assert "key" not in {name.lower() for name in data}
    assert _split("[2001:db8::1]:6789/0") == ("2001:db8::1", "6789")


def test_the_pool_reports_what_it_has(driver: RbdDriver) -> None:
    [before] = driver.report().pools
    assert (before.volumes, before.provisioned_gb) == (0, 0)
    assert 3 < before.free_gb <= before.total_gb <= 4
    driver.create(Volume(A, 100))
    [after] = driver.report().pools
    assert (after.volumes, after.provisioned_gb) == (1, 100)


def test_a_quota_is_the_pools_capacity(ceph: Ceph) -> None:
    ceph.ceph("osd", "pool", "set-quota", POOL, "max_bytes", str(GIB))
    try:
        for dynamic, total in ((False, 1), (True, 1)):
            [pool] = RbdDriver(ceph.options(dynamic_total=dynamic)).report().pools
            assert (round(pool.total_gb), round(pool.free_gb)) == (total, 1)
    finally:
        ceph.ceph("osd", "pool", "set-quota", POOL, "max_bytes", "0")


def test_clones_are_flat_where_that_is_asked_for(ceph: Ceph) -> None:
    deep = RbdDriver(ceph.options(max_clone_depth=2))
    deep.create(Volume("v0", 1))
    write(deep, "v0", 0, pattern("ground"))
    for number in range(1, 4):
        deep.clone(Volume(f"v{number}", 1), f"v{number - 1}")
    assert [parent_of(deep, f"v{number}") for number in range(4)] == [None, "volume-v0", "volume-v1", None]
    flat = RbdDriver(ceph.options(flatten_from_snapshot=True))
    flat.create_snapshot(S, "v1")
    flat.from_snapshot(Volume("v4", 1), S, "v1")
    assert parent_of(flat, "v4") is None
    assert read(flat, "v3", 0) == read(flat, "v4", 0) == pattern("ground")


def test_clones_of_format_1_do_not_hold_a_snapshot(driver: RbdDriver, ceph: Ceph) -> None:
    """As the original made them, in a pool that it had before."""
    driver.create(Volume(A, 1))
    write(driver, A, 0, pattern("old"))
    driver.create_snapshot(S, A)
    snapshot = f"{POOL}/volume-{A}@snapshot-{S}"
    ceph.rbd("snap", "protect", snapshot)
    ceph.rbd("clone", "--rbd-default-clone-format", "1", snapshot, f"{POOL}/volume-{B}")
    driver.delete_snapshot(S, A)
    driver.delete(A)
    assert read(driver, B, 0) == pattern("old")
    assert ceph.images() == [f"volume-{B}"]


def test_a_volume_that_somebody_has_open_stays(driver: RbdDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    driver.create(Volume(A, 1))
    driver.create_snapshot(S, A)
    with driver.opened(A, writable=True) as device:
        driver.connect(A, "one", HERE, "rw")
        for act in (lambda: driver.revert(A, S), lambda: driver.manage(Volume(B, 1), {"source-name": f"volume-{A}"})):
            with pytest.raises(InUse):
                act()
        driver.delete_snapshot(S, A)
        with pytest.raises(InUse):
            driver.delete(A)
        driver.disconnect(A, "one")
        monkeypatch.setattr(rbd, "_DEAD_CLIENT_S", 0.0)
        with pytest.raises(InUse), driver.opened(A, writable=True):
            pass
        device.write(0, pattern("still"))
        device.flush()
        assert read(driver, A, 0) == pattern("still")
    driver.delete(A)


def test_what_a_killed_tool_had_open_is_made_anew(driver: RbdDriver, ceph: Ceph) -> None:
    """Ceph takes it for a client until it has missed it for a while (12 s here, 30 by default)."""
    ceph.rbd("create", f"{POOL}/making-{A}", "--size", "3G")
    node = msgspec.json.encode(driver._images.tools.node(f"making-{A}", writable=True)).decode()
    with subprocess.Popen(["qemu-io", f"json:{node}"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as tool:
        eventually(lambda: driver._images.is_open(f"making-{A}"))
        tool.kill()
    assert driver.create(Volume(A, 1)).size_gb == 1
    assert ceph.images() == [f"volume-{A}"]


def eventually(is_so: Callable[[], bool]) -> None:
    limit = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < limit
        time.sleep(0.1)


def test_what_readers_left_goes(driver: RbdDriver, ceph: Ceph) -> None:
    driver.create(Volume(A, 1))
    ceph.rbd("snap", "create", "--no-progress", f"{POOL}/volume-{A}@reading-node1-999999999-00")
    ceph.rbd("snap", "create", "--no-progress", f"{POOL}/volume-{A}@reading-node2-999999999-00")
    driver.upkeep()
    assert [one.name for one in driver._images.snapshots(f"volume-{A}")] == ["reading-node2-999999999-00"]
    driver.delete(A)
    assert ceph.images() == []


def test_snapshots_that_were_there_before(driver: RbdDriver, ceph: Ceph) -> None:
    ceph.rbd("create", f"{POOL}/theirs", "--size", "1500M")
    ceph.rbd("snap", "create", "--no-progress", f"{POOL}/theirs@then")
    assert driver.manage(Volume(A, 2), {"source-name": "theirs"}).size_gb == 2
    with driver.opened(A) as device:
        assert device.size == 2 * GIB
    [offered] = driver.manageable_snapshots([])
    assert (offered.safe, offered.source) == (True, {"source-name": f"volume-{A}"})
    for _ in range(2):
        assert driver.manage_snapshot(S, A, offered.reference).size_gb == 2
    with pytest.raises(NoSuchReference):
        driver.manage_snapshot(T, A, {"source-name": "never"})
    for name in ("", "-x", f"volume-{A}@then", "../volumes/x"):
        with pytest.raises(NoSuchReference):
            driver.manage(Volume(B, 1), {"source-name": name})


def test_data_moves_between_back_ends(driver: RbdDriver, ceph: Ceph) -> None:
    driver.create(Volume(A, 1))
    write(driver, A, 20 << 20, pattern("moved"))
    driver.create(Volume(B, 1))
    write(driver, B, 0, pattern("stale"))
    told = driver.connect(A, "move", HERE, "ro")
    with driver.opened(B, writable=True) as device:
        copy_into(device, told, None)
    assert (read(driver, B, 0), read(driver, B, 20 << 20)) == (bytes(1 << 16), pattern("moved"))
    with driver.opened(B) as device:
        assert sum(length for _, length in device.extents()) <= 8 << 20


def test_a_ceph_that_hangs_does_not_hang_the_agent(driver: RbdDriver, ceph: Ceph) -> None:
    driver.create(Volume(A, 1))
    hasty = RbdDriver(ceph.options(ask_s=2))
    ceph.pause()
    try:
        started = time.monotonic()
        assert "did not end within 2 seconds" in (hasty.report().reason_down or "")
        for act in (hasty.upkeep, lambda: hasty.extend(A, 2)):
            with pytest.raises(qemu.ToolFailed, match="within 2 seconds"):
                act()
        for _ in range(100):  # nor is it asked again and again
            assert hasty.report().reason_down is not None
            assert hasty.upkeep() == []
        assert time.monotonic() - started < 60
    finally:
        ceph.go_on()
    assert driver.extend(A, 2).size_gb == 2


def test_options_have_the_names_that_operators_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cinder.conf"
    file.write_text(CONF.format(conf=tmp_path / "ceph.conf"))
    conf = options.load([file])
    monkeypatch.setattr(options, "rbd_is_missing", lambda: None)
    [driver] = options.drivers_of(conf, "node1", tmp_path / "state").values()
    assert isinstance(driver, RbdDriver)
    known = driver._options
    assert (known.pool, known.user, known.conf, known.ask_s) == ("volumes", "cinder", tmp_path / "ceph.conf", 7)
    assert (known.flatten_from_snapshot, known.max_clone_depth, known.volume_backend_name) == (True, 2, "ceph")
    monkeypatch.setattr(options, "rbd_is_missing", lambda: "there is no rbd tool (Debian: ceph-common)")
    [down] = options.drivers_of(conf, "node1", tmp_path / "state").values()
    assert isinstance(down, DownDriver)
    assert (down.report().driver, down.report().reason_down) == ("rbd", "there is no rbd tool (Debian: ceph-common)")


def test_a_host_without_ceph_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "ceph-common" in (tools.rbd_is_missing() or "")


def test_an_encrypted_volume_is_refused(driver: RbdDriver) -> None:
    with pytest.raises(Refused, match="encrypted"):
        driver.create(Volume(A, 1, key="ab" * 32))
