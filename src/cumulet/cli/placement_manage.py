"""`placement-manage`: the database commands of the install guides."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from cumulet.cli.stores import add_options, opened, run_command, settings_of
from cumulet.cli.tables import table
from cumulet.kernel import migrate

_BATCH = 50


def placement_service(given: argparse.Namespace, *, synchronised: bool = True) -> AbstractContextManager[Any]:
    """The Placement service of the cloud in its directories; `synchronised`: with its tables up to date."""
    return opened(settings_of(given, "placement"), "placement", synchronised=synchronised)


def db_sync(given: argparse.Namespace) -> int:
    from cumulet.placement.domain import vocabulary

    with placement_service(given) as placement:
        vocabulary.sync(placement)
    return 0


def db_version(given: argparse.Namespace) -> int:
    from cumulet.placement import app

    with placement_service(given, synchronised=False) as placement:
        print(migrate.current(placement.db, app.SCHEMA) or "none")
    return 0


def db_online_data_migrations(given: argparse.Namespace) -> int:
    """0: nothing is left to do; 1: stopped by --max-count, call again; 127: a wrong count."""
    from cumulet.placement.domain import upgrades

    limit = given.max_count
    if limit is not None and limit < 1:
        print("Must supply a positive value for max_count")
        return 127
    if limit is None:
        print(f"Running batches of {_BATCH} until complete")
    found: dict[str, int] = defaultdict(int)
    completed: dict[str, int] = defaultdict(int)
    with placement_service(given) as placement:
        while True:
            left = limit or _BATCH
            for migration in upgrades.MIGRATIONS:
                done = migration(placement, left)
                found[migration.__name__] += done.found
                completed[migration.__name__] += done.completed
                left -= done.completed
                if left <= 0:
                    break
            ran = (limit or _BATCH) - left
            if limit is not None or ran == 0:
                break
    rows = [
        (migration.__name__, str(found[migration.__name__]), str(completed[migration.__name__]))
        for migration in upgrades.MIGRATIONS
    ]
    print(table(("Migration", "Total Found", "Completed"), rows))
    return 1 if ran else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="placement-manage", description="Administer Placement's database.")
    add_options(parser, "placement.conf")
    groups = parser.add_subparsers(required=True, metavar="GROUP")
    commands = groups.add_parser("db", help="database commands").add_subparsers(required=True, metavar="COMMAND")
    sync = commands.add_parser("sync", help="Sync the database to the current version.")
    sync.set_defaults(run=db_sync)
    version = commands.add_parser("version", help="Report the current database version.")
    version.set_defaults(run=db_version)
    online = commands.add_parser("online_data_migrations", help="Run the online data migrations.")
    online.add_argument("--max-count", type=int, metavar="<number>", help="Maximum number of objects to consider")
    online.set_defaults(run=db_online_data_migrations)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("placement-manage", _parser().parse_args(arguments))


if __name__ == "__main__":
    main()
