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
    """What `--json` prints: `supervisor_pid`, `processes`, `services`."""
    processes = []
    for process in [known.supervisor, *known.processes] if known else []:
        rss, pss = state.memory(process.pid)
        processes.append(
            {
                "pid": process.pid,
                "role": process.role,
                "rss_bytes": rss,
                "pss_bytes": pss,
                "restarts": process.restarts,
                "reason": process.reason,
            }
        )
    transport = Transport(ca_file=settings.tls_cert, timeout_s=5)
    answers = []
    for service in services.enabled(settings.services):
        url = settings.url(service.port, service.path)
        entry = {"name": service.name, "endpoint": url, "state": "down"}
        if known is not None:
            try:
                answer = transport.request("GET", f"{url}/healthcheck")
                entry["state"] = "up" if answer.status == 200 else f"unhealthy: {answer.body.decode()[:200]}"
            except Unreachable:
                entry["state"] = "not answering"
        answers.append(entry)
    return {
        "state": known.state if known else "down",
        "supervisor_pid": known.supervisor.pid if known else None,
        "processes": processes,
        "services": answers,
    }


def status(
    state_dir: StateDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Every service with its endpoint and state, every process with its memory."""
    paths = paths_of(state_dir)
    settings = Settings.load(paths) or Settings(state_dir=str(paths.state) if state_dir else None)
    described = describe(settings, state.running(paths))
    typer.echo(msgspec.json.format(msgspec.json.encode(described), indent=2).decode())
