"""Where on the host a guest's memory and processors are: chosen when it is started here, and kept by its record.

What it asks for and where that fits is `agents.compute.numa`'s to say.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from cumulet.agents.compute import host_topology, numa
from cumulet.agents.compute.folders import Record
from cumulet.agents.compute.numa import HostNuma, Misfit, Placed, Wish
from cumulet.agents.compute.qemu.host import Host

_KEPT: Final = "placed"  # in a record's machine
_choosing: Final = threading.Lock()


class Kept(Struct):
    """On which host it was chosen, for what wish."""

    host: str
    wish: Wish
    cells: list[Placed]
    several: bool = False  # the host has more than one node, so that it matters where memory is


def wish_of(record: Record) -> Wish | None:
    return numa.wish_of(record.guest.flavor, record.guest.image)


def place(host: Host, record: Record) -> None:
    """Have the record say where it is; what it had here it keeps, while that is free. Raises ValueError when this host
    cannot give what it asks for."""
    wish = wish_of(record)
    if wish is None:
        if record.machine.pop(_KEPT, None) is not None:
            host.folders.save(record)
        return
    with _choosing:
        cells = host_topology.cells(host.config, _occupied(_others(host, record)))
        kept = kept_of(record, host.config.host)
        if kept is not None and kept.wish == wish and _is_free(kept, cells):
            return
        try:
            chosen = numa.fit(wish, cells)
        except Misfit as error:
            raise ValueError(f"host {host.config.host} {error}") from None
        record.machine[_KEPT] = msgspec.to_builtins(Kept(host.config.host, wish, chosen, len(cells) > 1), str_keys=True)
        host.folders.save(record)


def _others(host: Host, record: Record) -> Iterable[Kept]:
    kept = (kept_of(one, host.config.host) for one in host.folders.all() if one.id != record.id)
    return [one for one in kept if one is not None]


def _occupied(kept: Iterable[Kept]) -> host_topology.Occupied:
    return [(one.wish, one.cells) for one in kept]


def _is_free(kept: Kept, cells: list[numa.HostCell]) -> bool:
    """Whether nobody else has its processors and pages by now: a guest that comes back may have been away."""
    by_id = {cell.id: cell for cell in cells}
    for wanted, place in zip(kept.wish.cells, kept.cells, strict=True):
        cell = by_id.get(place.cell)
        own = {*place.pins.values(), *([] if place.emulator is None else [place.emulator])}
        if cell is None or not own <= set(cell.own):
            return False
        if place.page_kb and cell.pages.get(place.page_kb, 0) * place.page_kb < wanted.memory_mb * 1024:
            return False
    return True


def kept_of(record: Record, host: str) -> Kept | None:
    """None for a guest that was placed on another host, left for one, or was never placed."""
    found = record.machine.get(_KEPT)
    if not found or found["host"] != host or record.moved_to:
        return None
    return msgspec.convert(found, Kept, str_keys=True)


def report(host: Host, records: Iterable[Record]) -> dict[str, Any]:
    """What the scheduler is told (`numa.HostNuma`)."""
    kept = {one.id: found for one in records if (found := kept_of(one, host.config.host)) is not None}
    cells = host_topology.cells(host.config, _occupied(kept.values()))
    pcpus = len(host_topology.dedicated(host.config))
    said: dict[str, Any] = msgspec.to_builtins(HostNuma(cells, sorted(kept), pcpus), str_keys=True)
    return said


# -- QEMU's part ---------------------------------------------------------------------------------------------------


def arguments(wish: Wish | None, placed: list[Placed], *, bind: bool) -> list[str]:
    """`bind`: the host has several nodes, so it matters in which one the memory is."""
    if wish is None or not (wish.shown or bind or placed[0].page_kb):
        return []
    found = []
    for number, (cell, place) in enumerate(zip(wish.cells, placed, strict=True)):
        kind = "memory-backend-ram"
        if place.page_kb:
            kind = f"memory-backend-memfd,hugetlb=on,hugetlbsize={place.page_kb}K,prealloc=on"
        where = f",host-nodes={place.cell},policy=bind" if bind else ""
        found += ["-object", f"{kind},id=ram{number},size={cell.memory_mb}M{where}"]
        if wish.shown:
            cpus = "".join(f",cpus={cpu}" for cpu in cell.cpus)
            found += ["-numa", f"node,nodeid={number},memdev=ram{number}{cpus}"]
    return found


def backend(wish: Wish | None, arguments: list[str]) -> str:
    """What -machine is to say where all memory is one object of its own."""
    return ",memory-backend=ram0" if wish is not None and arguments and not wish.shown else ""


def confine(host: Host, record: Record, pid: int) -> None:
    """Keep all that QEMU does away from processors that are set aside for others."""
    kept, shared = kept_of(record, host.config.host), host_topology.shared(host.config)
    if kept is None or (kept.wish.emulator == "share" and shared):
        allowed = shared
    else:
        isolated = {place.emulator for place in kept.cells if place.emulator is not None}
        allowed = isolated or set().union(*_processors(host, kept))
    if allowed and allowed != os.sched_getaffinity(pid):
        _move([int(entry.name) for entry in Path("/proc", str(pid), "task").iterdir()], allowed)


def pin(host: Host, kept: Kept, threads: list[int]) -> None:
    """Keep a guest's processors, its threads in their order, where they belong."""
    for thread, processors in zip(threads, _processors(host, kept), strict=True):
        _move([thread], processors)


def _processors(host: Host, kept: Kept) -> list[set[int]]:
    """The host's that each of the guest's may run on."""
    there = {cell.id: set(cell.cpus) for cell in host_topology.cells(host.config)}
    found = {
        cpu: {place.pins[cpu]} if cpu in place.pins else there[place.cell]
        for cell, place in zip(kept.wish.cells, kept.cells, strict=True)
        for cpu in cell.cpus
    }
    return [found[cpu] for cpu in sorted(found)]


def _move(tasks: list[int], processors: set[int]) -> None:
    for task in tasks:
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            os.sched_setaffinity(task, processors)
