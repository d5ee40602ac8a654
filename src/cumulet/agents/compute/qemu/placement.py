"""Where on the host a guest's memory and processors are: NUMA nodes, pages, processors of its own.

Source: flavor extra specs hw:numa_nodes, hw:numa_cpus.N, hw:numa_mem.N, hw:mem_page_size, hw:cpu_policy and the image
properties of the same meaning; a host that cannot do what they ask refuses with the reason, as Nova's
NUMATopologyFilter would have passed it by.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

NOWHERE: Final[dict[str, Any]] = {"nodes": [], "page_kb": 0, "dedicated": False}
_NODES: Final = Path("/sys/devices/system/node")
_SMALL_KB: Final = 4
_UNITS: Final = {"": 1, "KB": 1, "K": 1, "KIB": 1, "MB": 1024, "M": 1024, "MIB": 1024, "GB": 1 << 20, "G": 1 << 20}


def choose(
    flavor: dict[str, Any], image: dict[str, Any], specs: dict[str, Any], *, host: Path = _NODES
) -> dict[str, Any]:
    """`{"nodes": [{"cpus", "memory_mb"}], "page_kb", "dedicated"}`: no nodes when nothing is asked, page_kb 0 for the
    host's usual ones. Raises ValueError for what this host cannot give."""
    count, here = int(specs.get("hw:numa_nodes") or image.get("hw_numa_nodes") or 0), len(_host_nodes(host))
    if count > here:
        raise ValueError(f"the guest is to have {count} NUMA nodes, and this host has {here}")
    nodes = _nodes(count, flavor, image, specs)
    size = _page_kb(specs.get("hw:mem_page_size") or image.get("hw_mem_page_size"), int(flavor["ram"]), host)
    if size > _SMALL_KB:
        _require_pages(host, size, int(flavor["ram"]))
    policy = specs.get("hw:cpu_policy") or image.get("hw_cpu_policy") or "shared"
    if policy not in ("shared", "dedicated"):
        raise ValueError(f"hw:cpu_policy {policy} is not known here (shared and dedicated are)")
    return {"nodes": nodes, "page_kb": size, "dedicated": policy == "dedicated"}


