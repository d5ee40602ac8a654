"""What a guest asks of a host's NUMA nodes, pages and processors, and where on a host it fits.

Known to the scheduler, to hosts and to simulated ones, so that all of them say the same. Sources: flavor extra specs
hw:numa_nodes, hw:numa_cpus.N, hw:numa_mem.N, hw:mem_page_size, hw:cpu_policy, hw:cpu_dedicated_mask,
hw:cpu_thread_policy, hw:emulator_threads_policy, and the image properties of the same meaning (hw_…).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct, field

SMALL_KB: Final = 4
_UNITS: Final = {"": 1, "KB": 1, "K": 1, "KIB": 1, "MB": 1024, "M": 1024, "MIB": 1024, "GB": 1 << 20, "G": 1 << 20}
_WORDS: Final = ("small", "large", "any")
_POLICIES: Final = ("dedicated", "shared", "mixed")
_THREADS: Final = ("prefer", "isolate", "require")
_EMULATOR: Final = ("share", "isolate")


class Cell(Struct, frozen=True):
    """A NUMA node of a guest: the numbers of its processors."""

    cpus: list[int]
    memory_mb: int


class Wish(Struct, frozen=True):
    """`cells`: at least one, and what each has comes from one node of the host. `shown`: the guest is told of them.
    `own`: its processors that are to have one of the host's for themselves. `page`: empty, small, large, any, or KB."""

    cells: list[Cell]
    shown: bool = False
    own: list[int] = []
    threads: str = "prefer"
    emulator: str = ""  # what else QEMU does: "" beside the guest's processors, share: on the shared ones, isolate
    page: str = ""

    def dedicated(self) -> int:
        """How many of the host's processors are to be its own (PCPU)."""
        return len(self.own) + (self.emulator == "isolate")


class HostCell(Struct):
    """What a NUMA node of a host has left: memory in usual pages, large ones by their size in KB, processors set aside.

    `cpus` are the shared ones; `siblings` are the cores with several threads.
    """

    id: int
    memory_mb: int
    cpus: list[int] = []
    own: list[int] = []
    siblings: list[list[int]] = []
    pages: dict[int, int] = field(default_factory=dict)


class HostNuma(Struct):
    """A host's report: its nodes without what its guests have, which guests those are, and all it has set aside."""

    cells: list[HostCell] = []
    guests: list[str] = []
    pcpus: int = 0


class Placed(Struct, frozen=True):
    """Where one of a guest's cells is. `pins`: the host's processor by the guest's; `emulator`: one for all else."""

    cell: int
    page_kb: int = 0
    pins: dict[int, int] = {}
    emulator: int | None = None


class Misfit(ValueError):
    """A host that cannot give what is asked for; the message goes on after the host's name: "has …"."""


# -- what is asked for ---------------------------------------------------------------------------------------------


def wish_of(flavor: Mapping[str, Any], image: Mapping[str, Any]) -> Wish | None:
    """None when nothing is asked. Raises ValueError that says what contradicts itself."""
    specs = flavor.get("extra_specs") or {}

    def asked(name: str, what: str = "", known: tuple[str, ...] = ()) -> str:
        value = str(specs.get(f"hw:{name}") or image.get(f"hw_{name}") or "").strip()
        if known and value and value not in known:
            source = "flavor extra specs" if specs.get(f"hw:{name}") else "image properties"
            raise ValueError(f"{what} requested from '{source}' is invalid, given: '{value}', available: '{known}'.")
        return value

    count = _count(asked("numa_nodes"))
    page = _page(asked("mem_page_size"))
    own = _own(
        int(flavor["vcpus"]),
        asked("cpu_policy", "CPU policy", _POLICIES),
        str(specs.get("hw:cpu_dedicated_mask") or ""),
    )
    threads = asked("cpu_thread_policy", "CPU thread policy", _THREADS)
    emulator = asked("emulator_threads_policy", "Emulator threads policy", _EMULATOR)
    if threads and not own:
        raise ValueError("Cannot set cpu thread pinning policy in a non dedicated cpu pinning policy")
    if emulator == "isolate" and not own:
        raise ValueError("An isolated CPU emulator threads option requires a dedicated CPU policy option.")
    if not (count or page or own):
        return None
    cells = _cells(count or 1, flavor, image, specs)
    return Wish(cells, bool(count), own, threads or "prefer", emulator, page)


def _count(text: str) -> int:
    if text and (not text.isdigit() or not int(text)):
        raise ValueError(f"hw:numa_nodes: {text!r} is not a number of nodes")
    return int(text or 0)


def _page(text: str) -> str:
    if text in ("", *_WORDS):
        return text
    try:
        return str(kb_of(text))
    except ValueError:
        raise ValueError(f"Invalid memory page size '{text}'") from None


