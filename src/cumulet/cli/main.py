"""`cumulet`: every command. Each one's imports are its own, so that small ones start at once."""

from __future__ import annotations

import os
import sys

import typer

from cumulet.cli import down, status, up

app = typer.Typer(
    help="An OpenStack cloud in one command.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("up")(up.up)
app.command("down")(down.down)
app.command("status")(status.status)


def main() -> None:
    os.umask(0o077)
    try:
        app()
    except BrokenPipeError:
        # The reader (`| head`) has what it wanted.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


if __name__ == "__main__":
    main()
