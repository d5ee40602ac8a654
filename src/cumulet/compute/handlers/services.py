"""`/v2.1/os-services` (Compute API, Compute services)."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Row

from cumulet.compute import views
from cumulet.compute.domain import services
from cumulet.compute.service import Compute
from cumulet.kernel import clock
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import NO_CONTENT, Call, Reply

_ACTIONS = ("enable", "disable", "disable-log-reason", "force-down")


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
    if action not in _ACTIONS:
        raise BadRequest(f"Unknown action {action}")
    _may(call, "update")
    body = call.raw_json()
    host, binary = (body.get(key) if isinstance(body, dict) else None for key in ("host", "binary"))
    if not isinstance(host, str) or not isinstance(binary, str) or not host or not binary:
        raise BadRequest("Invalid input for field/attribute host. host and binary are required.")
    unknown = set(body) - {"host", "binary", "disabled_reason", "forced_down"}
    if unknown:
        raise BadRequest(f"Additional properties are not allowed ({', '.join(sorted(unknown))})")
    with call.service.db.read() as connection:
        row = services.of_host(connection, host, binary)
    shown: dict[str, Any] = {"host": host, "binary": binary}
    if action == "force-down":
        forced = _flag(body.get("forced_down"))
        services.change(call.service, row, forced_down=forced)
        return Reply({"service": shown | {"forced_down": forced}})
    shown["status"] = "enabled" if action == "enable" else "disabled"
    reason = _reason(body) if action == "disable-log-reason" else None
    if reason is not None:
        shown["disabled_reason"] = reason
    services.change(call.service, row, disabled=action != "enable", disabled_reason=reason)
    return Reply({"service": shown})


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false", "1", "0", "yes", "no", "on", "off"):
        return value.lower() in ("true", "1", "yes", "on")
    raise BadRequest(f"Invalid input for field/attribute forced_down. Value: {value}. It is not a boolean.")


def _reason(body: dict[str, Any]) -> str:
    reason = body.get("disabled_reason")
    if not isinstance(reason, str) or not 1 <= len(reason) <= 255:
        raise BadRequest("Missing disabled reason field, or it has not 1 to 255 characters.")
    return reason


def update(call: Call[Compute], service_id: str) -> Reply:
    """From 2.53: PUT /os-services/{uuid}."""
    if call.version < (2, 53):
        return act(call, service_id)
    _may(call, "update")
    body = call.raw_json()
    if not isinstance(body, dict) or not body or set(body) - {"status", "disabled_reason", "forced_down"}:
        raise BadRequest("Invalid input for field/attribute body. It has status, disabled_reason or forced_down.")
    with call.service.db.read() as connection:
        row = services.load(connection, service_id, by_number=False)
        standing = services.Standing(call.service, connection)
    if row.binary != services.COMPUTE:
        raise BadRequest(
            f"Updating a {row.binary} service is not supported. Only nova-compute services can be updated."
        )
    values: dict[str, Any] = {}
    if "status" in body:
        if body["status"] not in ("enabled", "disabled"):
            raise BadRequest(f"Invalid input for field/attribute status. Value: {body['status']}.")
        values |= {"disabled": body["status"] == "disabled", "disabled_reason": None}
    if "disabled_reason" in body:
        if values.get("disabled") is not True:
            raise BadRequest('Specifying disabled_reason requires that status is "disabled".')
        values["disabled_reason"] = _reason(body)
    if "forced_down" in body:
        values["forced_down"] = _flag(body["forced_down"])
    changed = services.change(call.service, row, **values)
    return Reply({"service": _view(call, changed, standing)})


def delete(call: Call[Compute], service_id: str) -> Reply:
    _may(call, "delete")
    with call.service.db.read() as connection:
        row = services.load(connection, service_id, by_number=call.version < (2, 53))
    services.delete(call.service, row)
    return NO_CONTENT
