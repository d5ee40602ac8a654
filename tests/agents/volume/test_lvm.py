"""The LVM driver with the real lvm2 on a loop device, on a kernel without device mapper.

What lvm2 does in its metadata alone is done by it: vgs, lvs, lvrename, lvchange of tags, lvextend, and everything it
checks before it would speak to the kernel (options, names, sizes, whether the origin exists). What needs device mapper,
which is creating and removing thin volumes, lvm2 is asked to do; when the kernel is all that it misses, the metadata is
changed as it would have changed it (vgcfgbackup, vgcfgrestore). Bytes are not tried here: there are no devices.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import string
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from cumulet.agents.volume import lvm, qemu
from cumulet.agents.volume.exports import Exports
from cumulet.agents.volume.protocols import NoSuchSnapshot, Volume
from cumulet.agents.volume.qemu import ToolFailed

A, B, S = "aaaaaaaa-0000-4000-8000-000000000000", "bbbbbbbb-0000", "5aaaaaaa-0000"
GROUP = f"cumulet-test-{os.getpid()}"
_NO_KERNEL = ("without using device-mapper kernel driver", "Cannot activate thin pool", "Failed to update pool")


class Lvm:
    """Runs lvm2's commands in a configuration of its own that sees one device only."""

    def __init__(self, folder: Path, device: str) -> None:
        self._folder = folder
        self._device_id = 0
        self.refused_by_kernel: list[str] = []
        (folder / "lvm.conf").write_text(
            f"""devices {{ filter=["a|^{device}$|", "r|.*|"] use_devicesfile=0 obtain_device_list_from_udev=0 }}
activation {{ udev_sync=0 udev_rules=0 monitoring=0 }}
backup {{ backup=0 archive=0 }}
"""
        )

    def lvm(self, argv: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, "LVM_SYSTEM_DIR": str(self._folder), "LVM_SUPPRESS_FD_WARNINGS": "1"}
        command = [argv[0], "--driverloaded", "n", *argv[1:]]
        return subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)

    def run(self, argv: Sequence[str], **_: Any) -> bytes:
        """In the place of `qemu.run`."""
        done = self.lvm(argv)
        if done.returncode == 0:
            return done.stdout
        said = done.stderr.decode()
        if argv[0] not in ("lvcreate", "lvremove") or not any(reason in said for reason in _NO_KERNEL):
            raise ToolFailed(said)
        self.refused_by_kernel.append(" ".join(argv))
        if argv[0] == "lvcreate":
            self._create(list(argv))
        return b""

    # -- what lvm2 would have written ------------------------------------------------------------------------------

    def _create(self, argv: list[str]) -> None:
        given = {flag: argv[argv.index(flag) + 1] for flag in ("-n", "-V", "--addtag") if flag in argv}
        if "-V" not in given and "-s" not in argv:
            self._insert(_POOL)
            return
        self._device_id += 1
        origin = argv[-1].partition("/")[2] if "-s" in argv else None
        extents = self._extents(origin) if origin else int(given["-V"].removesuffix("g")) * 256
        self._insert(_thin(given["-n"], given.get("--addtag"), extents, self._device_id, origin))

    def _extents(self, name: str) -> int:
        said = self.lvm(["lvs", "--noheadings", "--units", "b", "--nosuffix", "-o", "lv_size", f"{GROUP}/{name}"])
        return int(said.stdout) >> 22

    def _insert(self, block: str) -> None:
        file = self._folder / "backup"
        assert self.lvm(["vgcfgbackup", "-f", str(file), GROUP]).returncode == 0
        text = file.read_text()
        if "logical_volumes {" not in text:
            end = text.rindex("}")
            text = text[:end] + "\n\tlogical_volumes {\n\t}\n}\n"
        text = re.sub(r"\t\t\t\tmessage\d+ \{.*?\}\n", "", text, flags=re.DOTALL)
        text = re.sub(r"transaction_id = \d+\n(\s+chunk_size)", rf"transaction_id = {self._device_id}\n\1", text)
        file.write_text(text.replace("logical_volumes {\n", f"logical_volumes {{\n{_with_ids(block)}", 1))
        done = self.lvm(["vgcfgrestore", "--force", "-f", str(file), GROUP])
        assert done.returncode == 0, done.stderr


def _with_ids(block: str) -> str:
    letters = string.ascii_letters + string.digits

    def uuid(_: re.Match[str]) -> str:
        return "-".join("".join(secrets.choice(letters) for _ in range(n)) for n in (6, 4, 4, 4, 4, 4, 6))

    return re.sub("UUID", uuid, block)


def _lv(name: str, segment: str, *, visible: bool = True, tag: str | None = None) -> str:
    status = '"READ", "WRITE"' + (', "VISIBLE"' if visible else "")
    tags = f'tags = ["{tag}"]\n' if tag else ""
    return f'{name} {{\nid = "UUID"\nstatus = [{status}]\n{tags}segment_count = 1\nsegment1 {{\n{segment}}}\n}}\n'


def _striped(extents: int, first: int) -> str:
    stripes = f'stripes = ["pv0", {first}]\n'
    return f'start_extent = 0\nextent_count = {extents}\ntype = "striped"\nstripe_count = 1\n{stripes}'


_POOL = (
    _lv(
        "cumulet-pool",
        'start_extent = 0\nextent_count = 1900\ntype = "thin-pool"\nmetadata = "cumulet-pool_tmeta"\n'
        'pool = "cumulet-pool_tdata"\ntransaction_id = 0\nchunk_size = 128\ndiscards = "passdown"\n'
        "zero_new_blocks = 1\n",
    )
    + _lv("cumulet-pool_tmeta", _striped(4, 0), visible=False)
    + _lv("cumulet-pool_tdata", _striped(1900, 8), visible=False)
    + _lv("lvol0_pmspare", _striped(4, 4), visible=False)
)


