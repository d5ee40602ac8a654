"""What disks are held to: a flavor's quota of local disks, QoS specs of volumes, asked of QEMU itself."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.agents.compute.config import HostConfig
from cumulet.agents.compute.folders import Folders
from cumulet.agents.compute.images import ImageCache
from cumulet.agents.compute.protocols import Disk
from cumulet.agents.compute.qemu import accelerator, limits, processes
from cumulet.agents.compute.qemu.driver import QemuHypervisor
from cumulet.agents.compute.qemu.host import Host
from tests.agents.compute.support import StoredImages, a_guest

VOLUME, OTHER = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-aaaaaaaaaaaa"
MB = 1 << 20


def flavor(**quota: str) -> dict[str, Any]:
    return {"extra_specs": {f"quota:disk_{name}": value for name, value in quota.items()}}


def test_a_flavor_says_it_of_local_disks() -> None:
    assert limits.of_flavor({}) == {}
    assert limits.of_flavor(flavor(read_iops_sec="0", size="1")) == {}
    asked = flavor(read_bytes_sec="10240000", write_iops_sec="20", read_bytes_sec_max="20480000", size_iops_sec="4096")
    assert limits.of_flavor(asked) == {
        "bps_rd": 10240000, "iops_wr": 20, "bps_rd_max": 20480000, "iops_size": 4096,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("quota", "says"),
    [
        ({"total_iops_sec": "many"}, "quota:disk_total_iops_sec: 'many' is not a whole number"),
        ({"total_iops_sec": "-1"}, "quota:disk_total_iops_sec: '-1' is not a whole number"),
        ({"total_bytes_sec": "9", "write_bytes_sec": "9"}, "limit of the total cannot be set beside"),
    ],
)
def test_what_cannot_be_is_refused(quota: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        limits.of_flavor(flavor(**quota))


@pytest.fixture
def host(tmp_path: Path) -> QemuHypervisor:
    config = HostConfig(host="here", instances=tmp_path / "instances", virt_type="qemu", vnc=False, shutdown_s=0.5)
    return QemuHypervisor(Host(config, Folders(config.instances), ImageCache(config.cache, StoredImages())))


def a_volume(directory: Path, volume_id: str, **specs: str) -> Disk:
    path = directory / volume_id
    path.touch()
    os.truncate(path, 8 * MB)
    data = {"path": str(path), "format": "raw", "qos_specs": specs or None}
    return Disk(volume_id, "/dev/vdb", {"driver_volume_type": "local", "data": data})


@pytest.fixture
def running(host: QemuHypervisor, tmp_path: Path) -> Iterator[str]:
    """Firmware on a root volume with 100 requests a second, and a swap disk with 1 MB a second."""
    root = a_volume(tmp_path, "root-volume", total_iops_sec="100", vendor_key="x")
    disk = Disk(root.volume_id, "/dev/vda", root.connection, boot_index=0)
    made = a_guest(None, volumes=[disk], flavor={"swap": 8, **flavor(total_bytes_sec=str(MB))})
    host.spawn(made)
    yield made.id
    host.destroy(made.id)


def held(host: QemuHypervisor, server_id: str) -> dict[str, dict[str, int]]:
    """QEMU's figures that are not 0, by the disk's device."""
    with processes.questions(host.host.folders.of(server_id)) as monitor:
        blocks = [block for block in monitor.ask("query-block") if "inserted" in block]
    return {
        block["qdev"].removeprefix("/machine/peripheral/").split("/")[0]: {
            name: block["inserted"][name]
            for name in ("bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr")
            if block["inserted"][name]
        }
        for block in blocks
    }


@pytest.mark.skipif(shutil.which(accelerator.PROGRAM) is None, reason="QEMU is not installed")
def test_qemu_holds_disks_to_it_also_after_a_start_and_a_swap(
    host: QemuHypervisor, running: str, tmp_path: Path
) -> None:
    own = {"volume-root-volume": {"iops": 100}, "disk-swap": {"bps": MB}}
    assert held(host, running) == own
    for _ in range(2):
        host.attach_volume(running, a_volume(tmp_path, VOLUME, read_iops_sec="20", write_bytes_sec="4096"))
    assert held(host, running) == own | {f"volume-{VOLUME}": {"iops_rd": 20, "bps_wr": 4096}}
    host.reboot(running, hard=True)
    assert held(host, running) == own | {f"volume-{VOLUME}": {"iops_rd": 20, "bps_wr": 4096}}
    host.swap_volume(running, VOLUME, a_volume(tmp_path, OTHER, total_iops_sec="7"), VOLUME)
    assert held(host, running) == own | {f"volume-{VOLUME}": {"iops": 7}}
