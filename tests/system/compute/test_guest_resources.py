"""What QEMU really has of this host, looked at from outside: huge pages, processors, queues, also after a live move.

Firmware runs in the guest and no system, so that it is there at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.agents.compute import taps
from cumulet.agents.compute.protocols import Disk, Guest
from cumulet.agents.compute.qemu import placement, processes
from cumulet.agents.compute.qemu.driver import QemuHypervisor
from tests.agents.compute.support import StoredImages, a_guest
from tests.system.compute import real
from tests.system.compute.hosts import a_host

_MISSING = real.missing()
HERE = sorted(os.sched_getaffinity(0))
pytestmark = [
    pytest.mark.root,
    pytest.mark.qemu,
    pytest.mark.timeout(300),
    pytest.mark.skipif(_MISSING is not None, reason=str(_MISSING)),
    pytest.mark.skipif(len(HERE) < 2, reason="one processor to set aside and one to share are needed"),
]
RAM_MB, PAGE_KB = 64, 2048
EACH = RAM_MB * 1024 // PAGE_KB
SPECS = {
    "hw:numa_nodes": "1",
    "hw:mem_page_size": "2MB",
    "hw:cpu_policy": "mixed",
    "hw:cpu_dedicated_mask": "1",
    "hw:emulator_threads_policy": "share",
    "hw:vif_multiqueue_enabled": "true",
}
_PAGES = Path("/sys/devices/system/node/node0/hugepages/hugepages-2048kB")


def pages(which: str) -> int:
    return int((_PAGES / f"{which}_hugepages").read_text())


@pytest.fixture(scope="module")
def two_guests_worth() -> Iterator[None]:
    """Of huge pages, for as long as these tests take."""
    if not _PAGES.is_dir():
        pytest.skip("this kernel has no huge pages of 2 MiB")
    before = pages("nr")
    more = 2 * EACH - pages("free")
    try:
        if more > 0:
            (_PAGES / "nr_hugepages").write_text(str(before + more))
        if pages("free") < 2 * EACH:
            pytest.skip(f"this host's memory has no room for {2 * EACH} huge pages")
        yield
    finally:
        (_PAGES / "nr_hugepages").write_text(str(before))


@pytest.fixture(scope="module")
def hosts(two_guests_worth: None, tmp_path_factory: pytest.TempPathFactory) -> list[QemuHypervisor]:
    directory, images = tmp_path_factory.mktemp("hosts"), StoredImages()
    divided = {"dedicated_processors": str(HERE[-1]), "shared_processors": ",".join(map(str, HERE[:-1])), "vnc": False}
    return [
        a_host(directory / name, images, f"127.0.0.{n}", **divided, shutdown_s=0.5)
        for n, name in enumerate(("here", "there"), 1)
    ]


@pytest.fixture(scope="module")
def guest(hosts: list[QemuHypervisor], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    volume = tmp_path_factory.mktemp("volume") / "root"
    volume.touch()
    os.truncate(volume, 8 << 20)
    connection = {"driver_volume_type": "local", "data": {"path": str(volume), "format": "raw"}}
    port_id = f"{os.getpid():08x}-1111-2222-3333-444455556666"
    vif: dict[str, Any] = {"id": port_id, "mac_address": "fa:16:3e:11:22:33", "mtu": 1450}
    taps.ensure(None, port_id)  # left by a guest whose cards had one queue
    made = a_guest(
        None,
        volumes=[Disk("root-volume", "/dev/vda", connection, boot_index=0)],
        vifs=[vif],
        flavor={"vcpus": 2, "ram": RAM_MB, "extra_specs": SPECS},
    )
    hosts[0].spawn(made)
    yield made
    for host in hosts:
        host.destroy(made.id)


def ask(host: QemuHypervisor, guest: Guest, command: str, **given: Any) -> Any:
    with processes.questions(host.host.folders.of(guest.id)) as monitor:
        return monitor.ask(command, **given)


def affinities(host: QemuHypervisor, guest: Guest) -> tuple[set[int], list[set[int]]]:
    """Of QEMU itself, and of each of the guest's processors."""
    pid = processes.pid_of(host.host.folders.of(guest.id))
    assert pid is not None
    threads = [cpu["thread-id"] for cpu in ask(host, guest, "query-cpus-fast")]
    return os.sched_getaffinity(pid), [os.sched_getaffinity(thread) for thread in threads]


