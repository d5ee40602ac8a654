"""Remote consoles: where a browser or client reaches one, with a token (Compute API, Server consoles)."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from sqlalchemy.engine import Row

from cumulet.compute.bodies import convert, read
from cumulet.compute.domain import console_tokens
from cumulet.compute.errors import not_found
from cumulet.compute.handlers import server_access
from cumulet.compute.schemas.server_actions import Console, RemoteConsole, RemoteConsoleBody
from cumulet.compute.service import Compute
from cumulet.kernel.bus import BusError, RemoteError
from cumulet.kernel.errors import BadRequest, Conflict, NotFound
from cumulet.kernel.http import Call, Reply

_TYPES: Final = {"vnc": ("novnc", "xvpvnc"), "spice": ("spice-html5",), "serial": ("serial",), "mks": ("webmks",)}
_ASK_S: Final = 15.0


def vnc(call: Call[Compute], server_id: str, given: Any) -> Reply:
    return _older(call, server_id, given, "vnc")


def spice(call: Call[Compute], server_id: str, given: Any) -> Reply:
    return _older(call, server_id, given, "spice")


def serial(call: Call[Compute], server_id: str, given: Any) -> Reply:
    return _older(call, server_id, given, "serial")


def rdp(call: Call[Compute], server_id: str, given: Any) -> Reply:
    """Hosts with RDP consoles are no longer made."""
    raise BadRequest("Unavailable console type rdp-html5.")


def _older(call: Call[Compute], server_id: str, given: Any, protocol: str) -> Reply:
    """The actions of before 2.6."""
    wanted = convert(given, Console).type
    if wanted not in _TYPES[protocol]:
        raise BadRequest(f"Invalid input for field/attribute type. Value: {wanted}.")
    row = _row(call, server_id)
    return Reply({"console": {"type": wanted, "url": _url(call, row, protocol, wanted)}})


def create(call: Call[Compute], server_id: str) -> Reply:
    """`POST /servers/{id}/remote-consoles`"""
    given: RemoteConsole = read(call, RemoteConsoleBody).remote_console
    types = {**_TYPES, "rdp": ("rdp-html5",)}
    if call.version >= (2, 99):
        types["spice"] = ("spice-html5", "spice-direct")
    if given.protocol not in types or (given.protocol == "mks" and call.version < (2, 8)):
        raise BadRequest(f"Invalid input for field/attribute protocol. Value: {given.protocol}.")
    if given.type not in types[given.protocol]:
        raise BadRequest(f"Invalid input for field/attribute type. Value: {given.type}.")
    row = _row(call, server_id)
    url = _url(call, row, given.protocol, given.type)
    return Reply({"remote_console": {"protocol": given.protocol, "type": given.type, "url": url}})


def _row(call: Call[Compute], server_id: str) -> Row[Any]:
    with call.service.db.read() as connection:
        row = server_access.load(call, connection, server_id, "os-remote-consoles")
    if row.host is None:
        raise Conflict(f"Instance {row.id} is not ready")
    return row


def _url(call: Call[Compute], row: Row[Any], protocol: str, console_type: str) -> str:
    conf = call.service.conf
    bases = {
        ("vnc", "novnc"): conf.vnc.novncproxy_base_url if conf.vnc.enabled else None,
        ("serial", "serial"): conf.serial_console.base_url if conf.serial_console.enabled else None,
    }
    base = bases.get((protocol, console_type))
    if base is None:
        raise BadRequest(f"Unavailable console type {console_type}.")
    try:
        args = {"server_id": row.id, "kind": protocol}
        reach = call.service.bus.call(row.host, "compute.console", args, ctx=call.ctx, timeout_s=_ASK_S)
    except RemoteError as error:
        if error.type == "ValueError":
            raise BadRequest(f"Unavailable console type {console_type}.") from None
        if error.type == "NoSuchGuest":
            raise not_found("Instance", row.id) from None
        raise Conflict(f"The console of instance {row.id} cannot be reached: {error.message}") from None
    except BusError as error:
        raise Conflict(f"The console of instance {row.id} cannot be reached: {error}") from None
    token = console_tokens.issue(call.service, row, call.ctx.user_id, console_type, reach)
    if console_type == "novnc":
        return f"{base}?{urlencode({'path': f'?token={token}'})}"
    return f"{base}?token={token}"


def show_token(call: Call[Compute], token: str) -> Reply:
    """`GET /os-console-auth-tokens/{token}`"""
    call.service.policy.can(call.ctx, "os_compute_api:os-console-auth-tokens", {})
    with call.service.db.read() as connection:
        found = console_tokens.find(call.service, connection, token)
    if call.version < (2, 31) and (found is None or found.console_type != "rdp-html5"):
        # Only such consoles were told of then, and there are none any more.
        raise BadRequest("The requested console type details are not accessible")
    if found is None:
        raise NotFound("Token not found")
    shown = {
        "instance_uuid": found.server_id,
        "host": found.host,
        "port": found.port,
        "internal_access_path": found.internal_access_path,
    }
    if call.version >= (2, 99):
        shown["tls_port"] = found.tls_port
    return Reply({"console": shown})
