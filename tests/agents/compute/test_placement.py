"""Where a guest's memory and processors are: what its flavor asks for, and what a host cannot give."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from cumulet.agents.compute.qemu import placement

FLAVOR = {"vcpus": 4, "ram": 512}


@pytest.fixture
def two_nodes(tmp_path: Path) -> Path:
    """A host of two NUMA nodes with 100 free pages of 2 MB and none of 1 GB on each."""
    for node in ("node0", "node1"):
        for size, free in ((2048, 100), (1048576, 0)):
            folder = tmp_path / node / "hugepages" / f"hugepages-{size}kB"
            folder.mkdir(parents=True)
            (folder / "free_hugepages").write_text(f"{free}\n")
    return tmp_path


def chosen(host: Path, specs: dict[str, str], **image: str) -> dict[str, Any]:
    return placement.choose(FLAVOR, image, specs, host=host)


def test_without_wishes_nothing_is_said(two_nodes: Path) -> None:
    nowhere = chosen(two_nodes, {})
    assert nowhere == placement.NOWHERE
    assert placement.arguments(nowhere, 512) == []
    assert placement.backend(nowhere) == ""


def test_nodes_share_processors_and_memory(two_nodes: Path) -> None:
    shared = chosen(two_nodes, {"hw:numa_nodes": "2"})
    assert shared["nodes"] == [{"cpus": [0, 1], "memory_mb": 256}, {"cpus": [2, 3], "memory_mb": 256}]
    assert placement.arguments(shared, 512) == [
        *("-object", "memory-backend-ram,id=ram0,size=256M", "-numa", "node,nodeid=0,memdev=ram0,cpus=0,cpus=1"),
        *("-object", "memory-backend-ram,id=ram1,size=256M", "-numa", "node,nodeid=1,memdev=ram1,cpus=2,cpus=3"),
    ]
    uneven = {"hw:numa_cpus.0": "0-2", "hw:numa_mem.0": "384", "hw:numa_cpus.1": "3", "hw:numa_mem.1": "128"}
    assert chosen(two_nodes, {"hw:numa_nodes": "2"} | uneven)["nodes"] == [
        {"cpus": [0, 1, 2], "memory_mb": 384},
        {"cpus": [3], "memory_mb": 128},
    ]
    assert len(chosen(two_nodes, {}, hw_numa_nodes="1")["nodes"]) == 1


def test_large_pages_are_memory_of_their_own(two_nodes: Path) -> None:
    flavor = {"vcpus": 1, "ram": 256}
    for wish in ("2048", "2MB", "large"):
        found = placement.choose(flavor, {}, {"hw:mem_page_size": wish}, host=two_nodes)
        assert found["page_kb"] == 2048
    assert placement.backend(found) == ",memory-backend=ram0"
    assert placement.arguments(found, 256) == [
        "-object",
        "memory-backend-memfd,hugetlb=on,hugetlbsize=2048K,prealloc=on,id=ram0,size=256M",
    ]
    for wish in ("small", "any"):
        found = placement.choose(flavor, {}, {"hw:mem_page_size": wish}, host=two_nodes)
        assert placement.arguments(found, 256) == []


@pytest.mark.parametrize(
    ("specs", "says"),
    [
        ({"hw:numa_nodes": "3"}, "3 NUMA nodes, and this host has 2"),
        ({"hw:numa_nodes": "2", "hw:numa_cpus.0": "0-3"}, "both its processors and its memory"),
        ({"hw:numa_nodes": "1", "hw:numa_cpus.0": "0-2", "hw:numa_mem.0": "512"}, "are not the guest's 4"),
        ({"hw:numa_nodes": "1", "hw:numa_cpus.0": "0-3", "hw:numa_mem.0": "500"}, "not the guest's 512 MB"),
        ({"hw:mem_page_size": "2MB"}, "256 pages of 2048 KB, and this host has 200 free"),
        ({"hw:mem_page_size": "large"}, "not as many free"),
        ({"hw:mem_page_size": "1GB"}, "512 MB cannot be divided into pages of 1048576 KB"),
        ({"hw:mem_page_size": "64KB"}, "large pages are: 2048 KB, 1048576 KB"),
        ({"hw:mem_page_size": "huge"}, "neither small, large, any nor a size"),
        ({"hw:cpu_policy": "mine"}, "cpu_policy mine is not known"),
    ],
)
def test_what_a_host_cannot_give_is_refused_with_the_reason(two_nodes: Path, specs: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        chosen(two_nodes, specs)


def test_processors_of_its_own_are_nobody_elses() -> None:
    here = sorted(os.sched_getaffinity(0))
    everything = ",".join(str(cpu) for cpu in here)
    assert placement.own_processors(1, everything, []) == here[:1]
    if len(here) > 1:
        assert placement.own_processors(1, everything, here[:1]) == here[1:2]
    with pytest.raises(ValueError, match="has 0 left"):
        placement.own_processors(1, everything, here)
    with pytest.raises(ValueError, match="cpu_dedicated_set"):
        placement.own_processors(1, "", [])
    assert placement.numbers("0-3, ^2,8") == {0, 1, 3, 8}
    with pytest.raises(ValueError, match="not a list of processors"):
        placement.numbers("all")