def test_its_memory_is_in_huge_pages(hosts: list[QemuHypervisor], guest: Guest) -> None:
    (memory,) = ask(hosts[0], guest, "query-memdev")
    assert (memory["id"], memory["size"], memory["prealloc"]) == ("ram0", RAM_MB << 20, True)
    assert ask(hosts[0], guest, "qom-get", path="/objects/ram0", property="hugetlb") is True
    assert ask(hosts[0], guest, "qom-get", path="/objects/ram0", property="hugetlbsize") == PAGE_KB << 10
    told = hosts[0].resources().facts["numa"]
    assert told["guests"] == [guest.id]
    assert int(told["cells"][0]["pages"][str(PAGE_KB)]) == pages("free") <= pages("nr") - EACH


def test_its_processors_are_where_they_belong(hosts: list[QemuHypervisor], guest: Guest) -> None:
    shared, own = set(HERE[:-1]), {HERE[-1]}
    assert affinities(hosts[0], guest) == (shared, [shared, own])
    (node,) = hosts[0].topology(guest.id)["nodes"]
    assert (node["host_node"], node["cpu_pinning"]) == (0, {"1": HERE[-1]})
    hosts[0].reboot(guest.id, hard=True)
    assert affinities(hosts[0], guest) == (shared, [shared, own])


def test_its_card_has_a_queue_for_each(hosts: list[QemuHypervisor], guest: Guest) -> None:
    said = ask(hosts[0], guest, "human-monitor-command", command_line="info network")
    assert said.count(f"ifname={taps.name_of(guest.vifs[0]['id'])}") == 2
    card = f"/machine/peripheral/nic-{guest.vifs[0]['id']}"
    assert ask(hosts[0], guest, "qom-get", path=card, property="mq") is True


def test_another_one_is_refused_with_the_reason(hosts: list[QemuHypervisor], guest: Guest) -> None:
    with pytest.raises(ValueError, match=r"host here has 0 free processors set aside .* in node 0, 1 wanted"):
        hosts[0].spawn(a_guest(None, volumes=guest.volumes, flavor=guest.flavor))
    assert list(hosts[0].guests()) == [guest.id]


def test_memory_is_bound_to_its_node_where_there_are_several(hosts: list[QemuHypervisor], guest: Guest) -> None:
    """The record is told that this host had several: QEMU is started as it would be there."""
    record = hosts[0].host.folders.load(guest.id)
    record.machine["placed"]["several"] = True
    hosts[0].host.folders.save(record)
    hosts[0].reboot(guest.id, hard=True)
    (memory,) = ask(hosts[0], guest, "query-memdev")
    assert (memory["policy"], memory["host-nodes"]) == ("bind", [0])


def test_it_takes_pages_and_processors_of_the_host_it_moves_to(hosts: list[QemuHypervisor], guest: Guest) -> None:
    free = pages("free")
    hosts[0].live_migrate(guest.id, hosts[1].prepare_live(guest, copy_disks=False))
    assert (hosts[0].guests(), hosts[1].guests()) == ({}, {guest.id: 1})
    kept = placement.kept_of(hosts[1].host.folders.load(guest.id), "there")
    assert kept is not None and kept.cells[0].pins == {1: HERE[-1]}
    assert affinities(hosts[1], guest)[1][1] == {HERE[-1]}
    assert pages("free") == free
    assert hosts[0].resources().facts["numa"]["guests"] == []


def test_nothing_of_it_stays(hosts: list[QemuHypervisor], guest: Guest) -> None:
    free = pages("free")
    hosts[1].destroy(guest.id)
    assert pages("free") == free + EACH
    assert not taps.exists(taps.name_of(guest.vifs[0]["id"]))