def _nodes(count: int, flavor: dict[str, Any], image: dict[str, Any], specs: dict[str, Any]) -> list[dict[str, Any]]:
    """Equal ones, where flavor and image do not say what each has."""
    vcpus, memory = int(flavor["vcpus"]), int(flavor["ram"])
    found: list[dict[str, Any]] = []
    for node in range(count):
        cpus = specs.get(f"hw:numa_cpus.{node}") or image.get(f"hw_numa_cpus.{node}")
        size = specs.get(f"hw:numa_mem.{node}") or image.get(f"hw_numa_mem.{node}")
        if (cpus is None) != (size is None):
            raise ValueError(f"NUMA node {node} must be given both its processors and its memory")
        if size is None and (vcpus % count or memory % count):
            raise ValueError(f"{vcpus} processors and {memory} MB cannot be divided evenly into {count} NUMA nodes")
        share = range(vcpus * node // count, vcpus * (node + 1) // count)
        own = sorted(numbers(str(cpus))) if cpus else list(share)
        found.append({"cpus": own, "memory_mb": int(size or memory // count)})
    if not found:
        return []
    if sorted(cpu for node in found for cpu in node["cpus"]) != list(range(vcpus)):
        raise ValueError(f"the NUMA nodes' processors are not the guest's {vcpus}")
    if sum(node["memory_mb"] for node in found) != memory:
        raise ValueError(f"the NUMA nodes' memory is not the guest's {memory} MB")
    return found


def numbers(text: str) -> set[int]:
    """Of a list like "0-3,^2,8". Raises ValueError for what is none."""
    found: set[int] = set()
    without: set[int] = set()
    for part in filter(None, (word.strip() for word in text.split(","))):
        match = re.fullmatch(r"(\^?)(\d+)(?:-(\d+))?", part)
        if match is None:
            raise ValueError(f"not a list of processors: {text!r}")
        (without if match[1] else found).update(range(int(match[2]), int(match[3] or match[2]) + 1))
    return found - without


def _host_nodes(host: Path) -> list[Path]:
    return sorted(host.glob("node[0-9]*")) or [host]


def _page_kb(wanted: Any, memory_mb: int, host: Path) -> int:
    """0 for whatever the host has. `any` is what fits without pages set aside."""
    text = str(wanted or "").strip()
    if text in ("", "any"):
        return 0
    if text == "small":
        return _SMALL_KB
    if text == "large":
        sizes = [size for size in _page_sizes(host) if _free_pages(host, size) * size >= memory_mb * 1024]
        if not sizes:
            raise ValueError(f"the guest wants {memory_mb} MB in large pages, and this host has not as many free")
        return max(sizes)
    match = re.fullmatch(r"(\d+)\s*([A-Za-z]*)", text)
    if match is None or match[2].upper() not in _UNITS:
        raise ValueError(f"hw:mem_page_size {text!r} is neither small, large, any nor a size")
    return int(match[1]) * _UNITS[match[2].upper()]


def _page_sizes(host: Path) -> set[int]:
    """Of the host's large pages, in KB."""
    found = (entry.name for node in _host_nodes(host) for entry in (node / "hugepages").glob("hugepages-*kB"))
    return {int(name.removeprefix("hugepages-").removesuffix("kB")) for name in found}


def _free_pages(host: Path, size_kb: int) -> int:
    files = (node / "hugepages" / f"hugepages-{size_kb}kB" / "free_hugepages" for node in _host_nodes(host))
    return sum(int(file.read_text()) for file in files if file.exists())


def _require_pages(host: Path, size_kb: int, memory_mb: int) -> None:
    sizes = _page_sizes(host)
    if size_kb not in sizes:
        known = ", ".join(f"{size} KB" for size in sorted(sizes)) or "none"
        raise ValueError(f"the guest wants pages of {size_kb} KB, and this host's large pages are: {known}")
    if memory_mb * 1024 % size_kb:
        raise ValueError(f"{memory_mb} MB cannot be divided into pages of {size_kb} KB")
    wanted, free = memory_mb * 1024 // size_kb, _free_pages(host, size_kb)
    if free < wanted:
        raise ValueError(f"the guest wants {wanted} pages of {size_kb} KB, and this host has {free} free")


def arguments(chosen: dict[str, Any], memory_mb: int) -> list[str]:
    """QEMU's."""
    nodes = chosen["nodes"]
    if not nodes and chosen["page_kb"] <= _SMALL_KB:
        return []
    found = []
    for number, node in enumerate(nodes or [{"cpus": [], "memory_mb": memory_mb}]):
        kind = "memory-backend-ram"
        if chosen["page_kb"] > _SMALL_KB:
            kind = f"memory-backend-memfd,hugetlb=on,hugetlbsize={chosen['page_kb']}K,prealloc=on"
        found += ["-object", f"{kind},id=ram{number},size={node['memory_mb']}M"]
        if nodes:
            cpus = "".join(f",cpus={cpu}" for cpu in node["cpus"])
            found += ["-numa", f"node,nodeid={number},memdev=ram{number}{cpus}"]
    return found


def backend(chosen: dict[str, Any]) -> str:
    """What -machine is to say where all memory is one object of its own."""
    return ",memory-backend=ram0" if not chosen["nodes"] and chosen["page_kb"] > _SMALL_KB else ""


def own_processors(vcpus: int, set_aside: str, taken: Iterable[int]) -> list[int]:
    """Processors that no other guest has, one for each of the guest's. Raises ValueError when there are too few."""
    if not set_aside:
        raise ValueError(
            "the guest wants processors of its own (hw:cpu_policy=dedicated), and this host sets none aside "
            "([compute] cpu_dedicated_set)"
        )
    free = sorted((numbers(set_aside) & os.sched_getaffinity(0)) - set(taken))
    if len(free) < vcpus:
        raise ValueError(f"the guest wants {vcpus} processors of its own, and this host has {len(free)} left")
    return free[:vcpus]


def pin(threads: list[int], processors: list[int]) -> None:
    """Keep each of a guest's processors (its threads, in their order) on one of the host's."""
    for thread, processor in zip(threads, processors, strict=True):
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            os.sched_setaffinity(thread, {processor})
