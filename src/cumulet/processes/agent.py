"""The agent process: of this machine, or of simulated hosts. It has the bus and no database."""

from __future__ import annotations

import importlib.util
import os
import signal
import threading
from typing import Final

from cumulet import services
from cumulet.kernel import logs, metrics
from cumulet.kernel.settings import Settings
from cumulet.processes import lifeline, state
from cumulet.processes.child import Announce

KINDS: Final = frozenset({"network", "compute"})
"""The services that have agents."""


def is_wanted(settings: Settings) -> bool:
    """Whether this cloud has hosts here: simulated ones always, this machine itself for root with its tools."""
    if not KINDS & _enabled(settings):
        return False
    return settings.simulate or _can_be_host()


def _can_be_host() -> bool:
    return os.geteuid() == 0 and importlib.util.find_spec("pyroute2") is not None


def _enabled(settings: Settings) -> set[str]:
    return {one.name for one in services.enabled(settings.services)}


def run(settings: Settings, role: str, life: int, announce: Announce) -> None:
    logs.start(role, settings.paths.logs)
    metrics.identify(role)
    lifeline.watch(life, settings)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    announce.ready()
    from cumulet.agents.host import process  # only this process has a use for it

    process.run(settings, stop, kinds=_enabled(settings), simulate=settings.simulate)
    known = state.State.load(settings.paths)
    if known is not None and known.state == state.STOPPING:
        # The cloud ends. One that only restarts this process must find everything as it was.
        leave(settings)


def leave(settings: Settings) -> None:
    """Take away what agents of this cloud have made on this machine; quick where there is nothing."""
    if not (settings.paths.state / "agents").exists() or not _can_be_host():
        return
    from cumulet.agents.host import process

    process.leave(settings)


def purge(settings: Settings) -> None:
    """After `leave`, when all that the cloud kept goes: what lies outside of its directory."""
    if not any((settings.paths.state / name).exists() for name in ("agents", "volumes")):
        return
    from cumulet.agents.host import process

    process.purge(settings)
