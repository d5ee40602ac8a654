"""This host's NUMA nodes as guests may have them: memory, pages and processors, as nova.conf divides them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cumulet.agents.compute.config import HostConfig
from cumulet.agents.compute.numa import HostCell, Placed, Wish, numbers, take

SYSTEM: Final = Path("/sys/devices/system")
Occupied = Sequence[tuple[Wish, list[Placed]]]
"""What guests asked for and where they have it."""


def cells(config: HostConfig, occupied: Occupied = (), *, system: Path = SYSTEM) -> list[HostCell]:
    """What is left beside these guests. Raises ValueError for processors in nova.conf that are no numbers."""
    found = [_cell(path, config, system) for path in nodes(system)]
    for wish, placed in occupied:
        take(found, wish, placed)
    for cell, path in zip(found, nodes(system), strict=True):
        for size in cell.pages:  # others than guests use some, too
            cell.pages[size] = min(cell.pages[size], _read(_pages(path, size) / "free_hugepages"))
    return found


def shared(config: HostConfig) -> set[int]:
    """The processors that guests share: none but those of cpu_shared_set where processors are set aside."""
    everything = os.sched_getaffinity(0)
    if config.shared_processors:
        return numbers(config.shared_processors) & everything
    return set() if config.dedicated_processors else everything


def dedicated(config: HostConfig) -> set[int]:
    return numbers(config.dedicated_processors) & os.sched_getaffinity(0)


def nodes(system: Path = SYSTEM) -> list[Path]:
    """One for the whole host, where the kernel knows of none."""
    found = sorted((system / "node").glob("node[0-9]*"), key=_number)
    return found or [system / "node" / "node0"]


def _number(node: Path) -> int:
    return int(node.name.removeprefix("node"))


def _cell(node: Path, config: HostConfig, system: Path) -> HostCell:
    file = node / "cpulist"
    here = numbers(file.read_text()) if file.exists() else os.sched_getaffinity(0)
    own = here & dedicated(config)
    sizes = [int(path.name[len("hugepages-") : -len("kB")]) for path in (node / "hugepages").glob("hugepages-*kB")]
    pages = {size: _read(_pages(node, size) / "nr_hugepages") for size in sorted(sizes)}
    memory_mb = _memory_mb(node) - sum(size * count for size, count in pages.items()) // 1024
    for kept_node, size, count in config.reserved_pages:
        if kept_node == _number(node) and size in pages:
            pages[size] = max(0, pages[size] - count)
    return HostCell(_number(node), memory_mb, sorted(here & shared(config)), sorted(own), _cores(here, system), pages)


def _cores(here: set[int], system: Path) -> list[list[int]]:
    """Those with several threads."""
    found = set()
    for cpu in here:
        file = system / "cpu" / f"cpu{cpu}" / "topology" / "thread_siblings_list"
        threads = tuple(sorted(numbers(file.read_text()))) if file.exists() else ()
        if len(threads) > 1:
            found.add(threads)
    return [list(threads) for threads in sorted(found)]


def _memory_mb(node: Path) -> int:
    for file in (node / "meminfo", Path("/proc/meminfo")):
        if file.exists() and (total := re.search(r"MemTotal:\s+(\d+) kB", file.read_text())):
            return int(total[1]) // 1024
    return 0


def _pages(node: Path, size_kb: int) -> Path:
    return node / "hugepages" / f"hugepages-{size_kb}kB"


def _read(file: Path) -> int:
    return int(file.read_text())
