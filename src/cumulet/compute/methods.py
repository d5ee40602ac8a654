"""What the engine answers to compute agents over the bus. Agents have no database: the engine writes for them.

- `compute.report(report)`: one host lives and has these resources and guests.
- `compute.reports(reports)`: the same of many hosts that one process plays.
- `compute.beat(hosts)`: hosts live and are as they were. Returns `{"unknown"}`: those that have to report in full.
"""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from cumulet.compute.clients.providers import Providers, Stock
from cumulet.compute.domain import guests, nodes, services
from cumulet.compute.domain.nodes import Known, Seen
from cumulet.compute.service import Compute
from cumulet.kernel.bus import Method
from cumulet.kernel.bus.contract import Call
from cumulet.kernel.jobs import GiveUp, Retry

log = logging.getLogger(__name__)

_Size = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class Report(msgspec.Struct, forbid_unknown_fields=True):
    """A host with what it has: memory in MB, disk in GB."""

    host: _Name
    node: _Name
    vcpus: _Size
    memory_mb: _Size
    local_gb: _Size
    hypervisor_type: str
    hypervisor_version: int
    host_ip: str
    cpu_info: dict[str, Any]
    facts: dict[str, Any]
    uptime: str | None = None  # as the host's uptime(1) says it
    guests: dict[str, int] | None = None  # power states by server id


def methods(compute: Compute) -> Mapping[str, Method]:
    reports = Reports(compute)
    return {"compute.report": reports.report, "compute.reports": reports.reports, "compute.beat": reports.beat}


class Reports:
    """Remembers what Placement was told, so that a report that says nothing new asks it nothing."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._told: dict[str, bytes] = {}  # by node id: a digest of its stock, which thousands of hosts can afford

    def report(self, call: Call, report: dict[str, Any]) -> dict[str, Any]:
        """A host lives, and has these resources and guests. Raises ValueError for a malformed report.

        Returns `{"node_id", "destroy"}`: the latter are ids of guests that are to go.
        """
        given = msgspec.convert(report, Report)
        known = nodes.report_all(self._compute, [_seen(given)])[given.node]
        self._tell(given, known)
        return {"node_id": known.id, "destroy": self._reconcile([given]).get(given.host, [])}

    def reports(self, call: Call, reports: list[dict[str, Any]]) -> dict[str, Any]:
        """As `report`, of many. Returns `{"destroy": {host: [server id]}, "again": [host]}`.

        Hosts in `again` could not be entered in Placement and have to report once more.
        """
        given = msgspec.convert(reports, list[Report])
        known = nodes.report_all(self._compute, [_seen(one) for one in given])
        again = []
        self._enter({known[one.node].id: one for one in given if known[one.node].is_new})
        for one in given:
            try:
                self._tell(one, known[one.node])
            except (GiveUp, Retry) as error:
                log.warning("node %s is not entered in Placement: %s", one.node, error)
                again.append(one.host)
        return {"destroy": self._reconcile(given), "again": again}

    def beat(self, call: Call, hosts: list[str]) -> dict[str, Any]:
        return {"unknown": services.beat(self._compute, hosts)}

    def _enter(self, new: Mapping[str, Report]) -> None:
        """Tell Placement of new nodes, by id, at once. Whom it does not take so, `_tell` tells it of one by one."""
        if len(new) < 2:
            return
        stocks = {node_id: _stock(one) for node_id, one in new.items()}
        try:
            entered = self._placement.enter({node_id: (new[node_id].node, stock) for node_id, stock in stocks.items()})
        except (GiveUp, Retry) as error:
            log.warning("%d nodes are not entered in Placement at once: %s", len(new), error)
            return
        if entered:
            self._told |= {node_id: _digest(stock) for node_id, stock in stocks.items()}

    def _tell(self, given: Report, known: Known) -> None:
        stock = _stock(given)
        digest = _digest(stock)
        if self._told.get(known.id) == digest:
            return
        self._placement.ensure(known.id, given.node, stock, is_new=known.is_new)
        self._told[known.id] = digest

    @functools.cached_property
    def _placement(self) -> Providers:
        return Providers(self._compute.session)

    def _reconcile(self, given: Sequence[Report]) -> dict[str, list[str]]:
        found = {one.host: one.guests for one in given if one.guests is not None}
        return guests.reconcile(self._compute, found) if found else {}


def _seen(given: Report) -> Seen:
    plain = ("vcpus", "memory_mb", "local_gb", "hypervisor_type", "hypervisor_version", "host_ip")
    columns: dict[str, Any] = {name: getattr(given, name) for name in plain}
    for name in ("cpu_info", "facts", "uptime"):
        value = getattr(given, name)
        columns[name] = None if value is None else msgspec.json.encode(value).decode()
    return Seen(given.host, given.node, columns)


def _digest(stock: Stock) -> bytes:
    return hashlib.blake2b(msgspec.msgpack.encode(stock), digest_size=16).digest()


def _stock(given: Report) -> Stock:
    """Ratios as the original's defaults: 4 VCPUs a processor, memory, disk and processors set aside as they are."""
    totals = {
        "VCPU": (given.vcpus, 4.0, 0),
        "PCPU": (int((given.facts.get("numa") or {}).get("pcpus") or 0), 1.0, 0),
        "MEMORY_MB": (given.memory_mb, 1.0, 512),
        "DISK_GB": (given.local_gb, 1.0, 0),
    }
    inventories = {
        name: {
            "total": total,
            "allocation_ratio": ratio,
            "reserved": min(reserved, total),
            "min_unit": 1,
            "max_unit": total,
            "step_size": 1,
        }
        for name, (total, ratio, reserved) in totals.items()
        if total
    }
    traits = given.facts.get("traits")
    return Stock(inventories, tuple(sorted(map(str, traits))) if isinstance(traits, list) else ())
