"""The engine worker: runs the jobs of every service."""

from __future__ import annotations

import signal
import threading
from typing import Any

from cumulet.kernel import logs, metrics, structs
from cumulet.kernel.bus import Bus, Method
from cumulet.kernel.engine import Engine
from cumulet.kernel.settings import Settings
from cumulet.processes import apps, lifeline
from cumulet.processes.child import Announce

ENGINE = "engine"
"""The engine's name on the bus."""
_BUS_END_S = 6.0


def run(settings: Settings, role: str, life: int, announce: Announce) -> None:
    logs.start(role, settings.paths.logs)
    metrics.identify(role)
    lifeline.watch(life, settings)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    running = apps.build(settings)
    engine = Engine(_with_jobs(running), wake_path=settings.paths.engine_socket)
    served = _served(running)
    structs.describe()  # those of jobs and methods too
    servers = [
        threading.Thread(target=bus.serve, args=(ENGINE, methods, stop), name="bus", daemon=True)
        for bus, methods in served
    ]
    for server in servers:
        server.start()
    announce.ready()
    engine.run(stop)
    for server in servers:
        server.join(timeout=_BUS_END_S)


def _served(running: list[apps.Running]) -> list[tuple[Bus, dict[str, Method]]]:
    """What agents may ask of the engine: the methods of all services, together for each bus that they use."""
    found: dict[str | None, tuple[Bus, dict[str, Method]]] = {}
    for one in running:
        module = one.description.load()
        if hasattr(module, "build_methods"):
            _, methods = found.setdefault(one.service.conf.transport_url, (one.service.bus, {}))
            methods.update(module.build_methods(one.service))
    return list(found.values())


def _with_jobs(running: list[apps.Running]) -> list[tuple[str, Any, Any, Any, Any]]:
    """(name, database, table of jobs, registry, service) of every service that has jobs."""
    found = []
    for one in running:
        module = one.description.load()
        registry = module.build_jobs(one.service) if hasattr(module, "build_jobs") else None
        if registry is not None:
            found.append((one.description.name, one.service.db, one.description.tables().jobs, registry, one.service))
    return found
