"""`/v2.0/trunks` (Networking API v2.0, Trunk networking)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cumulet.kernel.http import Call, Reply
from cumulet.network.attributes import ID, NAME, PROJECT, STANDARD, TAGS, Attribute, Values, read_only
from cumulet.network.checks import Invalid, boolean, dictionary, integer, list_of, one_of, uuid_text
from cumulet.network.crud import Noun
from cumulet.network.domain import trunks
from cumulet.network.errors import bad_request
from cumulet.network.service import Network

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Row

    from cumulet.kernel.context import Context

_SUBPORTS = list_of(
    dictionary(
        {
            "port_id": uuid_text,
            "segmentation_type": one_of(["vlan", "inherit"]),
            "segmentation_id": integer(1, 4094),
        },
        required=["port_id"],
    )
)
NOUN = Noun(
    "trunk",
    "trunks",
    {
        **ID,
        **PROJECT,
        **NAME,
        **STANDARD,
        **TAGS,
        "port_id": Attribute(uuid_text, put=False),
        "admin_state_up": Attribute(boolean, default=True),
        "status": read_only(),
        "sub_ports": Attribute(_SUBPORTS, default=list, put=False, filter=False, sort=False),
    },
    trunks,
)
Change = Callable[[Network, "Connection", "Context", "Row[Any]", list[Values]], None]


def get_subports(call: Call[Network], trunk_id: str) -> Reply:
    with call.service.db.read() as connection:
        row = NOUN.show_row(call, connection, trunk_id)
        NOUN.may(call, "get_subports", row)
        return Reply({"sub_ports": NOUN.source.things(connection, [trunk_id])[0].sub_ports})


def add_subports(call: Call[Network], trunk_id: str) -> Reply:
    return _change(call, trunk_id, "add_subports", trunks.add_subports)


def remove_subports(call: Call[Network], trunk_id: str) -> Reply:
    return _change(call, trunk_id, "remove_subports", trunks.remove_subports)


def _change(call: Call[Network], trunk_id: str, rule: str, change: Change) -> Reply:
    body = call.raw_json()
    if not isinstance(body, dict) or "sub_ports" not in body:
        raise bad_request("Invalid input for operation: sub_ports must be given.", "InvalidInput")
    try:
        given = _SUBPORTS(body["sub_ports"])
    except Invalid as invalid:
        raise bad_request(f"Invalid input for sub_ports. Reason: {invalid}.") from None
    with call.service.write() as connection:
        row = NOUN.show_row(call, connection, trunk_id, lock=True)
        NOUN.may(call, rule, row)
        change(call.service, connection, call.ctx, row, given)
        things = NOUN.present(call, connection, NOUN.source.things(connection, [trunk_id]))
    return Reply(things[0])
