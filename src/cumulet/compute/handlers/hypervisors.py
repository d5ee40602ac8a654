"""`/v2.1/os-hypervisors` (Compute API, Hypervisors)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy.engine import Connection, Row

from cumulet.compute import views
from cumulet.compute.domain import hypervisors, services
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest, NotFound, NotImplementedHere
from cumulet.kernel.http import Call, Reply

_WITHOUT_LOAD = (2, 88)


def _may(call: Call[Compute], verb: str) -> None:
    call.service.policy.can(call.ctx, f"os_compute_api:os-hypervisors:{verb}")


def _brief(call: Call[Compute], row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id if call.version >= (2, 53) else row.number,
        "hypervisor_hostname": row.hypervisor_hostname,
        "state": "up" if services.is_up(call.service, row) else "down",
        "status": "disabled" if row.disabled else "enabled",
    }


def _full(call: Call[Compute], row: Row[Any], busy: Mapping[str | None, int]) -> dict[str, Any]:
    shown = _brief(call, row) | {
        "hypervisor_type": row.hypervisor_type,
        "hypervisor_version": row.hypervisor_version,
        "host_ip": row.host_ip,
        "service": {
            "id": row.service_id if call.version >= (2, 53) else row.service_number,
            "host": row.host,
            "disabled_reason": row.disabled_reason,
        },
    }
    if call.version >= _WITHOUT_LOAD:
        return shown | {"uptime": _uptime(row)}
    shown |= {
        "vcpus": row.vcpus,
        "memory_mb": row.memory_mb,
        "local_gb": row.local_gb,
        "vcpus_used": row.vcpus_used,
        "memory_mb_used": row.memory_mb_used,
        "local_gb_used": row.local_gb_used,
        "free_ram_mb": row.memory_mb - row.memory_mb_used,
        "free_disk_gb": row.local_gb - row.local_gb_used,
        "current_workload": busy.get(row.host, 0),
        "running_vms": row.running_vms,
        "disk_available_least": row.disk_available_least,
    }
    cpu = msgspec.json.decode(row.cpu_info)
    shown["cpu_info"] = cpu if call.version >= (2, 28) else msgspec.json.encode(cpu).decode()
    return shown


def _busy(call: Call[Compute], connection: Connection) -> Mapping[str | None, int]:
    """Asked for where it is shown."""
    return {} if call.version >= _WITHOUT_LOAD else hypervisors.busy(connection)


def _uptime(row: Row[Any]) -> str | None:
    return None if row.uptime is None else str(msgspec.json.decode(row.uptime))


def index(call: Call[Compute]) -> Reply:
    _may(call, "list")
    return _list(call, "os-hypervisors", detailed=False)


def detail(call: Call[Compute]) -> Reply:
    _may(call, "list-detail")
    return _list(call, "os-hypervisors/detail", detailed=True)


def _list(call: Call[Compute], path: str, *, detailed: bool) -> Reply:
    views.require_known(call, ("limit", "marker", "hypervisor_hostname_pattern", "with_servers"), since=(2, 53))
    query = call.query()
    if call.version >= (2, 53) and views.last(query, "hypervisor_hostname_pattern") == "":
        raise BadRequest(
            "Invalid input for query parameters hypervisor_hostname_pattern. Value: . '' should be non-empty"
        )
    pattern = views.last(query, "hypervisor_hostname_pattern") if call.version >= (2, 53) else None
    with_servers = call.version >= (2, 53) and _truth(views.last(query, "with_servers"))
    limit, marker_id = views.page(call) if call.version >= (2, 33) else (None, None)
    if pattern and ("limit" in query or "marker" in query):
        raise BadRequest(
            "Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported."
        )
    with call.service.db.read() as connection:
        marker = None
        if marker_id:
            try:
                marker = hypervisors.load(connection, marker_id, by_number=call.version < (2, 53))
            except (NotFound, BadRequest):
                raise BadRequest(f"marker [{marker_id}] not found") from None
        rows = hypervisors.find(connection, pattern=pattern, limit=limit, marker=marker)
        if pattern and not rows:
            raise NotFound(f"No hypervisor matching '{pattern}' could be found.")
        page = rows if limit is None else rows[:limit]
        servers = hypervisors.servers_on(connection, page) if with_servers else {}
        busy = _busy(call, connection) if detailed else {}
    shown = [_full(call, row, busy) if detailed else _brief(call, row) for row in page]
    for thing, row in zip(shown, page, strict=True):
        if servers.get(row.id):
            thing["servers"] = servers[row.id]
        elif with_servers and call.version >= (2, 75):
            thing["servers"] = []
    body: dict[str, Any] = {"hypervisors": shown}
    if limit and len(rows) > limit:
        body["hypervisors_links"] = views.next_links(call, path, str(shown[-1]["id"]))
    return Reply(body)


def _truth(value: str | None) -> bool:
    if value is None:
        return False
    if value.lower() in ("true", "1", "yes", "on", "t", "y"):
        return True
    if value.lower() in ("false", "0", "no", "off", "f", "n"):
        return False
    raise BadRequest(f"Invalid input for query parameters with_servers. Value: {value}.")


def show(call: Call[Compute], hypervisor_id: str) -> Reply:
    views.require_known(call, ("with_servers",), since=(2, 53))
    _may(call, "show")
    with_servers = call.version >= (2, 53) and _truth(views.last(call.query(), "with_servers"))
    with call.service.db.read() as connection:
        row = hypervisors.load(connection, hypervisor_id, by_number=call.version < (2, 53))
        shown = _full(call, row, _busy(call, connection))
        servers = hypervisors.servers_on(connection, [row])[row.id] if with_servers else []
    if servers or (with_servers and call.version >= (2, 75)):
        shown["servers"] = servers
    return Reply({"hypervisor": shown})


def uptime(call: Call[Compute], hypervisor_id: str) -> Reply:
    _may(call, "uptime")
    with call.service.db.read() as connection:
        row = hypervisors.load(connection, hypervisor_id, by_number=call.version < (2, 53))
    if not services.is_up(call.service, row):
        raise BadRequest(f"Service nova-compute on {row.host} is not reachable: its uptime is not known.")
    text = _uptime(row)
    if text is None:
        raise NotImplementedHere("The requested functionality is not supported.")
    return Reply({"hypervisor": _brief(call, row) | {"uptime": text}})


def statistics(call: Call[Compute]) -> Reply:
    _may(call, "statistics")
    with call.service.db.read() as connection:
        return Reply({"hypervisor_statistics": hypervisors.statistics(connection)})


def search(call: Call[Compute], hypervisor_id: str) -> Reply:
    """Up to 2.52: the path holds a part of the host name."""
    _may(call, "search")
    with call.service.db.read() as connection:
        rows = hypervisors.find(connection, pattern=hypervisor_id)
    if not rows:
        raise NotFound(f"No hypervisor matching '{hypervisor_id}' could be found.")
    return Reply({"hypervisors": [_brief(call, row) for row in rows]})


def servers(call: Call[Compute], hypervisor_id: str) -> Reply:
    """Up to 2.52: as search, with the servers of each."""
    _may(call, "servers")
    with call.service.db.read() as connection:
        rows = hypervisors.find(connection, pattern=hypervisor_id)
        found = hypervisors.servers_on(connection, rows)
    if not rows:
        raise NotFound(f"No hypervisor matching '{hypervisor_id}' could be found.")
    shown = [_brief(call, row) | ({"servers": found[row.id]} if found[row.id] else {}) for row in rows]
    return Reply({"hypervisors": shown})
