"""Options that every command takes."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from cumulet.kernel.paths import Paths
from cumulet.kernel.settings import Settings

StateDir = Annotated[
    Path | None,
    typer.Option(
        "--state-dir",
        "-D",
        envvar="CUMULET_STATE_DIR",
        help="Everything of this cloud in one directory. Default: the system's usual places for root, XDG's otherwise.",
        show_default=False,
    ),
]


def paths_of(state_dir: Path | None) -> Paths:
    return Paths.at(state_dir.expanduser() if state_dir else None)


def settings_of(state_dir: Path | None) -> Settings:
    """The settings of the cloud in this directory; ends the program with a sentence when there is none."""
    settings = Settings.load(paths_of(state_dir))
    if settings is None:
        fail("There is no cloud here yet. Start one with `cumulet up`.")
    return settings


def program() -> str:
    """What to type to run this program: `cumulet` where the shell finds it, else its path."""
    found = shutil.which("cumulet")
    mine = Path(sys.argv[0]).resolve()
    if found is not None and Path(found).resolve() == mine:
        return "cumulet"
    here = Path.cwd()
    return str(mine.relative_to(here)) if mine.is_relative_to(here) else str(mine)


def fail(message: str) -> NoReturn:
    """End with status 1 and a sentence on standard error."""
    typer.echo(message, err=True)
    raise typer.Exit(1)
