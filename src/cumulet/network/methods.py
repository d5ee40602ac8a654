"""What the engine answers to network agents over the bus. Agents have no database: the engine reads and writes it.

- `network.report(facts, report)`: a host lives, is like this (`domain.hosts.Facts`) and its objects are like that
  (`domain.reports.Report`). Returns {"generation"}: the newest one there is.
- `network.wanted(host, have, seen)`: what the host should be, as a document (`domain.wanted`); see `Desk.wanted`.
  Returns {"generation", "document"}.
- `network.fleet(hosts, ports)`: many simulated hosts live, and these ports are plugged there (`domain.fleets`).
- `network.changed(topics)`, a cast from whoever has committed a change: hosts it concerns are woken by a cast of the
  same name, without arguments.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from cumulet.kernel.bus import BusError, Call, Method
from cumulet.network.domain import fleets, generations, hosts, reports
from cumulet.network.domain.wanted.desk import Desk
from cumulet.network.jobs.hosts import replace_dead
from cumulet.network.service import Network

log = logging.getLogger(__name__)


def methods(network: Network) -> Mapping[str, Method]:
    served = Methods(network)
    return {
        "network.report": served.report,
        "network.fleet": served.fleet,
        "network.wanted": served.wanted,
        "network.changed": served.changed,
    }


class Methods:
    def __init__(self, network: Network) -> None:
        self._network = network
        self._desk = Desk(network)

    def report(self, call: Call, facts: dict[str, Any], report: dict[str, Any] | None = None) -> dict[str, Any]:
        """Raises msgspec.ValidationError for a malformed report."""
        network = self._network
        given = msgspec.convert(facts, hosts.Facts)
        state = msgspec.convert(report or {}, reports.Report)
        with network.write() as connection:
            is_new = hosts.beat(network, connection, given)
            reports.take(network, connection, given.host, state)
        if is_new:
            replace_dead(network, scheduled=False)
        with network.db.read() as connection:
            return {"generation": generations.current(connection)}

    def fleet(self, call: Call, hosts: list[str], ports: dict[str, dict[str, str]]) -> None:
        network = self._network
        with network.write() as connection:
            if hosts:
                fleets.live(network, connection, msgspec.convert(hosts, list[str]))
            fleets.plug(network, connection, msgspec.convert(ports, dict[str, dict[str, str]]))

    def wanted(self, call: Call, host: str, have: int = 0, seen: int = 0) -> dict[str, Any]:
        answer = self._desk.wanted(host, have, seen)
        return {"generation": answer.generation, "document": answer.document}

    def changed(self, call: Call, topics: list[list[str]]) -> None:
        for host in self._desk.concerned({(kind, subject) for kind, subject in topics}):
            try:
                self._network.bus.cast(host, "network.changed")
            except BusError as error:
                # It asks by itself every few seconds.
                log.info("host %s was not woken: %s", host, error)
