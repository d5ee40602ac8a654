"""`nova-manage`: the administration commands of the install guides, on this cloud's store."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from cumulet.cli.tables import table
from cumulet.kernel import migrate
from cumulet.kernel.environment import Environment
from cumulet.kernel.paths import Paths
from cumulet.kernel.settings import Settings

_MOST_ROWS = 1000
_BATCH = 50


class Refused(Exception):
    """The command cannot be done; the message is for the operator, `code` what the program ends with."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config-file", action="append", default=[], metavar="PATH", help="read this nova.conf")
    where = os.environ.get("CUMULET_STATE_DIR")
    parser.add_argument("--state-dir", metavar="PATH", default=where, help="the cloud's directory")


@contextlib.contextmanager
def compute_service(given: argparse.Namespace, *, synchronised: bool = True) -> Iterator[Any]:
    """The Compute service of the cloud in its directories; `synchronised`: with its tables up to date."""
    from cumulet.compute import app
    from cumulet.processes import logins

    settings = _settings(given)
    logins.ensure_passwords(settings.paths)
    compute = app.build_service(Environment(settings))
    try:
        if synchronised:
            migrate.upgrade(compute.db, app.SCHEMA)
        yield compute
    finally:
        compute.db.close()


def _settings(given: argparse.Namespace) -> Settings:
    paths = Paths.at(given.state_dir)
    paths.make()
    settings = Settings.load(paths)
    if settings is None:
        settings = Settings(state_dir=str(paths.state) if given.state_dir else None)
        settings.save()
    files = dict(settings.config_files)
    for file in given.config_file:
        if not Path(file).is_file():
            raise Refused(f"--config-file {file}: there is no such file")
        files["nova"] = [*files.get("nova", []), str(Path(file).absolute())]
    return msgspec.structs.replace(settings, config_files=files)


# -- databases ---------------------------------------------------------------------------------------------------------


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


# -- cells -------------------------------------------------------------------------------------------------------------


def map_cell0(given: argparse.Namespace) -> int:
    from cumulet.compute.domain import cells

    with compute_service(given) as compute:
        if not cells.map_cell0(compute, given.database_connection):
            print("Cell0 is already setup")
    return 0


def create_cell(given: argparse.Namespace) -> int:
    from cumulet.compute.domain import cells

    with compute_service(given) as compute:
        transport, database = cells.here(compute)
        try:
            cell_id = cells.create(
                compute,
                given.name,
                given.transport_url or transport,
                given.database_connection or database,
                disabled=given.disabled,
            )
        except cells.CellExists as error:
            same = "The specified transport_url and/or database_connection combination already exists"
            raise Refused(f"{same} for another cell with uuid {error.args[0]}.", 2) from None
    if given.verbose:
        print(cell_id)
    return 0


def simple_cell_setup(given: argparse.Namespace) -> int:
    from cumulet.compute.domain import cells

    with compute_service(given) as compute:
        if cells.map_cell0(compute, None) is False:
            print("Cell0 is already setup")
        with contextlib.suppress(cells.CellExists):
            cells.create(compute, "cell1", *cells.here(compute))
        cells.discover(compute)
    return 0


def list_cells(given: argparse.Namespace) -> int:
    from cumulet.compute.domain import cells

    with compute_service(given) as compute:
        rows = [cell for cell in cells.listed(compute) if given.cell_uuid in (None, cell.id)]
    if given.cell_uuid is not None and not rows:
        raise Refused(f"Cell with uuid {given.cell_uuid} was not found.", 1)
    if not given.verbose:
        print(table(("Name", "UUID"), [(cell.name or "", cell.id) for cell in rows], left=True))
        return 0
    head = ("Name", "UUID", "Transport URL", "Database Connection", "Disabled")
    written = [
        (cell.name or "", cell.id, _masked(cell.transport_url), _masked(cell.database_connection), str(cell.disabled))
        for cell in rows
    ]
    print(table(head, written, left=True))
    return 0


