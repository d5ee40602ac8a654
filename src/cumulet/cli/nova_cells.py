"""`nova-manage cell_v2 …`: cells, and which hosts and servers are in them."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from cumulet.cli.nova_store import compute_service
from cumulet.cli.stores import Refused
from cumulet.cli.tables import table


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
