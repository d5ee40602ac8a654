"""`glance-manage`: the administration commands of the install guides, as `db sync` and as `db_sync`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from cumulet.cli.stores import Refused, add_options, opened, run_command, settings_of
from cumulet.kernel import migrate

_DAY_US = 86_400_000_000


def _image(given: argparse.Namespace, *, synchronised: bool = True) -> AbstractContextManager[Any]:
    """The Image service of the cloud in its directories; `synchronised`: with its tables up to date."""
    return opened(settings_of(given, "glance"), "image", synchronised=synchronised)


def sync(given: argparse.Namespace) -> int:
    """Every revision is safe while older processes run, so expanding, migrating and contracting are one step."""
    with _image(given):
        print("Database is synced successfully.")
    return 0


def check(given: argparse.Namespace) -> int:
    """0: up to date; 3: `db sync` has something to do (the original's code for `expand`)."""
    from cumulet.image import app

    with _image(given, synchronised=False) as image:
        current = migrate.current(image.db, app.SCHEMA)
    if current == app.SCHEMA.head:
        print("Database is up to date. No upgrades needed.")
        return 0
    print(
        f"The tables are at revision {current or 'none'}; the newest is {app.SCHEMA.head}. Run: glance-manage db sync"
    )
    return 3


def version(given: argparse.Namespace) -> int:
    from cumulet.image import app

    with _image(given, synchronised=False) as image:
        print(migrate.current(image.db, app.SCHEMA) or "none")
    return 0


def version_control(given: argparse.Namespace) -> int:
    """Tables tell their revision from the first `db sync` on: there is nothing to put under control."""
    return sync(given)


def purge(given: argparse.Namespace) -> int:
    """Images leave no rows behind; tasks that are over do, until their time or this command comes."""
    from cumulet.image.domain import tasks

    if given.age_in_days < 0 or given.max_rows < -1:
        raise Refused("--age_in_days and --max_rows must not be negative (--max_rows -1: any number)")
    with _image(given) as image:
        before = image.now() - given.age_in_days * _DAY_US
        print(f"Purged {tasks.purge_before(image, before, most=given.max_rows)} rows.")
    return 0


def load_metadefs(given: argparse.Namespace) -> int:
    from cumulet.image.domain.metadefs import standard

    path = Path(given.path) if given.path else None
    with _image(given) as image:
        try:
            loaded = standard.load(
                image, path, merge=given.merge, prefer_new=given.prefer_new, overwrite=given.overwrite
            )
        except standard.MetadefsError as error:
            raise Refused(str(error)) from error
    print(f"{loaded.new} namespaces are new, {loaded.changed} were changed, {loaded.left} were left alone.")
    return 0


def unload_metadefs(given: argparse.Namespace) -> int:
    from cumulet.image.domain.metadefs import standard

    with _image(given) as image:
        print(f"{standard.unload(image)} namespaces were deleted.")
    return 0


def export_metadefs(given: argparse.Namespace) -> int:
    from cumulet.image.domain.metadefs import standard

    with _image(given) as image:
        print(f"{standard.export(image, Path(given.path))} namespaces were written to {given.path}.")
    return 0


def _nothing(parser: argparse.ArgumentParser) -> None:
    """A command without arguments of its own."""


def _revision(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("version", nargs="?", help="accepted and not needed: the newest revision is always meant")


def _purging(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--age_in_days", type=int, default=30, help="purge what was over this many days ago")
    parser.add_argument("--max_rows", type=int, default=100, help="at most this many rows; -1: all")


def _loading(parser: argparse.ArgumentParser) -> None:
    """Both forms: options, and the positional words of `db_load_metadefs <path> <merge> <prefer_new> <overwrite>`."""
    parser.add_argument("--path", dest="path_option", metavar="PATH", help="directory or file of JSON")
    parser.add_argument("path", nargs="?")
    for position, name in enumerate(("merge", "prefer_new", "overwrite"), 1):
        parser.add_argument(f"--{name}", dest=f"{name}_option", action="store_true")
        parser.add_argument(f"word{position}", nargs="?", metavar=name)


def _loading_values(given: argparse.Namespace) -> None:
    given.path = given.path_option or given.path
    for position, name in enumerate(("merge", "prefer_new", "overwrite"), 1):
        word = getattr(given, f"word{position}") or ""
        setattr(given, name, getattr(given, f"{name}_option") or word.lower() in ("true", "1", "yes"))


def _exporting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--path", dest="path_option", metavar="PATH")
    parser.add_argument("path", nargs="?", default="/etc/glance/metadefs")


_COMMANDS = {
    "sync": (sync, _revision),
    "upgrade": (sync, _revision),
    "expand": (sync, _nothing),
    "migrate": (sync, _nothing),
    "contract": (sync, _nothing),
    "check": (check, _nothing),
    "version": (version, _nothing),
    "version_control": (version_control, _revision),
    "purge": (purge, _purging),
    "purge_images_table": (purge, _purging),
    "load_metadefs": (load_metadefs, _loading),
    "unload_metadefs": (unload_metadefs, _nothing),
    "export_metadefs": (export_metadefs, _exporting),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="glance-manage", description="Administer the Image service.")
    add_options(parser, "glance-api.conf")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    grouped = commands.add_parser("db", help="commands about the database").add_subparsers(
        dest="db_command", required=True, metavar="COMMAND"
    )
    for name, (run, arguments) in _COMMANDS.items():
        for parent, full_name in ((grouped, name), (commands, f"db_{name}")):
            command = parent.add_parser(full_name, help=(run.__doc__ or "").partition("\n")[0])
            command.set_defaults(run=run)
            arguments(command)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    given = _parser().parse_args(arguments)
    if hasattr(given, "word1"):
        _loading_values(given)
    elif hasattr(given, "path_option"):
        given.path = given.path_option or given.path
    run_command("glance-manage", given)


if __name__ == "__main__":
    main()