def _masked(url: str) -> str:
    """The URL without its password: what is printed ends in logs and screenshots."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":****@", 1)))


def update_cell(given: argparse.Namespace) -> int:
    from cumulet.compute.domain import cells

    if given.disable and given.enable:
        raise Refused("Cell cannot be disabled and enabled at the same time.", 4)
    values: dict[str, Any] = {}
    if given.name is not None:
        values["name"] = given.name
    if given.transport_url is not None:
        values["transport_url"] = given.transport_url
    if given.database_connection is not None:
        values["database_connection"] = given.database_connection
    if given.disable or given.enable:
        if given.cell_uuid == cells.CELL0:
            raise Refused("Cell0 cannot be disabled.", 5)
        values["disabled"] = given.disable
    with compute_service(given) as compute:
        try:
            cells.change(compute, given.cell_uuid, **values) if values else cells.load(compute, given.cell_uuid)
        except cells.NoSuchCell:
            raise Refused(f"Cell with uuid {given.cell_uuid} was not found.", 1) from None
    return 0


def delete_cell(given: argparse.Namespace) -> int:
    from cumulet.compute.domain import cells

    with compute_service(given) as compute:
        try:
            cells.delete(compute, given.cell_uuid, force=given.force)
        except cells.NoSuchCell:
            raise Refused(f"Cell with uuid {given.cell_uuid} was not found.", 1) from None
        except cells.CellInUse as error:
            raise Refused(f"{error} with uuid {given.cell_uuid}.", 2) from None
    return 0


def discover_hosts(given: argparse.Namespace) -> int:
    """0 always, and with --strict 1 when no host was new."""
    from cumulet.compute.domain import cells

    with compute_service(given) as compute:
        rows = [cell for cell in cells.listed(compute) if given.cell_uuid in (None, cell.id)]
        if given.cell_uuid is not None and not rows:
            raise Refused(f"Cell with uuid {given.cell_uuid} was not found.", 1)
        found = cells.discover(compute) if any(cell.id != cells.CELL0 for cell in rows) else []
    if given.verbose:
        _say_discovered(rows, found)
    return 1 if given.strict and not found else 0


def _say_discovered(rows: Sequence[Any], found: Sequence[Any]) -> None:
    from cumulet.compute.domain.cells import CELL0

    print(f"Found {len(rows)} cell mappings.")
    for cell in rows:
        if cell.id == CELL0:
            print("Skipping cell0 since it does not contain hosts.")
            continue
        print(f"Getting computes from cell '{cell.name}': {cell.id}")
        for node in found:
            print(f"Checking host mapping for compute host '{node.host}': {node.id}")
            print(f"Creating host mapping for compute host '{node.host}': {node.id}")
        print(f"Found {len(found)} unmapped computes in cell: {cell.id}")
        found = ()


def list_hosts(given: argparse.Namespace) -> int:
    from cumulet.compute.domain import cells

    with compute_service(given) as compute:
        cell = _own_cell(compute, given.cell_uuid)
        rows = [(cell.name or "", cell.id, host) for host in cells.hosts(compute)] if cell is not None else []
    print(table(("Cell Name", "Cell UUID", "Hostname"), rows))
    return 0


def _own_cell(compute: Any, cell_uuid: str | None) -> Any:
    """The cell that has the hosts, None when another was asked for."""
    from cumulet.compute.domain import cells

    rows = cells.listed(compute)
    if cell_uuid is not None and cell_uuid not in {cell.id for cell in rows}:
        raise Refused(f"Cell with uuid {cell_uuid} was not found.", 1)
    return next((cell for cell in rows if cell.id != cells.CELL0 and cell_uuid in (None, cell.id)), None)


def delete_host(given: argparse.Namespace) -> int:
    from cumulet.compute.domain import cells

    with compute_service(given) as compute:
        if _own_cell(compute, given.cell_uuid) is None:
            raise Refused(f"Cell with uuid {given.cell_uuid} was not found.", 1)
        try:
            gone = cells.forget_host(compute, given.host)
        except cells.CellInUse:
            raise Refused(f"There are instances on the host {given.host}.", 4) from None
    if not gone:
        raise Refused(f"The host {given.host} was not found in the cell {given.cell_uuid}.", 2)
    return 0


def map_instances(given: argparse.Namespace) -> int:
    """Every server is in its cell from its creation: there is nothing to map, in any cell there is."""
    with compute_service(given) as compute:
        _own_cell(compute, given.cell_uuid)
    return 0


def verify_instance(given: argparse.Namespace) -> int:
    from cumulet.compute.domain import cells

    with compute_service(given) as compute:
        there = cells.has_server(compute, given.uuid)
    if not given.quiet:
        state = "in cell1" if there else "not mapped to a cell (upgrade is incomplete?)"
        print(f"Instance {given.uuid} is {state}")
    return 0 if there else 1


# -- Placement ---------------------------------------------------------------------------------------------------------


def heal_allocations(given: argparse.Namespace) -> int:
    """0: servers were healed; 1: stopped by --max-count; 3: one could not be; 4: there was nothing to do."""
    from cumulet.compute import healing

    if given.max_count is not None and given.max_count < 1:
        raise Refused("Must supply a positive integer for --max-count.", 127)
    done, failed = 0, 0
    with compute_service(given) as compute:
        if given.verbose and given.max_count is None:
            print(f"Running batches of {_BATCH} until complete")
        for row, provider in healing.unallocated(compute, given.instance):
            if given.max_count is not None and done >= given.max_count:
                print(f"Max count reached. Processed {done} instances.")
                return 1
            if given.dry_run:
                print(f"[dry-run] Create allocations for instance {row.id} on {provider}")
            elif healing.heal(compute, row, provider):
                print(f"Successfully created allocations for instance {row.id}.")
            else:
                print(f"Node {row.node} has no room for the allocations of instance {row.id}.", file=sys.stderr)
                failed += 1
                continue
            done += 1
    print(f"Processed {done} instances.")
    if failed:
        return 3
    return 0 if done else 4


def audit(given: argparse.Namespace) -> int:
    """0: no orphan; 3: orphans were found; 4: they were found and deleted."""
    from cumulet.compute import healing

    with compute_service(given) as compute:
        found = healing.audit(compute, given.resource_provider)
        for orphan in found:
            if given.verbose or not given.delete:
                print(f"Allocations for consumer UUID {orphan.consumer} on Resource Provider {orphan.provider}: "
                      f"{orphan.resources}")  # fmt: skip
            if given.delete:
                healing.release(compute, orphan)
                print(f"Deleted allocations for consumer UUID {orphan.consumer}")
    if not found:
        return 0
    print(f"Processed {len(found)} allocation{'s' if len(found) > 1 else ''}.")
    return 4 if given.delete else 3


def sync_aggregates(given: argparse.Namespace) -> int:
    from cumulet.compute import healing

    with compute_service(given) as compute:
        changed = healing.sync_aggregates(compute)
    if given.verbose:
        print(f"{changed} resource providers were changed.")
    return 0


# -- the command line --------------------------------------------------------------------------------------------------

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
        "simple_cell_setup": (simple_cell_setup, [_TRANSPORT]),
        "map_cell0": (map_cell0, [_DATABASE]),
        "map_cell_and_hosts": (simple_cell_setup, [_TRANSPORT, _NAME, _VERBOSE]),
        "create_cell": (create_cell, [_NAME, _TRANSPORT, _DATABASE, _VERBOSE, _flag("--disabled")]),
        "list_cells": (list_cells, [_VERBOSE, _CELL]),
        "update_cell": (
            update_cell,
            [_CELL_NEEDED, _NAME, _TRANSPORT, _DATABASE, _flag("--disable"), _flag("--enable")],
        ),
        "delete_cell": (delete_cell, [_CELL_NEEDED, _flag("--force")]),
        "discover_hosts": (discover_hosts, [_CELL, _VERBOSE, _flag("--strict"), _flag("--by-service")]),
        "list_hosts": (list_hosts, [_CELL]),
        "delete_host": (delete_host, [_CELL_NEEDED, ("--host", {"required": True, "metavar": "<host>"})]),
        "map_instances": (
            map_instances,
            [_CELL_NEEDED, ("--max-count", {"type": int}), _flag("--reset")],
        ),
        "verify_instance": (verify_instance, [("--uuid", {"required": True}), _flag("--quiet")]),
    },
    "placement": {
        "heal_allocations": (
            heal_allocations,
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
            audit,
            [_VERBOSE, _flag("--delete"), ("--resource_provider", {"metavar": "<resource_provider>"})],
        ),
        "sync_aggregates": (sync_aggregates, [_VERBOSE]),
    },
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nova-manage", description="Administer the Compute service.")
    add_options(parser)
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
