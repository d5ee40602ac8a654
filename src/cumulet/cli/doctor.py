"""`cumulet doctor`: what is missing on this host, and how to get it."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from cumulet.cli.options import StateDir, paths_of
from cumulet.kernel.settings import Settings
from cumulet.processes import checks, state

_MARKS = {checks.OK: ("✓", "green"), checks.WARNING: ("!", "yellow"), checks.PROBLEM: ("✗", "red")}


def doctor(
    state_dir: StateDir = None,
    simulate: Annotated[bool | None, typer.Option("--simulate/--real", help="What the cloud is to be.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Look at this host, say what is wrong in plain words, and how to put it right. Ends with 1 for a problem."""
    paths = paths_of(state_dir)
    settings = Settings.load(paths) or Settings(state_dir=str(paths.state) if state_dir else None)
    if simulate is not None:
        settings = msgspec.structs.replace(settings, simulate=simulate)
    found = list(checks.run(settings, running=state.running(paths) is not None))
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        for check in found:
            mark, colour = _MARKS[check.state]
            typer.echo(f"{typer.style(mark, fg=colour)} {check.name}: {check.says}")
            if check.fix:
                typer.echo(f"    → {check.fix}")
    if any(check.state == checks.PROBLEM for check in found):
        raise typer.Exit(1)
