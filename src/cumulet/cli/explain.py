"""`cumulet explain`: what became of a server, in a paragraph."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cumulet.cli.options import StateDir, fail, settings_of
from cumulet.processes import logins


def explain(
    server: Annotated[str, typer.Argument(help="The server's id, or its name where that is unique.")],
    state_dir: StateDir = None,
) -> None:
    """Its state, what was done to it, by whose request, why the last thing failed, and who can reach it."""
    from cumulet.cli import reach
    from cumulet.demo.login import DemoError, Login
    from cumulet.kernel.client import Unreachable

    settings = settings_of(state_dir)
    try:
        admin = Login(settings, logins.ADMIN)
        found = _server(admin, server)
        actions = admin.show("compute", f"/servers/{found['id']}/os-instance-actions")
        latest = [
            admin.show("compute", f"/servers/{found['id']}/os-instance-actions/{one['request_id']}")
            for one in actions[:5]
        ]
        reached = reach.lines(admin, found) if found["status"] == "ACTIVE" else []
    except (DemoError, Unreachable, LookupError) as error:
        fail(str(error))
    for line in [*_story(found, latest), *reached, *_login(found)]:
        typer.echo(line)


def _server(admin: Any, wanted: str) -> dict[str, Any]:
    listed = admin.show("compute", "/servers/detail", all_tenants="1")
    matching = [one for one in listed if wanted in (one["id"], one["name"])]
    if not matching:
        raise LookupError(f"No server is called {wanted}.")
    if len(matching) > 1:
        raise LookupError(f"{len(matching)} servers are called {wanted}: {', '.join(one['id'] for one in matching)}.")
    one: dict[str, Any] = matching[0]
    return one


def _login(server: dict[str, Any]) -> list[str]:
    if server["status"] != "ACTIVE" or server["key_name"]:
        return []
    return ["It has no key pair (--key-name): only a password that its image knows lets anybody log in."]


def _story(server: dict[str, Any], actions: list[dict[str, Any]]) -> list[str]:
    host = server.get("OS-EXT-SRV-ATTR:host")
    task = server.get("OS-EXT-STS:task_state")
    lines = [
        f"Server {server['name']} ({server['id']}) is {server['status']}"
        + (f" on {host}" if host else ", on no host")
        + (f"; it is {task} now." if task else ".")
    ]
    fault = server.get("fault")
    if fault:
        lines.append(f"Why: {fault['message']}")
        if fault.get("details"):
            lines.append(fault["details"])
    for action in actions:
        ended = "" if not action.get("message") else f": {action['message']}"
        lines.append(f"{action['start_time']}  {action['action']}{ended}  ({action['request_id']})")
        for event in action.get("events") or []:
            where = f" on {event['host']}" if event.get("host") else ""
            why = f": {event['details']}" if event.get("details") else ""
            lines.append(f"    {event['event']} {event['result'] or 'is under way'}{where}{why}")
    return lines
