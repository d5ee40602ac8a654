"""How a fleet tells the engine that it lives and what it has: one thread and one wheel for all of its hosts.

A host reports in full when it is new, after its guests changed, and now and then; between that a beat says that it is
as it was. Beats of many hosts are one message, and one statement in the engine's database.
"""

from __future__ import annotations

import collections
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from cumulet.kernel.bus import Bus, BusError
from cumulet.simulator.fleet import Changes, Fleet

log = logging.getLogger(__name__)

ENGINE: Final = "engine"
BEAT_S: Final = 10.0
PORTS_BEAT_S: Final = 25.0
REFRESH_S: Final = 600.0
_TICK_S: Final = 1.0
_SETTLE_S: Final = 20.0
_AT_ONCE: Final = 250
_BEATS_AT_ONCE: Final = 1000
_ANSWER_S: Final = 120.0


class Wheel:
    """Hosts in turn, each once in `round_s` seconds."""

    def __init__(self, hosts: Sequence[str], round_s: float, now: float) -> None:
        self._slots = [hosts[start :: max(1, int(round_s))] for start in range(max(1, int(round_s)))]
        self._slot_s = round_s / len(self._slots)
        self._from = now
        self._done = 0

    def due(self, now: float) -> list[str]:
        """Those whose turn has come since the last time; nobody twice, however long that was."""
        passed = int((now - self._from) / self._slot_s)
        first = max(self._done, passed - len(self._slots))
        self._done = passed
        return [host for number in range(first, passed) for host in self._slots[number % len(self._slots)]]


class Reporter:
    """Reports for a fleet until it is stopped. `kinds`: the services that are told, of `compute` and `network`."""

    def __init__(self, bus: Bus, fleet: Fleet, *, kinds: Sequence[str] = ("compute", "network")) -> None:
        self._bus = bus
        self._fleet = fleet
        self._kinds = kinds
        hosts, now = list(fleet.hypervisors), time.monotonic()
        self._waiting = collections.deque(hosts if "compute" in kinds else ())  # to be reported as soon as may be
        self._queued = set(self._waiting)
        self._entered: set[str] = set()
        self._settling: collections.deque[tuple[float, str]] = collections.deque()
        self._unplugged = collections.deque(hosts if "network" in kinds else ())  # not yet entered in Network
        self._beats = Wheel(hosts, BEAT_S, now)
        self._ports_beats = Wheel(hosts, PORTS_BEAT_S, now)
        self._refreshes = Wheel(hosts, REFRESH_S, now)

    @property
    def entered(self) -> int:
        """How many hosts all services know."""
        with_ports = len(self._fleet) - len(self._unplugged)
        return min(len(self._entered) if "compute" in self._kinds else with_ports, with_ports)

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            started = time.monotonic()
            reached = self._turn(started)
            busy = reached and bool(self._waiting or self._unplugged)
            stop.wait(0.0 if busy else max(0.05, started + _TICK_S - time.monotonic()))

    def _turn(self, now: float) -> bool:
        """Tell each service what is to be told now. Returns whether both took it."""
        refreshed = self._refreshes.due(now)
        changes = self._fleet.take_changes()
        reached = True
        if "network" in self._kinds:
            reached = self._tries(lambda: self._tell_network(now, refreshed, changes))
        if "compute" in self._kinds:
            reached = self._tries(lambda: self._tell_compute(now, refreshed, changes)) and reached
        return reached

    @staticmethod
    def _tries(tell: Callable[[], None]) -> bool:
        try:
            tell()
        except BusError as error:
            log.info("the engine did not take what the fleet says: %s", error)
            return False
        return True

    def _tell_compute(self, now: float, refreshed: Sequence[str], changes: Changes) -> None:
        changed = sorted(changes.hosts)
        self._settling.extend((now + _SETTLE_S, host) for host in changed)
        self._queue([*changed, *refreshed, *self._settled(now)])
        self._beat(now)
        self._report()

    # -- Compute ---------------------------------------------------------------------------------------------------

    def _beat(self, now: float) -> None:
        alive = [host for host in self._beats.due(now) if host in self._entered]
        for start in range(0, len(alive), _BEATS_AT_ONCE):
            some = alive[start : start + _BEATS_AT_ONCE]
            unknown = self._ask("compute.beat", {"hosts": some})["unknown"]
            self._entered.difference_update(unknown)
            self._queue(unknown)

    def _settled(self, now: float) -> list[str]:
        """Hosts whose guests changed some time ago: by now the engine knows what became of their servers."""
        found = []
        while self._settling and self._settling[0][0] <= now:
            found.append(self._settling.popleft()[1])
        return found

    def _queue(self, hosts: Sequence[str]) -> None:
        new = [host for host in dict.fromkeys(hosts) if host not in self._queued]
        self._queued.update(new)
        self._waiting.extend(new)

    def _report(self) -> None:
        hosts = [self._waiting[index] for index in range(min(_AT_ONCE, len(self._waiting)))]
        if not hosts:
            return
        answer = self._ask("compute.reports", {"reports": [self._fleet.report_of(host) for host in hosts]})
        for host in hosts:
            self._waiting.popleft()
            self._queued.discard(host)
        again = set(answer["again"])
        self._entered.update(host for host in hosts if host not in again)
        self._queue(sorted(again))
        for host, leftovers in answer["destroy"].items():
            for server_id in leftovers:
                log.warning("guest %s has no server at %s any more: it is destroyed", server_id, host)
                self._destroy(host, server_id)

    def _destroy(self, host: str, server_id: str) -> None:
        """One that cannot be destroyed now is named again after the next report."""
        try:
            self._fleet.hypervisors[host].destroy(server_id)
        except RuntimeError as error:
            log.warning("guest %s could not be destroyed: %s", server_id, error)

    # -- Network ---------------------------------------------------------------------------------------------------

    def _tell_network(self, now: float, refreshed: Sequence[str], changes: Changes) -> None:
        new = [self._unplugged[index] for index in range(min(_BEATS_AT_ONCE, len(self._unplugged)))]
        hosts = list(dict.fromkeys([*new, *self._ports_beats.due(now)]))
        ports = self._fleet.ports_of(refreshed)
        for host, news in changes.ports.items():
            ports.setdefault(host, {}).update(news)
        if not hosts and not ports:
            return
        try:
            self._ask("network.fleet", {"hosts": hosts, "ports": ports})
        except BusError:
            self._fleet.give_back(Changes(ports=changes.ports))
            raise
        for _ in new:
            self._unplugged.popleft()

    def _ask(self, method: str, args: dict[str, Any]) -> Any:
        return self._bus.call(ENGINE, method, args, timeout_s=_ANSWER_S)
