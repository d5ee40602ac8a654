"""Where on this host a guest's memory and processors are: what the kernel tells of its nodes, what QEMU is told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cumulet.agents.compute import host_topology, options
from cumulet.agents.compute.config import HostConfig
from cumulet.agents.compute.folders import Folders, Record
from cumulet.agents.compute.images import ImageCache
from cumulet.agents.compute.numa import HostCell, HostNuma, Placed, wish_of
from cumulet.agents.compute.qemu import placement
from cumulet.agents.compute.qemu.host import Host
from tests.agents.compute.support import StoredImages, a_guest

HERE = sorted(os.sched_getaffinity(0))
EVERYTHING = ",".join(str(cpu) for cpu in HERE)
PINNED = {"hw:cpu_policy": "dedicated"}


def config(tmp_path: Path, **settings: Any) -> HostConfig:
    return HostConfig(host="h", instances=tmp_path / "instances", virt_type="qemu", **settings)


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """/sys/devices/system of a host of two nodes, 1 GB and two processors each, 100 large pages; two are threads of a
    core."""
    root = tmp_path / "system"
    for number, cpus in ((0, "0-1"), (1, "2,3")):
        node = root / "node" / f"node{number}"
        for size, count in ((2048, 100), (1048576, 0)):
            folder = node / "hugepages" / f"hugepages-{size}kB"
            folder.mkdir(parents=True)
            (folder / "nr_hugepages").write_text(f"{count}\n")
            (folder / "free_hugepages").write_text(f"{count - 10 * number if count else 0}\n")
        (node / "cpulist").write_text(f"{cpus}\n")
        (node / "meminfo").write_text(f"Node {number} MemTotal:        1048576 kB\nNode {number} MemFree: 9 kB\n")
    for cpu, threads in enumerate(("0", "1", "2-3", "2-3")):
        folder = root / "cpu" / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{threads}\n")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3})
    return root


def test_the_kernel_tells_of_its_nodes_and_novas_settings_divide_them(tmp_path: Path, system: Path) -> None:
    pages = {2048: 100, 1048576: 0}
    assert host_topology.cells(config(tmp_path), system=system) == [
        HostCell(0, 824, [0, 1], [], [], pages),
        HostCell(1, 824, [2, 3], [], [[2, 3]], pages | {2048: 90}),  # others than guests have ten
    ]
    divided = config(
        tmp_path, dedicated_processors="1,3", shared_processors="0-2,^1", reserved_pages=[(0, 2048, 30), (7, 2048, 1)]
    )
    first, second = host_topology.cells(divided, system=system)
    assert (first.cpus, first.own, first.pages[2048]) == ([0], [1], 70)
    assert (second.cpus, second.own) == ([2], [3])
    assert host_topology.shared(config(tmp_path, dedicated_processors="1-3")) == set()


def test_what_guests_have_is_not_there_for_others(tmp_path: Path, system: Path) -> None:
    asked = wish_of({"vcpus": 1, "ram": 128, "extra_specs": PINNED | {"hw:mem_page_size": "2MB"}}, {})
    assert asked is not None
    placed = [Placed(1, 2048, {0: 2})]
    settings = config(tmp_path, dedicated_processors="2,3")
    _, second = host_topology.cells(settings, [(asked, placed)], system=system)
    assert (second.own, second.pages[2048], second.memory_mb) == ([3], 36, 824)


def test_a_host_without_nodes_is_one(tmp_path: Path) -> None:
    (only,) = host_topology.cells(config(tmp_path), system=tmp_path)
    assert (only.id, only.cpus, only.pages) == (0, HERE, {})
    assert only.memory_mb > 0


def test_settings_are_novas(tmp_path: Path) -> None:
    file = tmp_path / "nova.conf"
    file.write_text(
        "[DEFAULT]\nreserved_huge_pages = node:0,size:2048,count:64\nreserved_huge_pages = node:1,size:1GB,count:1\n"
        "[compute]\ncpu_dedicated_set = 2-5\ncpu_shared_set = 0,1\n"
    )
    read = options.host_config(options.read([file]), tmp_path)
    assert read.reserved_pages == [(0, 2048, 64), (1, 1 << 20, 1)]
    assert (read.dedicated_processors, read.shared_processors) == ("2-5", "0,1")
    file.write_text("[DEFAULT]\nreserved_huge_pages = node:0,count:64\n")
    with pytest.raises(ValueError, match="does not say node, size and count"):
        options.host_config(options.read([file]), tmp_path)


def asked_of_qemu(specs: dict[str, str], placed: list[Placed], *, bind: bool = False) -> tuple[list[str], str]:
    asked = wish_of({"vcpus": 4, "ram": 512, "extra_specs": specs}, {})
    said = placement.arguments(asked, placed, bind=bind)
    return said, placement.backend(asked, said)


def test_qemu_is_told_of_nodes_that_the_guest_sees() -> None:
    assert asked_of_qemu({}, []) == ([], "")
    said, backend = asked_of_qemu({"hw:numa_nodes": "2"}, [Placed(0), Placed(1)])
    assert said == [
        *("-object", "memory-backend-ram,id=ram0,size=256M", "-numa", "node,nodeid=0,memdev=ram0,cpus=0,cpus=1"),
        *("-object", "memory-backend-ram,id=ram1,size=256M", "-numa", "node,nodeid=1,memdev=ram1,cpus=2,cpus=3"),
    ]
    assert backend == ""


def test_qemu_is_told_where_memory_is_and_of_which_pages() -> None:
    bound, backend = asked_of_qemu(PINNED, [Placed(1)], bind=True)
    assert (bound, backend) == (
        ["-object", "memory-backend-ram,id=ram0,size=512M,host-nodes=1,policy=bind"], ",memory-backend=ram0",
    )  # fmt: skip
    assert asked_of_qemu(PINNED, [Placed(0)]) == ([], "")
    large, backend = asked_of_qemu({"hw:mem_page_size": "large"}, [Placed(0, 2048)])
    assert (large, backend) == (
        ["-object", "memory-backend-memfd,hugetlb=on,hugetlbsize=2048K,prealloc=on,id=ram0,size=512M"],
        ",memory-backend=ram0",
    )


# -- what a record says --------------------------------------------------------------------------------------------


def a_host(tmp_path: Path, **settings: Any) -> Host:
    made = config(tmp_path, **settings)
    return Host(made, Folders(made.instances), ImageCache(made.cache, StoredImages()))


def a_record(host: Host, **specs: str) -> Record:
    record = Record(a_guest(None, flavor={"extra_specs": {f"hw:{name}": value for name, value in specs.items()}}))
    host.folders.make(record.id)
    host.folders.save(record)
    return record


def test_processors_of_its_own_are_kept_and_nobody_elses(tmp_path: Path) -> None:
    host = a_host(tmp_path, dedicated_processors=EVERYTHING)
    records = [a_record(host, cpu_policy="dedicated") for _ in HERE]
    for record in [*records, records[0]]:
        placement.place(host, record)
    kept = [placement.kept_of(host.folders.load(record.id), "h") for record in records]
    assert sorted(pin for one in kept if one for place in one.cells for pin in place.pins.values()) == HERE
    late = a_record(host, cpu_policy="dedicated")
    with pytest.raises(ValueError, match="host h has 0 free processors set aside"):
        placement.place(host, late)
    host.folders.remove(records[0].id)
    placement.place(host, late)
    told = msgspec.convert(placement.report(host, host.folders.all()), HostNuma, str_keys=True)
    assert told.pcpus == len(HERE)
    assert set(told.guests) == {late.id, *(record.id for record in records[1:])}
    assert [cpu for cell in told.cells for cpu in cell.own] == []


def test_one_that_comes_from_another_host_or_back_is_placed_anew(tmp_path: Path) -> None:
    host = a_host(tmp_path, dedicated_processors=str(HERE[0]))
    first, second = a_record(host, cpu_policy="dedicated"), a_record(host, cpu_policy="dedicated")
    placement.place(host, first)
    first.moved_to = "another host"
    host.folders.save(first)
    placement.place(host, second)
    first.moved_to = ""
    with pytest.raises(ValueError, match="has 0 free"):
        placement.place(host, first)
    assert placement.kept_of(second, "another host") is None


def test_a_flavor_without_wishes_leaves_nothing_in_the_record(tmp_path: Path) -> None:
    host = a_host(tmp_path)
    record = a_record(host, numa_nodes="1")
    placement.place(host, record)
    assert placement.kept_of(record, "h") is not None
    record.guest = msgspec.structs.replace(record.guest, flavor={**record.guest.flavor, "extra_specs": {}})
    placement.place(host, record)
    assert placement.kept_of(host.folders.load(record.id), "h") is None
