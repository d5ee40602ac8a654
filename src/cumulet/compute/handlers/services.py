"""`/v2.1/os-services` (Compute API, Compute services)."""

from __future__ import annotations

from typing import Any, Final

from msgspec import UNSET
from sqlalchemy.engine import Connection, Row

from cumulet.compute import views
from cumulet.compute.bodies import read, require_version
from cumulet.compute.domain import services
from cumulet.compute.handlers.server_parts import UUID
from cumulet.compute.schemas.services import Action, Update
from cumulet.compute.service import Compute
from cumulet.kernel import clock
from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.http import NO_CONTENT, Call, Reply

_ACTIONS = ("enable", "disable", "disable-log-reason", "force-down")
_ACTION_SINCE: Final = {"forced_down": (2, 11)}


def _may(call: Call[Compute], verb: str) -> None:
    call.service.policy.can(call.ctx, f"os_compute_api:os-services:{verb}")


def _view(call: Call[Compute], row: Row[Any], standing: services.Standing) -> dict[str, Any]:
    shown = {
        "id": row.id if call.version >= (2, 53) else row.number,
        "binary": row.binary,
        "host": row.host,
        "zone": standing.zone(row),
        "status": "disabled" if row.disabled else "enabled",
        "state": "up" if standing.is_up(row) else "down",
        "updated_at": None if row.updated_at is None else clock.iso_micro(row.updated_at).rstrip("Z"),
        "disabled_reason": row.disabled_reason,
    }
    if call.version >= (2, 11):
        shown["forced_down"] = row.forced_down
    return shown


def index(call: Call[Compute]) -> Reply:
    _may(call, "list")
    views.require_known(call, ("host", "binary"))
    query = call.query()
    host, binary = (views.last(query, key) for key in ("host", "binary"))
    with call.service.db.read() as connection:
        rows = services.find(connection, host=host or None, binary=binary or None)
        standing = services.Standing(call.service, connection)
    return Reply({"services": [_view(call, row, standing) for row in rows]})


def act(call: Call[Compute], action: str) -> Reply:
    """Up to 2.52: PUT /os-services/enable, disable, disable-log-reason, force-down with host and binary."""
    given = read(call, Action)
    require_version(call, given, _ACTION_SINCE)
    if action not in _ACTIONS or (action == "force-down" and call.version < _ACTION_SINCE["forced_down"]):
        raise NotFound("Unknown action")
    _may(call, "update")
    _require_compute(given.binary)
    with call.service.db.read() as connection:
        row = services.of_host(connection, given.host, given.binary)
    shown: dict[str, Any] = {"host": given.host, "binary": given.binary}
    if action == "force-down":
        if given.forced_down is UNSET:
            raise BadRequest("Missing forced_down field")
        services.change(call.service, row, forced_down=given.forced_down)
        return Reply({"service": shown | {"forced_down": given.forced_down}})
    shown["status"] = "enabled" if action == "enable" else "disabled"
    reason = None
    if action == "disable-log-reason":
        if given.disabled_reason is UNSET:
            raise BadRequest("Missing disabled reason field")
        reason = shown["disabled_reason"] = given.disabled_reason
    services.change(call.service, row, disabled=action != "enable", disabled_reason=reason)
    return Reply({"service": shown})


def _require_compute(binary: str) -> None:
    if binary != services.COMPUTE:
        raise BadRequest(f"Updating a {binary} service is not supported. Only nova-compute services can be updated.")


def update(call: Call[Compute], service_id: str) -> Reply:
    """From 2.53: PUT /os-services/{uuid}."""
    if call.version < (2, 53):
        return act(call, service_id)
    given = read(call, Update)
    _may(call, "update")
    with call.service.db.read() as connection:
        row = _by_uuid(connection, service_id)
        standing = services.Standing(call.service, connection)
    _require_compute(row.binary)
    values: dict[str, Any] = {}
    if given.status is not UNSET:
        values |= {"disabled": given.status == "disabled", "disabled_reason": None}
    if given.disabled_reason is not UNSET:
        if given.status == "enabled":
            raise BadRequest("Specifying 'disabled_reason' with status 'enabled' is invalid.")
        values["disabled_reason"] = given.disabled_reason
    if given.forced_down is not UNSET:
        values["forced_down"] = given.forced_down
    if given.status is UNSET and given.forced_down is UNSET:
        raise BadRequest("No updates were requested. Fields 'status' or 'forced_down' should be specified.")
    changed = services.change(call.service, row, **values)
    return Reply({"service": _view(call, changed, standing)})


def _by_uuid(connection: Connection, service_id: str) -> Row[Any]:
    if not UUID.match(service_id):
        raise BadRequest(f"Invalid uuid {service_id}")
    return services.load(connection, service_id, by_number=False)


def delete(call: Call[Compute], service_id: str) -> Reply:
    _may(call, "delete")
    with call.service.db.read() as connection:
        by_number = call.version < (2, 53)
        row = services.load(connection, service_id, by_number=True) if by_number else _by_uuid(connection, service_id)
    services.delete(call.service, row)
    return NO_CONTENT
