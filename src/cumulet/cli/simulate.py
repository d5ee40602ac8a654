"""`cumulet simulate`: thousands of simulated hosts for a cloud that runs, in one process, until a signal ends it."""

from __future__ import annotations

import re
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cumulet.cli.options import StateDir, fail, paths_of
from cumulet.kernel.settings import Settings

if TYPE_CHECKING:
    from cumulet.agents.compute.protocols import Resources
    from cumulet.simulator.faults import Faults

Opt = typer.Option
_SAY_EVERY_S = 2.0
_HUGE_KB = 2048
_END_S = 10.0
_DELAY = re.compile(r"(?P<method>[a-z_]+|\*)=(?P<least>[0-9.]+)(?:-(?P<most>[0-9.]+))?")
_FAULT = re.compile(r"(?P<method>[a-z_]+|\*)(?::(?P<percent>[0-9.]+))?=(?P<reason>.+)")


def simulate(
    hosts: Annotated[int, Opt(min=1, max=100_000, help="How many.")],
    state_dir: StateDir = None,
    prefix: Annotated[str, Opt(help="What their names begin with; a number follows.")] = "sim-",
    delay: Annotated[
        list[str] | None,
        Opt(
            help="METHOD=SECONDS or METHOD=FROM-TO: how long a driver's method takes, e.g. spawn=0.5-2. * is every one."
        ),
    ] = None,
    fault: Annotated[
        list[str] | None,
        Opt(
            help="METHOD=REASON or METHOD:PERCENT=REASON: calls that fail, e.g. 'spawn:5=no such luck'. * is every one."
        ),
    ] = None,
    vcpus: Annotated[int, Opt(min=1, help="Processors of a host.")] = 64,
    memory_mb: Annotated[int, Opt(min=1, help="Memory of a host.")] = 262_144,
    disk_gb: Annotated[int, Opt(min=1, help="Disk of a host.")] = 4096,
    numa_nodes: Annotated[int, Opt(min=1, max=64, help="NUMA nodes of a host.")] = 1,
    dedicated_cpus: Annotated[str, Opt(help="Processors set aside, as cpu_dedicated_set of nova.conf: 4-12,^8.")] = "",
    huge_pages: Annotated[int, Opt(min=0, help="Huge pages of 2 MiB each NUMA node has.")] = 0,
    bus: Annotated[Path | None, Opt(help="Without a broker: DIR/run/bus of a cloud on this same machine.")] = None,
    force: Annotated[bool, Opt("--force", help="Also beside real hosts.")] = False,
) -> None:
    """Play many hosts: services, hypervisors and resource providers like real ones, with servers that are not there.

    Their servers are kept in the state directory: a fleet that ends, however it ends, has them again when it is back.
    """
    paths = paths_of(state_dir)
    settings = Settings.load(paths)
    if settings is None:
        if bus is None:
            fail("There is no cloud here yet. Start one with `cumulet up --simulate`.")
        settings = Settings(state_dir=str(paths.state) if state_dir else None)
    elif not settings.simulate and not force:
        fail(
            "This cloud has real hosts, and its servers would also go to simulated ones. --force does it all the same."
        )
    size = {"vcpus": vcpus, "memory_mb": memory_mb, "local_gb": disk_gb}
    pages = {_HUGE_KB: huge_pages} if huge_pages else {}
    resources = _resources(**size, nodes=numa_nodes, dedicated=dedicated_cpus, pages=pages)
    _play(settings, hosts, prefix, _faults(delay or [], fault or []), resources, bus)


def _resources(**given: Any) -> Resources:
    from cumulet.simulator.fleet import fleet_resources

    try:
        return fleet_resources(**given)
    except ValueError as error:
        fail(f"--dedicated-cpus: {error}.")


def _play(
    settings: Settings, hosts: int, prefix: str, faults: Faults, resources: Resources, bus_dir: Path | None
) -> None:
    from cumulet.kernel import logs
    from cumulet.simulator.process import Simulation

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    settings.paths.make()
    logs.start("simulate", settings.paths.logs)
    started = time.monotonic()
    simulation = Simulation(settings, hosts, prefix=prefix, faults=faults, resources=resources, bus_dir=bus_dir)
    worker = threading.Thread(target=simulation.run, args=(stop,), name="simulation", daemon=True)
    worker.start()
    _tell(simulation, hosts, started, stop)
    stop.wait()
    typer.echo("The simulated hosts go; what they had is kept.")
    worker.join(_END_S)


def _tell(simulation: Any, hosts: int, started: float, stop: threading.Event) -> None:
    """Say how far it is until every host is known."""
    said = started
    while not stop.is_set() and simulation.entered < hosts:
        stop.wait(0.1)
        if time.monotonic() - said >= _SAY_EVERY_S:
            said = time.monotonic()
            typer.echo(f"  {simulation.entered} of {hosts} hosts are known")
    if stop.is_set():
        return
    each = simulation.memory_kb / hosts
    typer.echo(f"{hosts} simulated hosts are known after {time.monotonic() - started:.1f} s, {each:.1f} KB each.")
    typer.echo("Ctrl-C ends them.")


def _faults(delays: list[str], errors: list[str]) -> Faults:
    from cumulet.agents.compute.protocols import Hypervisor
    from cumulet.simulator.faults import EVERY, Faults

    known = {EVERY, *(name for name in vars(Hypervisor) if not name.startswith("_"))}
    found = Faults()
    for text in delays:
        match = _DELAY.fullmatch(text)
        least, most = (_number(match[name], text) for name in ("least", "most")) if match else (None, None)
        if match is None or least is None or match["method"] not in known or (most is not None and most < least):
            fail(f"--delay {text}: write METHOD=SECONDS or METHOD=FROM-TO. Methods: {', '.join(sorted(known))}.")
        found.delays[match["method"]] = least
        if most is not None:
            found.spreads[match["method"]] = most - least
    for text in errors:
        match = _FAULT.fullmatch(text)
        percent = _number(match["percent"], text) if match else None
        if match is None or match["method"] not in known or (percent is not None and percent > 100):
            fail(f"--fault {text}: write METHOD=REASON or METHOD:PERCENT=REASON. Methods: {', '.join(sorted(known))}.")
        found.errors[match["method"]] = match["reason"]
        if percent is not None:
            found.shares[match["method"]] = percent / 100
    return found


def _number(text: str | None, whole: str) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        fail(f"{whole}: {text} is no number.")
