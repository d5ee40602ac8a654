"""`cumulet openrc`: log a shell in."""

from __future__ import annotations

from typing import Annotated

import typer

from cumulet.cli.options import StateDir, fail, settings_of
from cumulet.processes import logins


def openrc(
    state_dir: StateDir = None,
    user: Annotated[str, typer.Option(help="admin or demo.")] = logins.ADMIN,
) -> None:
    """Print export lines for the stock clients: eval "$(cumulet openrc)"."""
    settings = settings_of(state_dir)
    if user not in (logins.ADMIN, logins.DEMO):
        fail("Only admin and demo have passwords that this cloud keeps.")
    if user not in logins.load_passwords(settings.paths):
        fail("The cloud was never started. Start it with `cumulet up`.")
    typer.echo(logins.openrc(settings, user), nl=False)
