"""`cumulet restore`: bring a backup back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cumulet.cli.options import StateDir, fail, paths_of
from cumulet.processes import state


def restore(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Made by `cumulet backup`.")],
    state_dir: StateDir = None,
    replace: Annotated[bool, typer.Option("--replace", help="Put it in the place of the cloud that is here.")] = False,
) -> None:
    """Put a backup where a cloud is to be. The cloud must be down; start it with `cumulet up` afterwards."""
    from cumulet.processes import archive, dumps

    paths = paths_of(state_dir)
    if state.running(paths) is not None:
        fail("The cloud is running; `cumulet down` first.")
    if paths.settings.exists() and not replace:
        fail("There is a cloud here; --replace puts the backup in its place.")
    try:
        manifest = archive.restore(file.absolute(), paths, str(paths.state) if state_dir else None)
    except (archive.NotRestorable, dumps.DumpFailed) as error:
        fail(f"Nothing was restored: {error}")
    typer.echo(f"Restored {', '.join(manifest.databases)}. `cumulet up` starts the cloud.")
