"""`cumulet down`: end the cloud."""

from __future__ import annotations

import shutil
import signal
import time
from typing import Annotated

import msgspec
import typer

from cumulet.cli.options import StateDir, fail, paths_of
from cumulet.kernel.paths import Paths
from cumulet.kernel.settings import Settings
from cumulet.processes import agent, state

_GRACE_S = 20.0
_AFTER_KILL_S = 5.0


def down(
    state_dir: StateDir = None,
    purge: Annotated[bool, typer.Option("--purge", help="Also delete everything the cloud kept.")] = False,
    within: Annotated[float, typer.Option(min=0, help="Seconds after which what is left is killed.")] = _GRACE_S,
) -> None:
    """End the cloud: requests under way finish, then every process goes. What it kept stays, unless --purge."""
    paths = paths_of(state_dir)
    known = state.running(paths)
    if known is None:
        typer.echo("The cloud is not running.")
    else:
        end(paths, known, within)
        typer.echo("The cloud is down.")
    settings = Settings.load(paths)
    if settings is not None:
        agent.leave(settings)  # an agent that was killed could not
    if purge:
        if settings is not None:
            agent.purge(settings)  # before the files are gone that say which processes serve volumes
        for directory in {paths.state, paths.config, paths.logs, paths.run}:
            shutil.rmtree(directory, ignore_errors=True)
        typer.echo("Everything it kept is deleted.")


def end(paths: Paths, known: state.State, within_s: float = _GRACE_S) -> None:
    """Every process of a running cloud goes; its guests and networks stay for whoever starts it again."""
    known.supervisor.signal(signal.SIGTERM)
    if not _ended(paths, within_s):
        _kill(paths, known)


def _ended(paths: Paths, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while state.lock(paths).is_held:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _kill(paths: Paths, known: state.State) -> None:
    """A supervisor that does not heed SIGTERM goes with all of its processes."""
    known = state.State.load(paths) or known
    # Workers whose supervisor is gone look here whether to bring it back.
    msgspec.structs.replace(known, state=state.STOPPING).save(paths)
    for process in (known.supervisor, *known.processes):
        process.signal(signal.SIGKILL)
    if not _ended(paths, _AFTER_KILL_S):
        fail(f"The supervisor (pid {known.supervisor.pid}) cannot be killed.")
