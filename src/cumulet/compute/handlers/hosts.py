"""`/v2.1/os-hosts` up to microversion 2.42 (Compute API, Hosts)."""

from __future__ import annotations

from typing import Any

from cumulet.compute import views
from cumulet.compute.domain import hypervisors, services
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest, NotFound, NotImplementedHere
from cumulet.kernel.http import Call, Reply


def _may(call: Call[Compute], verb: str) -> None:
    call.service.policy.can(call.ctx, f"os_compute_api:os-hosts:{verb}")


def index(call: Call[Compute]) -> Reply:
    _may(call, "list")
    query = call.query()
    zone_wanted, kind = (views.last(query, key) for key in ("zone", "service"))
    shown = []
    with call.service.db.read() as connection:
        standing = services.Standing(call.service, connection)
        for row in services.find(connection):
            zone = standing.zone(row)
            if zone_wanted in (None, "", zone) and kind in (None, row.topic):
                shown.append({"host_name": row.host, "service": row.topic, "zone": zone})
    return Reply({"hosts": shown})


def show(call: Call[Compute], host: str) -> Reply:
    _may(call, "show")
    with call.service.db.read() as connection:
        nodes = hypervisors.find(connection, host=host)
    if not nodes:
        raise NotFound(f"Host '{host}' is not mapped to any cell")

    def resource(project: str, cpu: int, memory: int, disk: int) -> dict[str, Any]:
        return {"resource": {"host": host, "project": project, "cpu": cpu, "memory_mb": memory, "disk_gb": disk}}

    def total(name: str) -> int:
        return sum(getattr(row, name) for row in nodes)

    used = (total("vcpus_used"), total("memory_mb_used"), total("local_gb_used"))
    return Reply(
        {
            "host": [
                resource("(total)", total("vcpus"), total("memory_mb"), total("local_gb")),
                resource("(used_now)", *used),
                resource("(used_max)", *used),
            ]
        }
    )


def update(call: Call[Compute], host: str) -> Reply:
    """`{"status": "enable"|"disable"}`; maintenance mode was XenServer's and is not there."""
    _may(call, "update")
    body = call.raw_json()
    if not isinstance(body, dict) or not body or set(body) - {"status", "maintenance_mode"}:
        raise BadRequest("Invalid input for field/attribute body. It has status or maintenance_mode.")
    for key, allowed in (("status", ("enable", "disable")), ("maintenance_mode", ("enable", "disable"))):
        if key in body and str(body[key]).strip().lower() not in allowed:
            raise BadRequest(f"Invalid input for field/attribute {key}. Value: {body[key]}.")
    with call.service.db.read() as connection:
        try:
            row = services.of_host(connection, host)
        except NotFound:
            raise NotFound(f"Host '{host}' is not mapped to any cell") from None
    if "maintenance_mode" in body:
        raise NotImplementedHere("Virt driver does not implement host maintenance mode.")
    disabled = str(body["status"]).strip().lower() == "disable"
    services.change(call.service, row, disabled=disabled, disabled_reason=None)
    return Reply({"host": host, "status": "disabled" if disabled else "enabled"})


def power(call: Call[Compute], host: str, action: str) -> Reply:
    """startup, shutdown, reboot: a cloud that switches its own hosts off by an API call would be no friend."""
    if action not in ("startup", "shutdown", "reboot"):
        raise NotFound("The resource could not be found.")
    _may(call, action)
    with call.service.db.read() as connection:
        try:
            services.of_host(connection, host)
        except NotFound:
            raise NotFound(f"Host '{host}' is not mapped to any cell") from None
    raise NotImplementedHere("Virt driver does not implement host power management.")
