"""What the engine answers to compute agents over the bus. Agents have no database: the engine writes for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from cumulet.compute.clients import placement
from cumulet.compute.domain import guests, nodes, services
from cumulet.compute.service import Compute
from cumulet.kernel.bus import Method
from cumulet.kernel.bus.contract import Call

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
    return {"compute.report": Reports(compute).report}


class Reports:
    """Remembers what Placement was told, so that a report that says nothing new asks it nothing."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._told: dict[str, dict[str, Any]] = {}

    def report(self, call: Call, report: dict[str, Any]) -> dict[str, Any]:
        """A host lives, and has these resources and guests. Raises ValueError for a malformed report.

        Returns `{"node_id", "destroy"}`: the latter are ids of guests that are to go.
        """
        compute = self._compute
        given = msgspec.convert(report, Report)
        services.report(compute, given.host, services.COMPUTE, "compute", 1)
        node_id = nodes.report(compute, given.host, given.node, _columns(given))
        inventories = _inventories(given)
        if self._told.get(node_id) != inventories:
            placement.ensure_provider(compute.session, node_id, given.node, inventories)
            self._told[node_id] = inventories
        leftovers = [] if given.guests is None else guests.reconcile(compute, given.host, given.guests)
        return {"node_id": node_id, "destroy": leftovers}


def _columns(given: Report) -> dict[str, Any]:
    plain = ("vcpus", "memory_mb", "local_gb", "hypervisor_type", "hypervisor_version", "host_ip")
    columns: dict[str, Any] = {name: getattr(given, name) for name in plain}
    for name in ("cpu_info", "facts", "uptime"):
        value = getattr(given, name)
        columns[name] = None if value is None else msgspec.json.encode(value).decode()
    return columns


def _inventories(given: Report) -> dict[str, Any]:
    """Ratios as the original's defaults: 4 VCPUs a processor, memory and disk as they are."""
    totals = {
        "VCPU": (given.vcpus, 4.0, 0),
        "MEMORY_MB": (given.memory_mb, 1.0, 512),
        "DISK_GB": (given.local_gb, 1.0, 0),
    }
    return {
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
