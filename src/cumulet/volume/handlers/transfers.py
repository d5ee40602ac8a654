"""`/os-volume-transfer`, and from 3.55 on `/volume-transfers` (Block Storage API, Volume transfers)."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.engine import Row

from cumulet.kernel.http import Call, Reply
from cumulet.volume import listing, views
from cumulet.volume.bodies import boolean, convert, inner, refused, stripped
from cumulet.volume.domain import transfers
from cumulet.volume.errors import not_found
from cumulet.volume.handlers import volume_access
from cumulet.volume.handlers.volumes import everyone
from cumulet.volume.schemas.transfers import Accept, NewTransfer, NewTransferWithSnapshots
from cumulet.volume.service import Volume

_SNAPSHOTS: Final = (3, 55)
_HISTORY: Final = (3, 57)
_ENCRYPTED: Final = (3, 70)
_SORTED_BY: Final = frozenset(transfers.SORTS)


def _summary(call: Call[Volume], row: Row[Any]) -> dict[str, Any]:
    links = views.links(call, f"os-volume-transfer/{row.id}")
    return {"id": row.id, "volume_id": row.volume_id, "name": row.name, "links": links}


def _detailed(call: Call[Volume], row: Row[Any]) -> dict[str, Any]:
    shown = _summary(call, row) | {"created_at": views.time(row.created_at)}
    if call.version >= _SNAPSHOTS:
        shown["no_snapshots"] = row.no_snapshots
    if call.version >= _HISTORY:
        shown["destination_project_id"] = row.destination_project_id
        shown["source_project_id"] = row.source_project_id
        shown["accepted"] = row.accepted
    return shown


def _checked(call: Call[Volume], transfer_id: str, rule: str) -> Row[Any]:
    with call.service.db.read() as connection:
        row = transfers.load(connection, transfer_id)
    if row.source_project_id != call.ctx.project_id and not call.ctx.is_admin:
        raise not_found("Transfer", transfer_id)
    call.service.policy.can(call.ctx, rule, {"project_id": row.source_project_id})
    return row


def _list(call: Call[Volume], *, detail: bool) -> Reply:
    volume_access.may(call, "volume:get_all_transfers")
    page = listing.wanted(call, sorted_by=_SORTED_BY)
    all_projects = everyone(call, page)
    with call.service.db.read() as connection:
        rows = transfers.find(connection, transfers.conditions(call.ctx, page, everyone=all_projects), page)
    show = _detailed if detail else _summary
    shown = [show(call, row) for row in rows]
    return listing.reply(call, page, "os-volume-transfer", "transfers", shown)


def index(call: Call[Volume]) -> Reply:
    return _list(call, detail=False)


def detail(call: Call[Volume]) -> Reply:
    return _list(call, detail=True)


def show(call: Call[Volume], transfer_id: str) -> Reply:
    return Reply({"transfer": _detailed(call, _checked(call, transfer_id, "volume:get_transfer"))})


def create(call: Call[Volume]) -> Reply:
    """The key is shown in this answer and never again."""
    fields = inner(call.raw_json(), "transfer")
    no_snapshots = False
    if call.version >= _SNAPSHOTS:
        extended = convert(fields, NewTransferWithSnapshots)
        no_snapshots = boolean(extended.no_snapshots, "no_snapshots")
    given = convert({key: value for key, value in fields.items() if key != "no_snapshots"}, NewTransfer)
    if call.version < _SNAPSHOTS and "no_snapshots" in fields:
        raise refused("no_snapshots", fields["no_snapshots"], "It is not known before 3.55.")
    name = stripped(given.name)
    volume_access.checked(call, given.volume_id, "volume:create_transfer")
    row, key = transfers.create(
        call.service, given.volume_id, name, no_snapshots=no_snapshots, encrypted=call.version >= _ENCRYPTED
    )
    return Reply({"transfer": _detailed(call, row) | {"auth_key": key}}, status=202)


def accept(call: Call[Volume], transfer_id: str) -> Reply:
    given = convert(inner(call.raw_json(), "accept"), Accept)
    volume_access.may(call, "volume:accept_transfer")
    row = transfers.accept(call.service, call.ctx, transfer_id, str(given.auth_key))
    return Reply({"transfer": _summary(call, row)}, status=202)


def delete(call: Call[Volume], transfer_id: str) -> Reply:
    _checked(call, transfer_id, "volume:delete_transfer")
    transfers.delete(call.service, transfer_id)
    return Reply(status=202)
