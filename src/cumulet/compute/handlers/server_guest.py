"""What is asked of the guest itself and at once: its password, a crash dump, its figures."""

from __future__ import annotations

import contextlib
from typing import Any

from sqlalchemy.engine import Row

from cumulet.agents.compute import numa
from cumulet.compute.bodies import convert
from cumulet.compute.domain import guest_passwords, instance_actions, server_states, servers
from cumulet.compute.handlers import server_access
from cumulet.compute.schemas.server_actions import ChangePassword
from cumulet.compute.service import Compute
from cumulet.kernel.bus import BusError, RemoteError
from cumulet.kernel.errors import BadRequest, Conflict
from cumulet.kernel.http import NO_CONTENT, Call, Reply

_ACCEPTED = Reply(status=202)
_GUEST_S = 30.0
_CRASHED = ("active", "paused", "rescued", "resized", "error")


def _ready(call: Call[Compute], server_id: str, rule: str, verb: str, allowed: tuple[str, ...]) -> Row[Any]:
    with call.service.db.read() as connection:
        row = server_access.load(call, connection, server_id, rule)
    server_states.require_unlocked(row, admin=call.ctx.is_admin)
    server_states.require(row, verb, allowed)
    if row.host is None:
        raise Conflict(f"Instance {row.id} is not ready")
    return row


def _ask(call: Call[Compute], row: Row[Any], action: str, event: str, method: str, **args: Any) -> None:
    """Ask the host at once, so that no secret is written down; the server's history has how it went."""
    compute = call.service
    began = compute.now()
    failure = None
    try:
        compute.bus.call(row.host, f"compute.{method}", {"server_id": row.id, **args}, ctx=call.ctx, timeout_s=_GUEST_S)
    except BusError as error:
        failure = error.message if isinstance(error, RemoteError) else str(error)
    with compute.db.write() as connection:
        action_id = servers.begin(compute, connection, call.ctx, row.id, action)
        instance_actions.event(
            connection, action_id, event, started=began, now=compute.now(), host=row.host, failure=failure
        )
    if failure is not None:
        raise Conflict(f"Instance {row.id}: {failure}")


def change_password(call: Call[Compute], server_id: str, given: Any) -> Reply:
    body = convert(given, ChangePassword)
    row = _ready(call, server_id, "os-admin-password", "changePassword", ("active",))
    event = "compute_set_admin_password"
    _ask(call, row, "changePassword", event, "set_password", password=body.admin_pass)
    return _ACCEPTED


def password(call: Call[Compute], server_id: str) -> Reply:
    """What the guest left for its owner, encrypted with the owner's key; empty when it left nothing."""
    with call.service.db.read() as connection:
        row = server_access.load(call, connection, server_id, "os-server-password:show")
    return Reply({"password": row.admin_password_encrypted or ""})


def clear_password(call: Call[Compute], server_id: str) -> Reply:
    """It is forgotten here; the guest's own password stays."""
    with call.service.db.read() as connection:
        row = server_access.load(call, connection, server_id, "os-server-password:clear")
    guest_passwords.clear(call.service, row.id)
    return NO_CONTENT


def crash_dump(call: Call[Compute], server_id: str, given: Any) -> Reply:
    if given is not None:
        raise BadRequest("Invalid input for field/attribute trigger_crash_dump. It is null.")
    row = _ready(call, server_id, "servers:trigger_crash_dump", "trigger_crash_dump", _CRASHED)
    _ask(call, row, "trigger_crash_dump", "compute_trigger_crash_dump", "inject_nmi")
    return _ACCEPTED


def diagnostics(call: Call[Compute], server_id: str) -> Reply:
    with call.service.db.read() as connection:
        row = server_access.load(call, connection, server_id, "os-server-diagnostics")
    if row.host is None:
        raise Conflict(f"Instance {row.id} is not ready")
    if row.power_state != server_states.RUNNING:
        raise Conflict(f"Cannot 'get_diagnostics' instance {row.id} while it is in power_state {row.power_state}")
    try:
        found = call.service.bus.call(
            row.host, "compute.diagnostics", {"server_id": row.id}, ctx=call.ctx, timeout_s=_GUEST_S
        )
    except BusError as error:
        raise Conflict(f"Instance {row.id} cannot be asked: {error}") from None
    return Reply(found if call.version >= (2, 48) else _older(found))


def _older(found: dict[str, Any]) -> dict[str, Any]:
    """Flat names, as libvirt hosts gave them before 2.48."""
    shown: dict[str, Any] = {f"cpu{one['id']}_time": one["time"] for one in found["cpu_details"]}
    shown |= {"memory": found["memory_details"]["maximum"] * 1024}
    for number, disk in enumerate(found["disk_details"]):
        name = f"vd{chr(ord('a') + number)}"
        shown |= {
            f"{name}_read": disk["read_bytes"],
            f"{name}_read_req": disk["read_requests"],
            f"{name}_write": disk["write_bytes"],
            f"{name}_write_req": disk["write_requests"],
            f"{name}_errors": disk["errors_count"],
        }
    for number, nic in enumerate(found["nic_details"]):
        names = {"octets": "", "errors": "_errors", "drop": "_drop", "packets": "_packets"}
        for way in ("rx", "tx"):
            shown |= {f"vnet{number}_{way}{tail}": nic[f"{way}_{what}"] for what, tail in names.items()}
    return shown


def topology(call: Call[Compute], server_id: str) -> Reply:
    """The guest's NUMA nodes, as its host has placed them; the host's part is for administrators."""
    with call.service.db.read() as connection:
        row = servers.load(connection, server_id, call.ctx)
    target = {"project_id": row.project_id, "user_id": row.user_id}
    call.service.policy.can(call.ctx, "compute:server:topology:index", target)
    try:
        asked = numa.wish_of(servers.decode(row.flavor), servers.decode(row.image_properties))
    except ValueError:  # it could not be built
        asked = None
    found = numa.shown(asked, [])
    if asked is not None and row.host is not None:
        with contextlib.suppress(BusError):  # a host that is away, or whose guest is not built yet
            args = {"server_id": row.id}
            found = call.service.bus.call(row.host, "compute.topology", args, ctx=call.ctx, timeout_s=_GUEST_S)
    if not call.service.policy.allows(call.ctx, "compute:server:topology:host:index", target):
        for node in found["nodes"]:
            for name in ("host_node", "cpu_pinning"):
                node.pop(name, None)
    return Reply(found)
