"""`cumulet status`: every process and service of the cloud."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from cumulet import services
from cumulet.cli.options import StateDir, paths_of
from cumulet.kernel.client import Transport, Unreachable
from cumulet.kernel.settings import Settings
from cumulet.processes import state


def describe(settings: Settings, known: state.State | None) -> dict[str, Any]:
    """What `--json` prints. `waiting` are workers that died and will be started again."""
    return {
        "state": known.state if known else "down",
        "message": known.message if known else None,
        "supervisor_pid": known.supervisor.pid if known else None,
        "processes": [_process(p) for p in (known.supervisor, *known.processes) if p.is_alive] if known else [],
        "waiting": [msgspec.structs.asdict(one) for one in known.waiting] if known else [],
        "services": _services(settings, ask=known is not None),
    }


def _process(process: state.Process) -> dict[str, Any]:
    rss, pss = state.memory(process.pid)
    return {
        "pid": process.pid,
        "role": process.role,
        "ready": process.ready,
        "rss_bytes": rss,
        "pss_bytes": pss,
        "restarts": process.restarts,
        "reason": process.reason,
    }


def _services(settings: Settings, *, ask: bool) -> list[dict[str, Any]]:
    transport = Transport(ca_file=settings.tls_cert, timeout_s=5)
    described = []
    for service in services.enabled(settings.services):
        url = settings.url(service.port, service.path)
        described.append(
            {"name": service.name, "endpoint": url, "state": _health(transport, url) if ask else "down"},
        )
    return described


def _health(transport: Transport, url: str) -> str:
    try:
        answer = transport.request("GET", f"{url}/healthcheck")
    except Unreachable:
        return "not answering"
    return "up" if answer.status == 200 else f"unhealthy: {answer.body[:200].decode(errors='replace')}"


def status(
    state_dir: StateDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Every service with its endpoint and state, every process with its memory. Ends with 3 when the cloud is down."""
    paths = paths_of(state_dir)
    settings = Settings.load(paths) or Settings(state_dir=str(paths.state) if state_dir else None)
    described = describe(settings, state.running(paths))
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(described), indent=2).decode())
    else:
        from rich.console import Console

        from cumulet.cli.view import whole

        Console().print(whole(described))
    if described["state"] == "down":
        raise typer.Exit(3)