def kb_of(text: str) -> int:
    """Of a size like 2048, 2MB or 1GB. Raises ValueError for what is none."""
    match = re.fullmatch(r"(\d+)\s*([A-Za-z]*)", text)
    if match is None or match[2].upper() not in _UNITS or not int(match[1]):
        raise ValueError(f"not a size: {text!r}")
    return int(match[1]) * _UNITS[match[2].upper()]


def _own(vcpus: int, policy: str, mask: str) -> list[int]:
    everything = set(range(vcpus))
    if policy != "mixed":
        if mask:
            raise ValueError("Cannot specify 'hw:cpu_dedicated_mask' without the 'mixed' policy.")
        return sorted(everything) if policy == "dedicated" else []
    chosen = numbers(mask, of=everything)
    if not chosen or not chosen < everything:
        raise ValueError(f"hw:cpu_dedicated_mask {mask!r} has to name some of the {vcpus} processors, and not all")
    return sorted(chosen)


def _cells(count: int, flavor: Mapping[str, Any], image: Mapping[str, Any], specs: Mapping[str, Any]) -> list[Cell]:
    """Equal ones, where flavor and image do not say what each has."""
    vcpus, memory = int(flavor["vcpus"]), int(flavor["ram"])
    found = []
    for node in range(count):
        cpus = specs.get(f"hw:numa_cpus.{node}") or image.get(f"hw_numa_cpus.{node}")
        size = specs.get(f"hw:numa_mem.{node}") or image.get(f"hw_numa_mem.{node}")
        if (cpus is None) != (size is None):
            raise ValueError("CPU and memory allocation must be provided for all NUMA nodes")
        if size is None and (vcpus % count or memory % count):
            raise ValueError(
                "Instance CPUs and/or memory cannot be evenly distributed across instance NUMA nodes. "
                "Explicit assignment of CPUs and memory to nodes is required"
            )
        if size is not None and not str(size).isdigit():
            raise ValueError(f"hw:numa_mem.{node}: {size!r} is not a number of MB")
        share = range(vcpus * node // count, vcpus * (node + 1) // count)
        found.append(Cell(sorted(numbers(str(cpus))) if cpus else list(share), int(size or memory // count)))
    _require_all(found, vcpus, memory)
    return found


def _require_all(cells: list[Cell], vcpus: int, memory: int) -> None:
    """Each processor in one node, and as much memory as there is."""
    assigned = [cpu for cell in cells for cpu in cell.cpus]
    if assigned and max(assigned) >= vcpus:
        raise ValueError(f"CPU number {max(assigned)} is larger than max {vcpus - 1}")
    for cpu in assigned:
        if assigned.count(cpu) > 1:
            raise ValueError(f"CPU number {cpu} is assigned to two nodes")
    if missing := set(range(vcpus)) - set(assigned):
        raise ValueError(f"CPU number {missing} is not assigned to any node")
    given = sum(cell.memory_mb for cell in cells)
    if given != memory:
        raise ValueError(f"{given} MB of memory assigned, but expected {memory} MB")


def numbers(text: str, of: set[int] | None = None) -> set[int]:
    """Of a list like "0-3,^2,8". One that only excludes is the rest `of` a set. Raises ValueError for what is none."""
    found: set[int] = set()
    without: set[int] = set()
    for part in filter(None, (word.strip() for word in text.split(","))):
        match = re.fullmatch(r"(\^?)(\d+)(?:-(\d+))?", part)
        if match is None:
            raise ValueError(f"not a list of processors: {text!r}")
        (without if match[1] else found).update(range(int(match[2]), int(match[3] or match[2]) + 1))
    if without and not found and of is not None:
        found = set(of)
    return found - without


# -- where it fits -------------------------------------------------------------------------------------------------


def fit(wish: Wish, cells: list[HostCell]) -> list[Placed]:
    """A node of the host for each of the guest's. Raises Misfit with what the first one that finds none lacks."""
    if len(wish.cells) > len(cells):
        raise Misfit(f"has {len(cells)} NUMA nodes, {len(wish.cells)} wanted")
    lacks: dict[int, list[str]] = {}
    found = _assign(wish, 0, cells, lacks)
    if found is None:
        deepest = max(lacks)
        raise Misfit("; ".join(dict.fromkeys(lacks[deepest])))
    return found


def _assign(wish: Wish, number: int, cells: list[HostCell], lacks: dict[int, list[str]]) -> list[Placed] | None:
    if number == len(wish.cells):
        return []
    for cell in cells:
        try:
            placed = _place(wish, number, cell)
        except Misfit as error:
            lacks.setdefault(number, []).append(str(error))
            continue
        rest = _assign(wish, number + 1, [other for other in cells if other is not cell], lacks)
        if rest is not None:
            return [placed, *rest]
    return None


def _place(wish: Wish, number: int, host: HostCell) -> Placed:
    cell = wish.cells[number]
    page_kb = _page_of(wish.page, cell.memory_mb, host)
    own = [cpu for cpu in cell.cpus if cpu in wish.own]
    alone = wish.emulator == "isolate" and number == 0
    if len(cell.cpus) - len(own) > len(host.cpus):
        raise Misfit(f"has {len(host.cpus)} shared processors in node {host.id}, {len(cell.cpus) - len(own)} wanted")
    free = _free_own(wish.threads, host) if own else []
    if len(free) < len(own) + alone:
        raise Misfit(
            f"has {len(free)} free processors set aside ([compute] cpu_dedicated_set) in node {host.id}, "
            f"{len(own) + alone} wanted"
        )
    pins = dict(zip(own, free, strict=False))
    return Placed(host.id, page_kb, pins, free[len(own)] if alone else None)


def _free_own(threads: str, host: HostCell) -> list[int]:
    """Threads of a core one after the other, whole cores first."""
    if threads == "isolate" and host.siblings:
        raise Misfit(f"has cores with several threads in node {host.id}, and the guest is to be alone on its cores")
    cores = [[cpu for cpu in core if cpu in host.own] for core in host.siblings]
    if threads == "require":
        cores = [core for core in cores if len(core) > 1]
        return [cpu for core in cores for cpu in core]
    cores.sort(key=len, reverse=True)
    threaded = [cpu for core in cores for cpu in core]
    return threaded + [cpu for cpu in host.own if cpu not in threaded]


def _page_of(wanted: str, memory_mb: int, host: HostCell) -> int:
    """The size in KB, 0 for the usual ones."""
    if wanted == "large":
        kb = memory_mb * 1024
        fitting = [size for size, free in host.pages.items() if not kb % size and free >= kb // size]
        if not fitting:
            raise Misfit(f"has no free huge pages for {memory_mb} MB in node {host.id}")
        return max(fitting)
    if wanted in ("", "small", "any") or int(wanted) <= SMALL_KB:
        if memory_mb > host.memory_mb:
            raise Misfit(f"has {max(0, host.memory_mb)} MB of memory free in node {host.id}, {memory_mb} wanted")
        return 0
    size = int(wanted)
    if size not in host.pages:
        known = ", ".join(size_of(one) for one in sorted(host.pages)) or "none"
        raise Misfit(f"has no huge pages of {size_of(size)} in node {host.id} (but {known})")
    if memory_mb * 1024 % size:
        raise Misfit(f"cannot divide {memory_mb} MB into pages of {size_of(size)}")
    count = memory_mb * 1024 // size
    if host.pages[size] < count:
        raise Misfit(f"has {host.pages[size]} free huge pages of {size_of(size)} in node {host.id}, {count} wanted")
    return size


def size_of(kb: int) -> str:
    """As people say it: 2 MiB."""
    for unit, each in (("GiB", 1 << 20), ("MiB", 1 << 10)):
        if kb >= each and not kb % each:
            return f"{kb // each} {unit}"
    return f"{kb} KiB"


def take(cells: list[HostCell], wish: Wish, placed: list[Placed]) -> None:
    """Leave the nodes without what a guest has there."""
    by_id = {cell.id: cell for cell in cells}
    for wanted, place in zip(wish.cells, placed, strict=True):
        cell = by_id.get(place.cell)
        if cell is None:  # the host had more nodes once
            continue
        gone = {*place.pins.values(), place.emulator}
        cell.own = [cpu for cpu in cell.own if cpu not in gone]
        if place.page_kb > SMALL_KB:
            left = cell.pages.get(place.page_kb, 0) - wanted.memory_mb * 1024 // place.page_kb
            cell.pages[place.page_kb] = max(0, left)
        else:
            cell.memory_mb -= wanted.memory_mb


def shown(wish: Wish | None, placed: list[Placed]) -> dict[str, Any]:
    """As the API's topology of a server has it (nodes, pagesize_kb). Before it is placed, without the host's part."""
    if wish is None:
        return {"nodes": [], "pagesize_kb": None}
    nodes = []
    for number, cell in enumerate(wish.cells):
        node: dict[str, Any] = {"vcpu_set": cell.cpus, "siblings": [], "memory_mb": cell.memory_mb}
        if placed:
            pins = {str(cpu): pin for cpu, pin in placed[number].pins.items()}
            node |= {"host_node": placed[number].cell, "cpu_pinning": pins}
        nodes.append(node)
    sizes = {place.page_kb for place in placed} - {0}
    small = SMALL_KB if wish.page in ("small", "any") and placed else None
    return {"nodes": nodes, "pagesize_kb": max(sizes, default=small)}
