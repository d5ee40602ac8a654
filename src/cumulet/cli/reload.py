"""`cumulet reload`: changed configuration files take effect."""

from __future__ import annotations

import signal

import typer

from cumulet.cli.options import StateDir, fail, paths_of
from cumulet.processes import state


def reload(state_dir: StateDir = None) -> None:
    """Have every process read its configuration files anew, one after the other; the others answer meanwhile."""
    known = state.running(paths_of(state_dir))
    if known is None:
        fail("The cloud is not running; `cumulet up` reads what is configured.")
    known.supervisor.signal(signal.SIGHUP)
    typer.echo("The processes read their configuration anew, one after the other.")
