"""`cumulet down`: end the cloud."""

from __future__ import annotations

import shutil
import signal
import time
from typing import Annotated

import typer

from cumulet.cli.options import StateDir, fail, paths_of
from cumulet.processes import state

_PATIENCE_S = 20.0


def down(
    state_dir: StateDir = None,
    purge: Annotated[bool, typer.Option("--purge", help="Also delete everything the cloud kept.")] = False,
) -> None:
    """End the cloud: requests under way finish, then every process goes. What it kept stays, unless --purge."""
    paths = paths_of(state_dir)
    known = state.running(paths)
    if known is None:
        typer.echo("The cloud is not running.")
    else:
        known.supervisor.signal(signal.SIGTERM)
        deadline = time.monotonic() + _PATIENCE_S
        while state.lock(paths).is_held:
            if time.monotonic() > deadline:
                fail(f"The supervisor (pid {known.supervisor.pid}) does not end.")
            time.sleep(0.02)
        typer.echo("The cloud is down.")
    if purge:
        for directory in {paths.state, paths.config, paths.logs, paths.run}:
            shutil.rmtree(directory, ignore_errors=True)
        typer.echo("Everything it kept is deleted.")
