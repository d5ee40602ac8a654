"""What a guest asks of NUMA nodes, pages and processors: what is understood, where it fits, why it does not."""

from __future__ import annotations

from typing import Any

import pytest

from cumulet.agents.compute import numa
from cumulet.agents.compute.numa import Cell, HostCell, Misfit, Placed, Wish

FLAVOR = {"vcpus": 4, "ram": 512}
PINNED = {"hw:cpu_policy": "dedicated"}


def wish(specs: dict[str, str], **image: str) -> Wish | None:
    return numa.wish_of({**FLAVOR, "extra_specs": specs}, image)


def certain(specs: dict[str, str], **image: str) -> Wish:
    found = wish(specs, **image)
    assert found is not None
    return found


def test_without_wishes_there_is_none() -> None:
    assert wish({}) is None
    assert wish({"hw:cpu_policy": "shared", "hw:emulator_threads_policy": "share"}) is None


def test_nodes_share_processors_and_memory() -> None:
    assert wish({"hw:numa_nodes": "2"}) == Wish([Cell([0, 1], 256), Cell([2, 3], 256)], shown=True)
    uneven = {"hw:numa_cpus.0": "0-2", "hw:numa_mem.0": "384", "hw:numa_cpus.1": "3", "hw:numa_mem.1": "128"}
    assert certain({"hw:numa_nodes": "2"} | uneven).cells == [Cell([0, 1, 2], 384), Cell([3], 128)]
    assert certain({}, hw_numa_nodes="1").cells == [Cell([0, 1, 2, 3], 512)]


def test_processors_and_pages_without_nodes_are_one_that_the_guest_is_not_told_of() -> None:
    whole = [Cell([0, 1, 2, 3], 512)]
    assert wish(PINNED) == Wish(whole, own=[0, 1, 2, 3])
    assert certain(PINNED | {"hw:emulator_threads_policy": "isolate"}).dedicated() == 5
    assert wish({"hw:mem_page_size": "2MB"}) == Wish(whole, page="2048")
    assert wish({}, hw_mem_page_size="large") == Wish(whole, page="large")
    for mask in ("0-1", "^2-3"):
        assert certain({"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": mask}).own == [0, 1]


