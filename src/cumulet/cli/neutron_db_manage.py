"""`neutron-db-manage`: the database commands of the install guides."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from cumulet.cli.stores import Refused, opened, run_command, settings_of
from cumulet.kernel import migrate

_REVISIONS = ("head", "heads")


def _network(given: argparse.Namespace) -> AbstractContextManager[Any]:
    """The Network service of the cloud in its directories, without touching its tables."""
    return opened(settings_of(given, "neutron"), "network", synchronised=False)


def upgrade(given: argparse.Namespace) -> int:
    """Bring the tables up to date. There is one branch and one way, so `--expand` does it and `--contract` nothing."""
    from cumulet.network import app

    if given.revision is None and not (given.expand or given.contract):
        raise Refused("You must provide a revision or relative delta")
    if given.revision not in (None, *_REVISIONS):
        raise Refused(f"revision {given.revision}: tables are brought to `head`")
    if given.contract:
        return 0
    print("  Running upgrade for neutron ...")
    with _network(given) as network:
        migrate.upgrade(network.db, app.SCHEMA)
    print("  OK")
    return 0


def current(given: argparse.Namespace) -> int:
    from cumulet.network import app

    with _network(given) as network:
        print(f"  Running current for neutron ...\n{migrate.current(network.db, app.SCHEMA) or 'none'}\n  OK")
    return 0


def has_offline_migrations(given: argparse.Namespace) -> int:
    print("No offline migrations pending")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="neutron-db-manage", description="Administer Network's database.")
    parser.add_argument("--config-file", action="append", default=[], metavar="PATH", help="read this neutron.conf")
    parser.add_argument("--subproject", choices=["neutron"], help="the only one there is")
    parser.add_argument("--state-dir", metavar="PATH", help="directory of the cloud, where it is not the usual one")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    to_head = commands.add_parser("upgrade", help="Bring the tables up to date.")
    to_head.add_argument("revision", nargs="?", help="head")
    to_head.add_argument("--expand", action="store_true", help="what may be done while services run: everything")
    to_head.add_argument("--contract", action="store_true", help="what may not: nothing")
    to_head.set_defaults(run=upgrade)
    shown = commands.add_parser("current", help="The revision of the tables.")
    shown.add_argument("--verbose", action="store_true")
    shown.set_defaults(run=current)
    commands.add_parser("has_offline_migrations", help="Whether services must stop.").set_defaults(
        run=has_offline_migrations
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("neutron-db-manage", _parser().parse_args(arguments))


if __name__ == "__main__":
    main()
