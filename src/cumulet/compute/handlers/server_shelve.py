"""`shelve`, `shelveOffload`, `unshelve`, `forceDelete`, `restore`: servers that are put away."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from sqlalchemy.engine import Connection, Row

from cumulet.compute.bodies import convert
from cumulet.compute.domain import quotas, servers, services, tasks
from cumulet.compute.handlers import server_access, server_images
from cumulet.compute.schemas.server_actions import Unshelve
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest, Conflict
from cumulet.kernel.http import Call, Reply

_ACCEPTED = Reply(status=202)


def _row(call: Call[Compute], server_id: str, rule: str) -> Row[Any]:
    with call.service.db.read() as connection:
        return server_access.load(call, connection, server_id, rule)


def shelve(call: Call[Compute], server_id: str, given: Any) -> Reply:
    row = _row(call, server_id, "os-shelve:shelve")
    tasks.require_allowed(row, tasks.SHELVE, call.ctx)
    image_id = None
    if row.image_id is not None:
        image_id = server_images.enter(call, row, f"{row.name}-shelved", "snapshot", {})
    server_images.request(call, row.id, tasks.SHELVE, {"image": image_id})
    return _ACCEPTED


def offload(call: Call[Compute], server_id: str, given: Any) -> Reply:
    row = _row(call, server_id, "os-shelve:shelve_offload")
    tasks.request(call.service, call.ctx, row.id, tasks.OFFLOAD)
    return _ACCEPTED


def unshelve(call: Call[Compute], server_id: str, given: Any) -> Reply:
    row = _row(call, server_id, "os-shelve:unshelve")
    body = _wish(call, row, given)
    tasks.require_allowed(row, tasks.UNSHELVE, call.ctx)
    if (body.host is not UNSET or body.availability_zone is not UNSET) and row.vm_state != "shelved_offloaded":
        raise Conflict(
            f"Cannot 'unshelve' instance {row.id} with a host or an availability zone while it is in vm_state "
            f"{row.vm_state}"
        )
    place: dict[str, Any] = {"host": None if body.host is UNSET else body.host}
    values: dict[str, Any] = {}
    if body.availability_zone is not UNSET:
        values["requested_zone"] = body.availability_zone
    payload = {"was": row.vm_state, "place": place}
    tasks.request(call.service, call.ctx, row.id, tasks.UNSHELVE, payload=payload, values=values)
    return _ACCEPTED


def _wish(call: Call[Compute], row: Row[Any], given: Any) -> Unshelve:
    if call.version < (2, 77) or given is None:
        return Unshelve()
    body = convert(given, Unshelve)
    if body.host is not UNSET:
        if call.version < (2, 91):
            raise BadRequest("Additional properties are not allowed ('host' was unexpected)")
        server_access.may(call, "os-shelve:unshelve_to_host", row)
    if call.version < (2, 91) and body.availability_zone in (UNSET, None):
        raise BadRequest("Invalid input for field/attribute unshelve. 'availability_zone' is a required property")
    with call.service.db.read() as connection:
        if isinstance(body.host, str) and not services.has_node(connection, body.host, None):
            raise BadRequest(f"Compute host {body.host} could not be found.")
        known = {*services.zones(connection).values(), str(call.service.conf.default_availability_zone)}
    if isinstance(body.availability_zone, str) and body.availability_zone not in known:
        raise BadRequest("The requested availability zone is not available")
    return body


def force_delete(call: Call[Compute], server_id: str, given: Any) -> Reply:
    row = _row(call, server_id, "os-deferred-delete:force")
    if row.locked and not call.ctx.is_admin:
        raise Conflict(f"Instance {row.id} is locked")
    servers.request_delete(call.service, call.ctx, row.id, action="forceDelete")
    return _ACCEPTED


def restore(call: Call[Compute], server_id: str, given: Any) -> Reply:
    row = _row(call, server_id, "os-deferred-delete:restore")
    compute = call.service

    def enter(connection: Connection, now: Row[Any]) -> dict[str, Any]:
        wanted = {"instances": 1, "cores": now.vcpus, "ram": now.memory_mb}
        quotas.require(compute, connection, now.project_id, now.user_id, wanted)
        return {}

    tasks.request(compute, call.ctx, row.id, tasks.RESTORE, prepare=enter)
    return _ACCEPTED
