"""What guests are held to: a flavor's quota of local disks and processor time, QoS specs of volumes.

Asked of QEMU itself, and of the kernel.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.agents.compute import processor_time
from cumulet.agents.compute.config import HostConfig
from cumulet.agents.compute.container import cgroups
from cumulet.agents.compute.folders import Card, Folders, Record
from cumulet.agents.compute.images import ImageCache
from cumulet.agents.compute.protocols import Disk
from cumulet.agents.compute.qemu import accelerator, card_limits, limits, processes
from cumulet.agents.compute.qemu.driver import QemuHypervisor
from cumulet.agents.compute.qemu.host import Host
from cumulet.agents.network import netns
from cumulet.agents.network.nft.kernel import Kernel
from tests.agents.compute.support import StoredImages, a_guest
from tests.system.network.lab import missing_for_root_tests

VOLUME, OTHER = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-aaaaaaaaaaaa"
MB = 1 << 20
needs_qemu = pytest.mark.skipif(shutil.which(accelerator.PROGRAM) is None, reason="QEMU is not installed")


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


@needs_qemu
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


# -- processor time --------------------------------------------------------------------------------------------------


def cpu(**quota: str) -> dict[str, Any]:
    return {"extra_specs": {f"quota:cpu_{name}": value for name, value in quota.items()}}


def test_a_flavor_says_how_much_of_the_processors() -> None:
    assert processor_time.of_flavor({}) == processor_time.UNLIMITED
    assert processor_time.of_flavor(cpu(quota="-1")) == processor_time.UNLIMITED
    assert processor_time.of_flavor(cpu(shares="512", quota="10000")) == (512, 100_000, 10_000)
    assert processor_time.of_flavor(cpu(period="20000", quota="10000")) == (None, 20_000, 10_000)


@pytest.mark.parametrize(
    ("quota", "says"),
    [
        ({"shares": "much"}, "quota:cpu_shares: 'much' is not a whole number"),
        ({"shares": "-2"}, "quota:cpu_shares: -2 is less than 0"),
        ({"period": "999"}, "quota:cpu_period: 999 is not from 1000 to 1000000"),
        ({"quota": "10"}, "quota:cpu_quota: 10 is less than 1000"),
    ],
)
def test_processor_time_that_cannot_be_is_refused(quota: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        processor_time.of_flavor(cpu(**quota))


@pytest.mark.parametrize(
    ("files", "holds"),
    [
        (
            ("cpu.cfs_period_us", "cpu.cfs_quota_us", "cpu.shares"),
            {"cpu.cfs_period_us": "50000", "cpu.cfs_quota_us": "40000", "cpu.shares": "20000"},
        ),
        (("cpu.max", "cpu.weight"), {"cpu.max": "40000 50000", "cpu.weight": "10000"}),
    ],
    ids=["version 1", "version 2"],
)
def test_a_group_of_either_version_is_held(tmp_path: Path, files: tuple[str, ...], holds: dict[str, str]) -> None:
    for name in files:
        (tmp_path / name).touch()
    processor_time.limit(tmp_path, processor_time.ProcessorTime(20_000, 50_000, 20_000), 2)
    assert {name: (tmp_path / name).read_text() for name in files} == holds
    assert {file.name for file in tmp_path.iterdir()} == set(files)
    cgroups.limit(tmp_path, memory_mb=64, vcpus=2)  # a container has its processors' time at most
    assert (tmp_path / files[0]).read_text() in ("100000", "200000 100000")


def _groups_can_be_made() -> bool:
    return os.geteuid() == 0 and any(group.parent.parent.is_dir() for group in cgroups.groups("probe"))


@pytest.mark.root
@needs_qemu
@pytest.mark.skipif(not _groups_can_be_made(), reason="control groups need root and a mounted hierarchy")
def test_qemu_is_in_a_group_of_its_own_while_it_is_there(host: QemuHypervisor, tmp_path: Path) -> None:
    root = a_volume(tmp_path, "root-volume")
    disk = Disk(root.volume_id, "/dev/vda", root.connection, boot_index=0)
    made = a_guest(None, volumes=[disk], flavor={"vcpus": 2, **cpu(quota="20000", shares="300")})
    host.spawn(made)
    try:
        pid = processes.pid_of(host.host.folders.of(made.id))
        [group] = [one for one in cgroups.groups(made.id) if (one / "cgroup.procs").exists()]
        assert (group / "cgroup.procs").read_text().split() == [str(pid)]
        quota = (group / "cpu.max") if (group / "cpu.max").exists() else (group / "cpu.cfs_quota_us")
        assert quota.read_text().split()[0] == "40000"
    finally:
        host.destroy(made.id)
    assert not any(one.exists() for one in cgroups.groups(made.id))


# -- cards -----------------------------------------------------------------------------------------------------------

PORT = "deadbeef-0000-1111-2222-333344445555"
TAP = "tapdeadbeef-00"


def vif(**quota: str) -> dict[str, Any]:
    return {"extra_specs": {f"quota:vif_{name}": value for name, value in quota.items()}}


def a_record(**quota: str) -> Record:
    made = a_guest(None, flavor=vif(**quota))
    return Record(made, cards=[Card(PORT, "fa:16:3e:00:00:01", 0)])


def test_a_flavor_says_what_cards_may_send_and_get() -> None:
    assert card_limits.of_flavor(vif(inbound_peak="9")) == {}
    asked = vif(inbound_average="1000", outbound_average="500", outbound_burst="100")
    assert card_limits.of_flavor(asked) == {"inbound": (8000, 0), "outbound": (4000, 800)}
    with pytest.raises(ValueError, match="quota:vif_inbound_burst: '1M' is not a whole number"):
        card_limits.of_flavor(vif(inbound_average="1000", inbound_burst="1M"))


def test_each_way_of_a_card_has_a_limit_of_its_own() -> None:
    records = [a_record(inbound_average="1000", outbound_average="500"), a_record()]
    assert card_limits.build("cards", records, ["tapanother"]).objects == {}
    table = card_limits.build("cards", records, [TAP])
    assert {way: set(one.elements) for way, one in table.sets.items()} == {"outbound": {TAP}, "inbound": {TAP}}
    rates = {name.split("_")[0]: attributes["rate"] for (_, name), attributes in table.objects.items()}
    assert rates == {"inbound": 1_000_000, "outbound": 500_000}  # bytes a second


_NFT = missing_for_root_tests()


@pytest.mark.root
@pytest.mark.skipif(_NFT is not None, reason=str(_NFT))
def test_the_kernel_takes_them_and_nothing_stays(tmp_path: Path) -> None:
    name = f"cards{os.getpid()}"
    netns.create(name)
    try:
        config = HostConfig(host="here", instances=tmp_path, host_namespace=name, prefix="x-1")
        folders = Folders(tmp_path)
        host = Host(config, folders, ImageCache(config.cache, StoredImages()))
        record = a_record(inbound_average="1000")
        folders.make(record.id)
        folders.save(record)
        kernel = Kernel(name)
        for _ in range(2):
            host.plug(record)
        maps = [entry["map"] for entry in kernel.list_table("bridge", "cumulet_x_1_cards") if "map" in entry]
        assert {one["name"]: [each[0] for each in one.get("elem", [])] for one in maps} == {
            "inbound": [TAP], "outbound": [],
        }  # fmt: skip
        host.hold_cards(record, gone=True)  # before it has another flavor
        assert kernel.tables() == set()
        host.hold_cards(record)
        assert kernel.tables() == {("bridge", "cumulet_x_1_cards")}
        host.unplug(record)  # its record stays, as when the host is left
        assert kernel.tables() == set()
        kernel.close()
    finally:
        netns.delete(name)