def _thin(name: str, tag: str | None, extents: int, device: int, origin: str | None) -> str:
    segment = f'start_extent = 0\nextent_count = {extents}\ntype = "thin"\nthin_pool = "cumulet-pool"\n'
    segment += f"transaction_id = {device - 1}\ndevice_id = {device}\n"
    return _lv(name, segment + (f'origin = "{origin}"\n' if origin else ""), tag=tag)


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[Lvm]:
    if shutil.which("lvs") is None or shutil.which("losetup") is None or os.geteuid():
        pytest.skip("lvm2, losetup and root are needed (Debian: lvm2)")
    if lvm.lvm_is_missing() is None:
        pytest.skip("this kernel has device mapper: the driver is better tried with it")
    disk = tmp_path / "disk"
    disk.touch()
    os.truncate(disk, 8 << 30)
    loop = subprocess.run(["losetup", "-f", "--show", disk], capture_output=True, timeout=60, check=False)
    if loop.returncode:
        pytest.skip(f"no loop device: {loop.stderr.decode()}")
    device = loop.stdout.decode().strip()
    try:
        tools = Lvm(tmp_path, device)
        for argv in (["pvcreate", "-y", device], ["vgcreate", GROUP, device]):
            done = tools.lvm(argv)
            assert done.returncode == 0, done.stderr
        yield tools
    finally:
        subprocess.run(["losetup", "-d", device], timeout=60, check=True)


@pytest.fixture
def driver(tools: Lvm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> lvm.LvmDriver:
    monkeypatch.setattr(qemu, "run", tools.run)
    exports = Exports(tmp_path / "x", address="127.0.0.1", first_port=10810)
    return lvm.LvmDriver(name="lvm", host="node1", group=GROUP, volume_backend_name="lvm", exports=exports)


def names(driver: lvm.LvmDriver) -> set[str]:
    return set(driver._lvs()) - {"cumulet-pool"}


def test_a_group_reports_what_it_has(driver: lvm.LvmDriver) -> None:
    [pool] = driver.report().pools
    assert (round(pool.total_gb), round(pool.free_gb), pool.volumes) == (8, 8, 0)
    driver.create(Volume(A, 3))
    [pool] = driver.report().pools
    assert (pool.provisioned_gb, pool.volumes) == (3, 1)
    assert round(pool.free_gb) == 8  # nothing is written to the pool


def test_volumes_live_and_go(driver: lvm.LvmDriver, tools: Lvm) -> None:
    for _ in range(2):
        assert driver.create(Volume(A, 1)).size_gb == 1
        driver.create_snapshot(S, A)
        assert driver.from_snapshot(Volume(B, 2), S, A).size_gb == 2
    assert names(driver) == {f"volume-{A}", f"_snapshot-{S}", f"volume-{B}"}
    assert driver._lvs()[f"_snapshot-{S}"]["origin"] == f"volume-{A}"
    assert not any(row["lv_tags"] for row in driver._lvs().values()), "what is made has no tag any more"
    for _ in range(2):
        assert driver.extend(A, 4).size_gb == 4
        driver.revert(A, S)
    assert driver._lvs()[f"volume-{A}"]["origin"] == f"_snapshot-{S}"
    assert driver._size_gb(f"volume-{A}") == 4
    for _ in range(2):
        driver.delete_snapshot(S, A)
        driver.delete(A)
        driver.delete(B)
    assert names(driver) == set()
    assert all(command.startswith(("lvcreate", "lvremove")) for command in tools.refused_by_kernel)


def test_what_was_half_made_is_made_anew(driver: lvm.LvmDriver) -> None:
    driver.create(Volume(A, 1))
    driver._thin(f"volume-{B}", 3)  # and then a crash
    assert driver._lvs()[f"volume-{B}"]["lv_tags"] == "cumulet-new"
    assert driver.clone(Volume(B, 1), A).size_gb == 1
    assert driver._lvs()[f"volume-{B}"]["origin"] == f"volume-{A}"


def test_what_was_there_before(driver: lvm.LvmDriver) -> None:
    driver.create(Volume(A, 1))
    driver.create_snapshot(S, A)
    driver._run("lvrename", GROUP, f"volume-{A}", "theirs")
    assert [one.reference for one in driver.manageable([]) if one.safe] == [{"source-name": "theirs"}]
    assert driver.manage(Volume(A, 1), {"source-name": "theirs"}).size_gb == 1
    driver._run("lvrename", GROUP, f"_snapshot-{S}", "then")
    [offered] = driver.manageable_snapshots([])
    assert offered.source == {"source-name": f"volume-{A}"}
    driver.manage_snapshot(S, A, {"source-name": "then"})
    driver.unmanage(A)
    assert names(driver) == {f"unmanaged-{A}", f"_snapshot-{S}"}
    with pytest.raises(NoSuchSnapshot):
        driver.revert(A, "none")


def test_lvm_itself_refuses(driver: lvm.LvmDriver) -> None:
    """Its checks come before the kernel: the names that the driver gives have passed them."""
    driver.create(Volume(A, 1))
    for bad in ("snapshot-x", "pvmove0", "a b"):
        with pytest.raises(ToolFailed, match=r"(?i)name|invalid|character"):
            driver._thin(bad, 1)
    with pytest.raises(ToolFailed, match=r"(?i)not found|failed to find"):
        driver._snapshot("volume-c", "volume-none")
    with pytest.raises(ToolFailed, match=r"(?i)exists"):
        driver._thin(f"volume-{A}", 1)
