"""`cumulet backup`: everything a cloud keeps, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cumulet.cli.options import StateDir, fail, settings_of


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write, readable by its owner only.")],
    state_dir: StateDir = None,
) -> None:
    """Write databases, keys, configuration and images of one moment into FILE. The cloud may be running."""
    from cumulet.processes import archive, dumps

    settings = settings_of(state_dir)
    try:
        manifest = archive.save(settings, file.absolute())
    except (dumps.DumpFailed, OSError) as error:
        fail(f"No backup was made: {error}")
    typer.echo(
        f"{file}: {', '.join(manifest.databases)}; {file.stat().st_size / 1e6:.1f} MB. It holds keys: keep it safe."
    )