@pytest.mark.parametrize(
    ("specs", "says"),
    [
        ({"hw:numa_nodes": "many"}, "'many' is not a number of nodes"),
        ({"hw:numa_nodes": "3"}, "cannot be evenly distributed across instance NUMA nodes"),
        ({"hw:numa_nodes": "2", "hw:numa_cpus.0": "0-3"}, "must be provided for all NUMA nodes"),
        (
            {"hw:numa_nodes": "1", "hw:numa_cpus.0": "0-2", "hw:numa_mem.0": "512"},
            r"CPU number \{3\} is not assigned to any node",
        ),
        (
            {"hw:numa_nodes": "1", "hw:numa_cpus.0": "0-3", "hw:numa_mem.0": "500"},
            "500 MB of memory assigned, but expected 512 MB",
        ),
        ({"hw:numa_nodes": "1", "hw:numa_cpus.0": "0-3", "hw:numa_mem.0": "x"}, "'x' is not a number of MB"),
        ({"hw:mem_page_size": "huge"}, "Invalid memory page size 'huge'"),
        ({"hw:cpu_policy": "mine"}, "CPU policy requested from 'flavor extra specs' is invalid, given: 'mine'"),
        ({"hw:cpu_policy": "mixed"}, "has to name some of the 4 processors"),
        ({"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "0-3"}, "and not all"),
        (PINNED | {"hw:cpu_dedicated_mask": "0"}, "Cannot specify 'hw:cpu_dedicated_mask' without the 'mixed' policy."),
        ({"hw:cpu_thread_policy": "isolate"}, "Cannot set cpu thread pinning policy"),
        ({"hw:emulator_threads_policy": "isolate"}, "requires a dedicated CPU policy option"),
        ({"hw:numa_nodes": "1", "hw:numa_cpus.0": "0-4", "hw:numa_mem.0": "512"}, "CPU number 4 is larger than max 3"),
        (
            PINNED | {"hw:cpu_thread_policy": "alone"},
            "CPU thread policy requested from 'flavor extra specs' is invalid",
        ),
    ],
)
def test_what_contradicts_itself_is_refused_with_the_reason(specs: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        wish(specs)


def test_lists_of_processors() -> None:
    assert numa.numbers("0-3, ^2,8") == {0, 1, 3, 8}
    with pytest.raises(ValueError, match="not a list of processors"):
        numa.numbers("all")


# -- where it fits -------------------------------------------------------------------------------------------------


def host() -> list[HostCell]:
    """Two nodes of eight threads on four cores, four of them set aside; 100 pages of 2 MiB on the first one."""
    return [
        HostCell(0, 1024, [0, 1, 2, 3], [4, 5, 6, 7], [[0, 4], [1, 5], [2, 6], [3, 7]], {2048: 100, 1048576: 0}),
        HostCell(1, 1024, [8, 9, 10, 11], [12, 13, 14, 15], [[8, 9], [10, 11], [12, 13], [14, 15]], {2048: 300}),
    ]


def fitted(specs: dict[str, str], cells: list[HostCell] | None = None) -> list[Placed]:
    return numa.fit(certain(specs), host() if cells is None else cells)


def test_each_node_of_the_guest_is_in_one_of_the_host() -> None:
    assert fitted({"hw:numa_nodes": "2"}) == [Placed(0), Placed(1)]
    assert fitted({"hw:numa_nodes": "1"}) == [Placed(0)]


def test_pages_are_taken_where_there_are_enough() -> None:
    assert fitted({"hw:mem_page_size": "2MB"}) == [Placed(1, 2048)]
    assert fitted({"hw:mem_page_size": "large"}) == [Placed(1, 2048)]
    assert fitted({"hw:mem_page_size": "any"}) == [Placed(0)]
    uneven = {"hw:numa_nodes": "2", "hw:numa_cpus.0": "0-1", "hw:numa_mem.0": "400"}
    uneven |= {"hw:numa_cpus.1": "2-3", "hw:numa_mem.1": "112", "hw:mem_page_size": "2048"}
    assert fitted(uneven) == [Placed(1, 2048), Placed(0, 2048)]


def test_processors_of_its_own_are_threads_of_a_core_where_that_can_be() -> None:
    assert fitted(PINNED)[0].pins == {0: 4, 1: 5, 2: 6, 3: 7}
    together = fitted(PINNED | {"hw:cpu_thread_policy": "require"})
    assert together == [Placed(1, pins={0: 12, 1: 13, 2: 14, 3: 15})]
    mixed = fitted({"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "1"})
    assert mixed == [Placed(0, pins={1: 4})]
    beside = {"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "0-1", "hw:emulator_threads_policy": "isolate"}
    assert fitted(beside) == [Placed(0, pins={0: 4, 1: 5}, emulator=6)]


def test_what_a_guest_has_is_nobody_elses() -> None:
    cells = host()
    for _ in range(2):
        numa.take(cells, certain(PINNED), fitted(PINNED, cells))
    assert [cell.own for cell in cells] == [[], []]
    assert [cell.memory_mb for cell in cells] == [512, 512]
    pages = {"hw:mem_page_size": "2048"}
    numa.take(cells, certain(pages), fitted(pages, cells))
    assert (cells[1].pages[2048], cells[1].memory_mb) == (44, 512)
    with pytest.raises(Misfit, match="has 0 free processors set aside"):
        fitted(PINNED, cells)


@pytest.mark.parametrize(
    ("specs", "says"),
    [
        ({"hw:numa_nodes": "4"}, "has 2 NUMA nodes, 4 wanted"),
        ({"hw:mem_page_size": "1GB"}, "cannot divide 512 MB into pages of 1 GiB"),
        ({"hw:mem_page_size": "64KB"}, r"no huge pages of 64 KiB in node 0 \(but 2 MiB, 1 GiB\)"),
        (PINNED | {"hw:cpu_thread_policy": "isolate"}, "several threads in node 0"),
        (
            {**PINNED, "hw:emulator_threads_policy": "isolate"},
            r"has 4 free processors set aside \(\[compute\] cpu_dedicated_set\) in node 0, 5 wanted",
        ),
    ],
)
def test_a_host_says_what_it_lacks(specs: dict[str, str], says: str) -> None:
    with pytest.raises(Misfit, match=says):
        fitted(specs)


def test_every_node_says_what_it_lacks() -> None:
    cells = [HostCell(0, 100, [0, 1, 2, 3], pages={2048: 0}), HostCell(1, 300, [4], pages={2048: 7})]
    with pytest.raises(Misfit) as refused:
        fitted({"hw:mem_page_size": "2048"}, cells)
    assert str(refused.value) == (
        "has 0 free huge pages of 2 MiB in node 0, 256 wanted; has 7 free huge pages of 2 MiB in node 1, 256 wanted"
    )
    with pytest.raises(Misfit, match="has 100 MB of memory free in node 0, 512 wanted"):
        fitted({"hw:numa_nodes": "1"}, cells)
    with pytest.raises(Misfit, match="has 1 shared processors in node 1, 2 wanted"):
        fitted({"hw:numa_nodes": "2"}, [HostCell(0, 512, [0, 1]), HostCell(1, 512, [4])])


def test_the_topology_as_it_is_shown() -> None:
    asked = certain({**PINNED, "hw:numa_nodes": "2", "hw:mem_page_size": "2MB"})
    nodes: list[dict[str, Any]] = [
        {"vcpu_set": [0, 1], "siblings": [], "memory_mb": 256},
        {"vcpu_set": [2, 3], "siblings": [], "memory_mb": 256},
    ]
    assert numa.shown(asked, []) == {"nodes": nodes, "pagesize_kb": None}
    placed = [Placed(1, 2048, {0: 12, 1: 13}), Placed(0, 2048, {2: 4, 3: 5})]
    nodes[0] |= {"host_node": 1, "cpu_pinning": {"0": 12, "1": 13}}
    nodes[1] |= {"host_node": 0, "cpu_pinning": {"2": 4, "3": 5}}
    assert numa.shown(asked, placed) == {"nodes": nodes, "pagesize_kb": 2048}
    assert numa.shown(None, []) == {"nodes": [], "pagesize_kb": None}
