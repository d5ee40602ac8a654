"""`/os-services`, `/os-hosts` (Block Storage API, Services and Hosts)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import sqlalchemy.engine
from msgspec import UNSET

from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.http import Call, Reply
from cumulet.volume import bodies, views
from cumulet.volume.domain import hosts, services
from cumulet.volume.handlers.volume_access import may
from cumulet.volume.schemas.services import HostBody, LogBody, ServiceBody
from cumulet.volume.service import Volume

Row = sqlalchemy.engine.Row[Any]
_BINARIES: Final = ("", "*", "cinder-api", services.VOLUME, services.SCHEDULER, services.BACKUP)
_LEVELS: Final = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")


def _last(call: Call[Volume], name: str) -> str | None:
    values = call.query().get(name)
    return values[-1] if values and values[-1] else None


def _view(call: Call[Volume], row: Row) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "binary": row.binary,
        "host": row.host,
        "zone": row.availability_zone,
        "status": "disabled" if row.disabled else "enabled",
        "state": "up" if services.is_up(call.service, row) else "down",
        "updated_at": views.time(row.updated_at),
    }
    if call.version >= (3, 49) and row.binary == services.VOLUME:
        shown["backend_state"] = row.backend_state or "up"
    if call.version >= (3, 7):
        shown["cluster"] = None
    shown["disabled_reason"] = row.disabled_reason
    if row.binary == services.VOLUME:
        shown["replication_status"] = row.replication_status
        shown["active_backend_id"] = row.active_backend_id
        shown["frozen"] = row.frozen
    return shown


def index(call: Call[Volume]) -> Reply:
    may(call, "volume_extension:services:index")
    binary = _last(call, "binary") or _last(call, "service")
    with call.service.db.read() as connection:
        rows = services.find(connection, host=_last(call, "host"), binary=binary)
    return Reply({"services": [_view(call, row) for row in rows]})


def act(call: Call[Volume], operation: str) -> Reply:
    """PUT /os-services/enable and the like."""
    if operation not in _OPERATIONS:
        raise NotFound("The resource could not be found.")
    rule, run = _OPERATIONS[operation]
    may(call, rule)
    return run(call)


def _switch(*, disabled: bool, reasoned: bool = False) -> Callable[[Call[Volume]], Reply]:
    def run(call: Call[Volume]) -> Reply:
        given = bodies.read(call, ServiceBody)
        binary = given.binary or given.service
        if not binary:
            raise BadRequest("Missing required element: binary.")
        reason = None
        if reasoned and given.disabled_reason is not UNSET:
            reason = bodies.stripped(given.disabled_reason)
        if reason == "":
            raise BadRequest("Missing required element 'disabled_reason' in request body.")
        changed = {"disabled": disabled, "disabled_reason": reason}
        row = services.change(call.service, given.host, binary, **changed)
        shown = {
            "host": row.host,
            "service": binary,
            "disabled": disabled,
            "binary": binary,
            "status": "disabled" if disabled else "enabled",
        }
        if reasoned:
            shown["disabled_reason"] = reason
        return Reply(shown)

    return run


def _freezing(*, frozen: bool) -> Callable[[Call[Volume]], Reply]:
    def run(call: Call[Volume]) -> Reply:
        host = bodies.read(call, HostBody).host
        try:
            services.freeze(call.service, host, frozen=frozen)
        except NotFound:
            raise BadRequest(f"No service found with host={host}") from None
        return Reply(status=200)

    return run


def _failover(call: Call[Volume]) -> Reply:
    """No back end here replicates to another, so there is none to fail over to."""
    host = bodies.read(call, HostBody).host
    with call.service.db.read() as connection:
        try:
            services.load(connection, host, services.VOLUME)
        except NotFound:
            raise BadRequest(f"No service found with host={host}") from None
    raise BadRequest(f"Host {host} must have replication enabled to be failed over.")


def _log_rows(call: Call[Volume], given: LogBody) -> list[Row]:
    if (given.binary or "") not in _BINARIES:
        raise BadRequest(f"Invalid input for field/attribute binary. Value: {given.binary}. It is one of {_BINARIES}.")
    binary = None if given.binary in (None, "", "*") else given.binary
    with call.service.db.read() as connection:
        return services.find(connection, host=given.server or None, binary=binary)


def _log_body(call: Call[Volume]) -> LogBody:
    """From 3.32 on."""
    if call.version < (3, 32):
        raise NotFound("The resource could not be found.")
    return bodies.read(call, LogBody)


def _set_log(call: Call[Volume]) -> Reply:
    given = _log_body(call)
    rows = _log_rows(call, given)
    level = (given.level or "").upper()
    if level not in _LEVELS:
        raise BadRequest(f"Invalid input for field/attribute level. Value: {given.level}. It is one of {_LEVELS}.")
    services.set_log_levels(call.service, rows, given.prefix or "", level)
    return Reply(status=202)


def _get_log(call: Call[Volume]) -> Reply:
    given = _log_body(call)
    prefix = given.prefix or ""
    shown = []
    for row in _log_rows(call, given):
        levels = {"cumulet": "INFO"} | services.log_levels(row)
        shown.append(
            {
                "host": row.host,
                "binary": row.binary,
                "levels": {key: level for key, level in levels.items() if key.startswith(prefix)},
            }
        )
    return Reply({"log_levels": shown})


_UPDATE: Final = "volume_extension:services:update"
_OPERATIONS: Final[dict[str, tuple[str, Callable[[Call[Volume]], Reply]]]] = {
    "enable": (_UPDATE, _switch(disabled=False)),
    "disable": (_UPDATE, _switch(disabled=True)),
    "disable-log-reason": (_UPDATE, _switch(disabled=True, reasoned=True)),
    "freeze": ("volume:freeze_host", _freezing(frozen=True)),
    "thaw": ("volume:thaw_host", _freezing(frozen=False)),
    "failover_host": ("volume:failover_host", _failover),
    "set-log": (_UPDATE, _set_log),
    "get-log": (_UPDATE, _get_log),
}


def host_index(call: Call[Volume]) -> Reply:
    may(call, "volume_extension:hosts")
    with call.service.db.read() as connection:
        rows = services.find(connection)
    zone = _last(call, "zone")
    return Reply(
        {
            "hosts": [
                {
                    "host_name": row.host,
                    "service": row.binary,
                    "zone": row.availability_zone,
                    "service-status": "available" if services.is_up(call.service, row) else "unavailable",
                    "service-state": "disabled" if row.disabled else "enabled",
                    "last-update": views.time(row.updated_at),
                }
                for row in rows
                if not row.disabled and zone in (None, row.availability_zone)
            ]
        }
    )


def host(call: Call[Volume], name: str) -> Reply:
    """What each project has on a back end, and all of them together."""
    may(call, "volume_extension:hosts")
    with call.service.db.read() as connection:
        services.load(connection, name, services.VOLUME)
        found = hosts.usage(connection, name)
    return Reply(
        {
            "host": [
                {
                    "resource": {
                        "host": name,
                        "project": each.project,
                        "volume_count": str(each.volumes),
                        "total_volume_gb": str(each.volume_gb),
                        "snapshot_count": str(each.snapshots),
                        "total_snapshot_gb": str(each.snapshot_gb),
                    }
                }
                for each in found
            ]
        }
    )


def update_no_host(call: Call[Volume]) -> Reply:
    """The original has a route for it, and no host to change."""
    may(call, "volume_extension:hosts")
    raise BadRequest(
        "The server could not comply with the request since it is either malformed or otherwise incorrect."
    )


def update_host(call: Call[Volume], name: str) -> Reply:
    """`{"status": "enable"}` and `disable` of whatever runs there."""
    may(call, "volume_extension:hosts")
    body = call.raw_json()
    status = body.get("status") if isinstance(body, dict) else None
    if not isinstance(status, str) or set(body) != {"status"} or status.lower() not in ("enable", "disable"):
        raise BadRequest("Invalid input for field/attribute status. It is one of enable, disable.")
    services.change(call.service, name, services.VOLUME, disabled=status.lower() == "disable")
    return Reply({"host": name, "status": f"{status.lower()}d"})
