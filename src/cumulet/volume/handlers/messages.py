"""`/messages` (Block Storage API, Messages; 3.3)."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.engine import Row

from cumulet.kernel.http import Call, Reply
from cumulet.volume import listing, views
from cumulet.volume.domain import access, messages
from cumulet.volume.domain.listing import Wanted
from cumulet.volume.errors import not_found
from cumulet.volume.service import Volume

_SORTED_BY: Final = frozenset(messages.SORTS)
_PAGED: Final = (3, 5)


def _show(call: Call[Volume], row: Row[Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": row.id,
        "event_id": messages.event_id(row),
        "user_message": messages.text(row),
        "message_level": row.message_level,
        "created_at": views.time(row.created_at),
        "guaranteed_until": views.time(row.expires_at),
        "request_id": row.request_id,
        "links": views.links(call, f"messages/{row.id}"),
    }
    if row.resource_type:
        shown["resource_type"] = row.resource_type
    if row.resource_uuid:
        shown["resource_uuid"] = row.resource_uuid
    return shown


def _checked(call: Call[Volume], message_id: str, rule: str) -> Row[Any]:
    with call.service.db.read() as connection:
        row = messages.load(call.service, connection, message_id)
    access.mine(call.ctx, row, not_found("Message", message_id))
    call.service.policy.can(call.ctx, rule, {"project_id": row.project_id})
    return row


def index(call: Call[Volume]) -> Reply:
    call.service.policy.can(call.ctx, "message:get_all", {"project_id": call.ctx.project_id})
    page = Wanted(limit=int(call.service.conf.osapi_max_limit))
    if call.version >= _PAGED:
        page = listing.wanted(call, sorted_by=_SORTED_BY)
        listing.only_known(call, page, "message", messages.FILTERS, older=messages.FILTERS)
        page.filters = {key: value for key, value in page.filters.items() if key.rstrip("~") in messages.FILTERS}
    with call.service.db.read() as connection:
        where = messages.conditions(call.service, call.ctx, page)
        rows = [] if page.nothing else messages.find(connection, where, page)
    shown = [_show(call, row) for row in rows]
    return listing.reply(call, page, "messages", "messages", shown)


def show(call: Call[Volume], message_id: str) -> Reply:
    return Reply({"message": _show(call, _checked(call, message_id, "message:get"))})


def delete(call: Call[Volume], message_id: str) -> Reply:
    _checked(call, message_id, "message:delete")
    messages.delete(call.service, message_id)
    return Reply(status=204)
