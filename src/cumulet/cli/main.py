"""`cumulet`: every command. A command's own imports are in its function, so that the small ones start at once."""

from __future__ import annotations

import importlib
import os
import sys

import typer

# The module of each command; only the one that is asked for is loaded.
COMMANDS = {
    "up": "Start the cloud, or resume the one that is there.",
    "down": "End the cloud.",
    "reload": "Let changed configuration files take effect.",
    "demo": "A first server, as in the install guides.",
    "join": "This machine as one more host of a cloud.",
    "simulate": "Thousands of simulated hosts for a cloud.",
    "status": "Every service and process.",
    "doctor": "What is missing on this host, and how to get it.",
    "logs": "What every process wrote.",
    "trace": "One request's whole path.",
    "explain": "What became of a server, and why.",
    "openrc": 'Log a shell in: eval "$(cumulet openrc)".',
    "db": "The services' tables: sync, purge, version.",
    "backup": "Everything a cloud keeps, in one file.",
    "restore": "Bring a backup back.",
}
_MODULES = {"db": "database"}


def build(wanted: str | None) -> typer.Typer:
    """The program with `wanted`'s real command; the others only as their names and one line each."""
    app = typer.Typer(
        help="An OpenStack cloud in one package and one command.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for name, summary in COMMANDS.items():
        if name != wanted:
            app.command(name, help=summary)(_not_loaded)
            continue
        module = importlib.import_module(f"cumulet.cli.{_MODULES.get(name, name)}")
        group = getattr(module, "app", None)
        if group is not None:
            app.add_typer(group, name=name)
        else:
            app.command(name)(getattr(module, name))
    app.callback()(_common)
    return app


def _not_loaded() -> None:
    """Stands for a command in the list that `cumulet --help` prints."""


def _version(wanted: bool) -> None:
    if wanted:
        from cumulet import __version__

        typer.echo(__version__)
        raise typer.Exit


def _common(
    version: bool = typer.Option(False, "--version", help="Print the version.", is_eager=True, callback=_version),
) -> None:
    """Options of the program itself."""


def main() -> None:
    os.umask(0o077)
    wanted = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    try:
        build(wanted)()
    except BrokenPipeError:
        # The reader (`| head`) has what it wanted.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


if __name__ == "__main__":
    main()
