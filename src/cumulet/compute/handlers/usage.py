"""`/v2.1/os-simple-tenant-usage` and `/v2.1/os-instance_usage_audit_log` (Compute API, Usage reports)."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy.engine import Row

from cumulet.compute import views
from cumulet.compute.domain import services, usage
from cumulet.compute.service import Compute
from cumulet.kernel import clock
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call, Reply

_SPAN, _PAGE = ("start", "end"), ("limit", "marker")
_PAGED_SINCE = (2, 40)


def _period(call: Call[Compute], *allowed: str) -> tuple[int, int, bool]:
    """Start and end of the report, and whether servers are listed. Both are now where they are not given, as ever."""
    views.require_known(call, allowed)
    query, now = call.query(), call.service.now()
    start = _time((query.get("start") or [""])[-1], now)
    stop = _time((query.get("end") or [""])[-1], now)
    if start > stop:
        raise BadRequest("Invalid start time. The start time cannot occur after the end time.")
    return start, stop, (query.get("detailed") or ["0"])[-1] == "1"


def _time(text: str, default: int) -> int:
    if not text:
        return default
    moment = _parsed(text, "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%f")
    if moment is None:
        raise BadRequest("Invalid datetime string: Datetime is in invalid format")
    return round(moment.timestamp() * 1e6)


def _parsed(text: str, *forms: str) -> datetime | None:
    """The time, in UTC, that is written in one of these forms; the reports know no others."""
    for form in forms:
        with contextlib.suppress(ValueError):
            return datetime.strptime(text, form).replace(tzinfo=UTC)
    return None


def _iso(at: int | None) -> str | None:
    return None if at is None else clock.iso_micro(at).rstrip("Z")


def _report(call: Call[Compute], project_id: str, rows: list[Row[Any]], start: int, stop: int, listed: bool) -> Any:
    total = dict.fromkeys(("hours", "local_gb", "vcpus", "memory_mb"), 0.0)
    shown = []
    for row in rows:
        lived, disk = usage.hours(row, start, stop), usage.disk_gb(row)
        total["hours"] += lived
        total["local_gb"] += lived * disk
        total["vcpus"] += lived * row.vcpus
        total["memory_mb"] += lived * row.memory_mb
        if listed:
            shown.append(_server(call, row, lived, disk))
    report: dict[str, Any] = {
        "tenant_id": project_id,
        "start": _iso(start),
        "stop": _iso(stop),
        "total_hours": total["hours"],
        "total_local_gb_usage": total["local_gb"],
        "total_vcpus_usage": total["vcpus"],
        "total_memory_mb_usage": total["memory_mb"],
    }
    if listed:
        report["server_usages"] = shown
    return report


def _server(call: Call[Compute], row: Row[Any], lived: float, disk: int) -> dict[str, Any]:
    ended = row.terminated_at is not None
    last = row.terminated_at or call.service.now()
    return {
        "instance_id": row.id,
        "name": row.name,
        "hours": lived,
        "flavor": msgspec.json.decode(row.flavor).get("original_name", ""),
        "vcpus": row.vcpus,
        "memory_mb": row.memory_mb,
        "local_gb": disk,
        "tenant_id": row.project_id,
        "started_at": _iso(row.launched_at),
        "ended_at": _iso(row.terminated_at),
        "state": "terminated" if ended else row.vm_state,
        "uptime": max(0, last - row.launched_at) // 1_000_000,
    }


def _page(call: Call[Compute]) -> usage.Page | None:
    return usage.Page(*views.page(call)) if call.version >= _PAGED_SINCE else None


def _links(call: Call[Compute], path: str, page: usage.Page | None, rows: list[Row[Any]]) -> list[dict[str, str]]:
    """To what is behind a page that is full."""
    return views.next_links(call, path, rows[-1].id) if page is not None and rows and len(rows) == page.limit else []


def index(call: Call[Compute]) -> Reply:
    call.service.policy.can(call.ctx, "os_compute_api:os-simple-tenant-usage:list")
    start, stop, listed = _period(call, *_SPAN, *_PAGE, "detailed")
    page = _page(call)
    with call.service.db.read() as connection:
        found = usage.of_projects(connection, start, stop, None, page)
    reports = [_report(call, key, rows, start, stop, listed) for key, rows in found.items()]
    body: dict[str, Any] = {"tenant_usages": reports}
    links = _links(call, "os-simple-tenant-usage", page, [row for rows in found.values() for row in rows])
    return Reply(body | ({"tenant_usages_links": links} if links else {}))


def show(call: Call[Compute], project_id: str) -> Reply:
    call.service.policy.can(call.ctx, "os_compute_api:os-simple-tenant-usage:show", {"project_id": project_id})
    start, stop, _ = _period(call, *_SPAN, *_PAGE)
    page = _page(call)
    with call.service.db.read() as connection:
        rows = usage.of_projects(connection, start, stop, project_id, page).get(project_id, [])
    body: dict[str, Any] = {"tenant_usage": _report(call, project_id, rows, start, stop, True) if rows else {}}
    links = _links(call, f"os-simple-tenant-usage/{project_id}", page, rows)
    return Reply(body | ({"tenant_usage_links": links} if links else {}))


def audit_log(call: Call[Compute]) -> Reply:
    call.service.policy.can(call.ctx, "os_compute_api:os-instance-usage-audit-log:list")
    now = datetime.fromtimestamp(call.service.now() / 1e6, UTC)
    return Reply({"instance_usage_audit_logs": _audit(call, now)})


def audit_log_before(call: Call[Compute], before: str) -> Reply:
    call.service.policy.can(call.ctx, "os_compute_api:os-instance-usage-audit-log:show")
    moment = _parsed(before, "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S")
    if moment is None:
        raise BadRequest(f"Invalid timestamp for date {before}")
    return Reply({"instance_usage_audit_log": _audit(call, moment)})


def _audit(call: Call[Compute], before: datetime) -> dict[str, Any]:
    """No host of ours keeps that log: usage is counted from the servers themselves, so none has run."""
    end = before.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    begin = (end - timedelta(days=1)).replace(day=1)
    with call.service.db.read() as connection:
        hosts = [row.host for row in services.find(connection, binary=services.COMPUTE)]
    return {
        "period_beginning": f"{begin:%Y-%m-%d %H:%M:%S}",
        "period_ending": f"{end:%Y-%m-%d %H:%M:%S}",
        "num_hosts": len(hosts),
        "num_hosts_done": 0,
        "num_hosts_running": 0,
        "num_hosts_not_run": len(hosts),
        "hosts_not_run": hosts,
        "total_instances": 0,
        "total_errors": 0,
        "overall_status": f"0 of {len(hosts)} hosts done. 0 errors.",
        "log": {},
    }
