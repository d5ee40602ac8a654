"""The engine: the process that runs every service's jobs. Any number of engines may share the same databases."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from cumulet.kernel.db import Database
from cumulet.kernel.jobs.clock import SYSTEM_CLOCK, Clock
from cumulet.kernel.jobs.owner import LeaseOwner
from cumulet.kernel.jobs.registry import JobRegistry
from cumulet.kernel.jobs.runner import Counts, Limits, Service, ServiceRunner
from cumulet.kernel.jobs.wake import WakeListener, wake

__all__ = ["Counts", "Engine", "Limits", "Service", "wake"]

log = logging.getLogger(__name__)


class Engine:
    """Runs the jobs of `services`, each service with up to `workers` threads of its own.

    Own threads, so that a flood of one service's jobs cannot starve another's, on which they may depend.
    Make it after a fork. `wake_path` is the Unix socket at which `wake(path, service)` is heard, one an engine.
    """

    def __init__(
        self,
        services: Sequence[Service | tuple[str, Database, sa.Table, JobRegistry, Any]],
        *,
        workers: int = 8,
        wake_path: str | os.PathLike[str] | None = None,
        limits: Limits | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        limits = limits or Limits(workers=workers)
        owner = LeaseOwner()
        self._runners: dict[str, ServiceRunner] = {}
        for service in map(Service._make, services):
            if service.name in self._runners:
                raise ValueError(f"two services named {service.name!r}")
            self._runners[service.name] = ServiceRunner(service, owner, clock, limits)
        self._wake_path = wake_path

    def wake(self, service: str = "") -> None:
        """Look for due jobs now, of one service or of all."""
        runner = self._runners.get(service)
        for woken in [runner] if runner is not None else self._runners.values():
            woken.wake()

    def counts(self) -> dict[str, Counts]:
        """What was done since the start, by service."""
        return {name: runner.counts() for name, runner in self._runners.items()}

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; then let running jobs finish, give back those that do not, and return."""
        listener = None if self._wake_path is None else WakeListener(self._wake_path, self.wake)
        threads = [
            threading.Thread(target=runner.run, args=(stop,), name=f"jobs-{name}", daemon=True)
            for name, runner in self._runners.items()
        ]
        try:
            for thread in threads:
                thread.start()
            stop.wait()
        finally:
            stop.set()
            self.wake()
            for thread in threads:
                thread.join()
            if listener is not None:
                listener.close()
