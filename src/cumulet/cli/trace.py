"""`cumulet trace`: one request's whole path through services, jobs and agents."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cumulet.cli import lines
from cumulet.cli.options import StateDir, fail, settings_of
from cumulet.kernel.clock import iso_micro
from cumulet.kernel.paths import Paths
from cumulet.kernel.settings import Settings


def trace(
    request_id: Annotated[str, typer.Argument(help="From a response's X-Openstack-Request-Id: req-…")],
    state_dir: StateDir = None,
) -> None:
    """Print everything that one request caused: calls between services, jobs, agents' work, log lines."""
    settings = settings_of(state_dir)
    ids = related(settings.paths, request_id)
    found = [entry for entry in lines.merged(settings.paths.logs) if _belongs(entry, ids)]
    found += _jobs(settings, ids)
    if not found:
        fail(f"Nothing is known of {request_id}.")
    for entry in sorted(found, key=lambda entry: entry["time"]):
        typer.echo(lines.text(entry))


def related(paths: Paths, request_id: str) -> set[str]:
    """The request's id with the global id under which it went on and every request made under that one.

    A service that calls another sends its own request id, or the global one it was given, along.
    """
    ids = {request_id}
    while True:
        before = len(ids)
        for entry in lines.merged(paths.logs):
            if entry.get("request_id") in ids and entry.get("global_request_id"):
                ids.add(entry["global_request_id"])
            elif entry.get("global_request_id") in ids and entry.get("request_id"):
                ids.add(entry["request_id"])
        if len(ids) == before:
            return ids


def _belongs(entry: dict[str, Any], ids: set[str]) -> bool:
    return entry.get("request_id") in ids or entry.get("global_request_id") in ids


def _jobs(settings: Settings, ids: set[str]) -> list[dict[str, Any]]:
    """The jobs that the requests wrote, as entries."""
    from cumulet.kernel.jobs.history import jobs_of_request
    from cumulet.processes import apps

    found: dict[str, dict[str, Any]] = {}
    for one in apps.build(settings):
        table = getattr(one.description.tables(), "jobs", None)
        if table is None:
            continue
        with one.service.db.read() as connection:
            for request_id in ids:
                for job in jobs_of_request(connection, table, request_id):
                    found[job.id] = {
                        "time": iso_micro(job.created_at),
                        "role": one.description.name,
                        "level": "JOB",
                        "request_id": job.request_id,
                        "message": f"{job.kind} {job.state} after {job.attempts} attempts",
                        "subject": job.subject,
                        "finished": iso_micro(job.finished_at) if job.finished_at else None,
                        "last_error": job.last_error,
                    }
        one.service.db.close()
    return list(found.values())
