"""`nova-manage`: the administration commands of the install guides, on this cloud's store."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from cumulet.cli import nova_cells, nova_placement
from cumulet.cli.nova_store import compute_service
from cumulet.cli.stores import Refused, add_options
from cumulet.cli.tables import table
from cumulet.kernel import migrate

_MOST_ROWS = 1000


def sync(given: argparse.Namespace) -> int:
    """Bring the tables up to date; the API's and the cells' are the same ones here."""
    with compute_service(given):
        return 0


def version(given: argparse.Namespace) -> int:
    from cumulet.compute import app

    with compute_service(given, synchronised=False) as compute:
        print(migrate.current(compute.db, app.SCHEMA) or "none")
    return 0


def online_data_migrations(given: argparse.Namespace) -> int:
    """Every migration is complete when the tables are up to date: there is never one left to run online."""
    with compute_service(given):
        print(table(("Migration", "Total Needed", "Completed"), []))
    return 0


def archive_deleted_rows(given: argparse.Namespace) -> int:
    """0: nothing was archived; 1: something was; 2: a wrong number."""
    from cumulet.compute.domain import archives

    if given.max_rows < 0:
        raise Refused("Must supply a positive value for max_rows", 2)
    before = _moment(given.before)
    done: dict[str, int] = {}
    with compute_service(given) as compute:
        while True:
            counted = archives.archive(compute, given.max_rows, before, purge=given.purge)
            done = archives.count(done, counted)
            if not counted or not given.until_complete:
                break
    if given.verbose:
        rows = [(name, str(number)) for name, number in done.items()]
        print(table(("Table", "Number of Rows Archived"), rows) if rows else "Nothing was archived.")
    return 1 if done and not given.until_complete else 0


def purge(given: argparse.Namespace) -> int:
    """0: rows were deleted; 3: there were none; 2: neither --all nor --before."""
    from cumulet.compute.domain import archives

    if not given.all and given.before is None:
        raise Refused("Either --before or --all must be provided", 1)
    with compute_service(given) as compute:
        gone = archives.purge(compute, None if given.all else _moment(given.before))
    if given.verbose:
        print(f"Deleted {gone} rows.")
    return 0 if gone else 3


def _moment(text: str | None) -> int | None:
    """Microseconds since 1970 UTC."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(f"Invalid value for --before: {text}", 2) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)


_VERBOSE = ("--verbose", {"action": "store_true"})
_CELL = ("--cell_uuid", {"metavar": "<cell_uuid>"})
_CELL_NEEDED = ("--cell_uuid", {"metavar": "<cell_uuid>", "required": True})
_NAME = ("--name", {"metavar": "<name>"})
_TRANSPORT = ("--transport-url", {"metavar": "<url>", "dest": "transport_url"})
_DATABASE = ("--database_connection", {"metavar": "<url>"})
_VERSION = ("version", {"nargs": "?", "help": "accepted and not needed: the newest revision is always meant"})
_Argument = tuple[str, dict[str, Any]]
_Command = tuple[Callable[[argparse.Namespace], int], list[_Argument]]


def _flag(name: str) -> _Argument:
    return (name, {"action": "store_true"})


_GROUPS: dict[str, dict[str, _Command]] = {
    "api_db": {"sync": (sync, [_VERSION]), "version": (version, [])},
    "db": {
        "sync": (sync, [_VERSION, _flag("--local_cell")]),
        "version": (version, []),
        "online_data_migrations": (online_data_migrations, [("--max-count", {"type": int})]),
        "archive_deleted_rows": (
            archive_deleted_rows,
            [
                ("--max_rows", {"type": int, "default": _MOST_ROWS}),
                ("--before", {"metavar": "<date>"}),
                _flag("--purge"),
                _flag("--until-complete"),
                _flag("--all-cells"),
                _flag("--task-log"),
                ("--sleep", {"type": int, "default": 0}),
                _VERBOSE,
            ],
        ),
        "purge": (purge, [("--before", {"metavar": "<date>"}), _flag("--all"), _flag("--all-cells"), _VERBOSE]),
    },
    "cell_v2": {
        "simple_cell_setup": (nova_cells.simple_cell_setup, [_TRANSPORT]),
        "map_cell0": (nova_cells.map_cell0, [_DATABASE]),
        "map_cell_and_hosts": (nova_cells.simple_cell_setup, [_TRANSPORT, _NAME, _VERBOSE]),
        "create_cell": (nova_cells.create_cell, [_NAME, _TRANSPORT, _DATABASE, _VERBOSE, _flag("--disabled")]),
        "list_cells": (nova_cells.list_cells, [_VERBOSE, _CELL]),
        "update_cell": (
            nova_cells.update_cell,
            [_CELL_NEEDED, _NAME, _TRANSPORT, _DATABASE, _flag("--disable"), _flag("--enable")],
        ),
        "delete_cell": (nova_cells.delete_cell, [_CELL_NEEDED, _flag("--force")]),
        "discover_hosts": (nova_cells.discover_hosts, [_CELL, _VERBOSE, _flag("--strict"), _flag("--by-service")]),
        "list_hosts": (nova_cells.list_hosts, [_CELL]),
        "delete_host": (nova_cells.delete_host, [_CELL_NEEDED, ("--host", {"required": True, "metavar": "<host>"})]),
        "map_instances": (
            nova_cells.map_instances,
            [_CELL_NEEDED, ("--max-count", {"type": int}), _flag("--reset")],
        ),
        "verify_instance": (nova_cells.verify_instance, [("--uuid", {"required": True}), _flag("--quiet")]),
    },
    "placement": {
        "heal_allocations": (
            nova_placement.heal_allocations,
            [
                ("--max-count", {"type": int}),
                _VERBOSE,
                _flag("--dry-run"),
                ("--instance", {"metavar": "<instance_uuid>"}),
                _flag("--skip-port-allocations"),
                ("--cell", {"metavar": "<cell_uuid>"}),
                _flag("--force"),
            ],
        ),
        "audit": (
            nova_placement.audit,
            [_VERBOSE, _flag("--delete"), ("--resource_provider", {"metavar": "<resource_provider>"})],
        ),
        "sync_aggregates": (nova_placement.sync_aggregates, [_VERBOSE]),
    },
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nova-manage", description="Administer the Compute service.")
    add_options(parser, "nova.conf")
    groups = parser.add_subparsers(required=True, metavar="GROUP")
    for group, members in _GROUPS.items():
        commands = groups.add_parser(group).add_subparsers(required=True, metavar="COMMAND")
        for name, (run, arguments) in members.items():
            command = commands.add_parser(name, help=(run.__doc__ or "").partition("\n")[0])
            command.set_defaults(run=run)
            for argument, options in arguments:
                command.add_argument(argument, **options)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    from cumulet.kernel.client import Unreachable
    from cumulet.kernel.jobs import GiveUp, Retry

    given = _parser().parse_args(arguments)
    try:
        code = given.run(given)
    except Refused as error:
        print(error, file=sys.stderr)
        code = error.code
    except (Unreachable, Retry) as error:
        print(f"nova-manage: {error} Is the cloud running?", file=sys.stderr)
        code = 1
    except GiveUp as error:
        print(f"nova-manage: {error}", file=sys.stderr)
        code = 1
    sys.exit(code)


if __name__ == "__main__":
    main()
