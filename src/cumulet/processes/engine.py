"""The engine worker: runs the jobs of every service."""

from __future__ import annotations

import signal
import threading
from typing import Any

from cumulet.kernel import logs, metrics
from cumulet.kernel.engine import Engine
from cumulet.kernel.settings import Settings
from cumulet.processes import apps, lifeline
from cumulet.processes.child import Announce


def run(settings: Settings, role: str, life: int, announce: Announce) -> None:
    logs.start(role, settings.paths.logs)
    metrics.identify(role)
    lifeline.watch(life, settings)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    engine = Engine(_with_jobs(settings), wake_path=settings.paths.engine_socket)
    announce.ready()
    engine.run(stop)


def _with_jobs(settings: Settings) -> list[tuple[str, Any, Any, Any, Any]]:
    """(name, database, table of jobs, registry, service) of every service that has jobs."""
    found = []
    for one in apps.build(settings):
        module = one.description.load()
        registry = module.build_jobs(one.service) if hasattr(module, "build_jobs") else None
        if registry is not None:
            found.append((one.description.name, one.service.db, one.description.tables().jobs, registry, one.service))
    return found
