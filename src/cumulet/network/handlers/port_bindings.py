"""`/v2.0/ports/{id}/bindings` (Networking API v2.0, Port bindings)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cumulet.kernel.http import NO_CONTENT, Call, Reply
from cumulet.network.attributes import UNSET, Attribute, Values, changes, creation, read_only, single
from cumulet.network.checks import json_object, one_of, optional, plain_text
from cumulet.network.domain import port_bindings
from cumulet.network.errors import forbidden
from cumulet.network.handlers import ports
from cumulet.network.service import Network

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Row

ATTRIBUTES = {
    "host": Attribute(plain_text(255, minimum=1)),
    "vnic_type": Attribute(one_of(ports.VNIC_TYPES), default=UNSET),
    "profile": Attribute(optional(json_object), default=UNSET),
    "project_id": Attribute(optional(plain_text(255)), default=UNSET, put=False),
    "vif_type": read_only(),
    "vif_details": read_only(),
    "status": read_only(),
}


def _port(call: Call[Network], connection: Connection, port_id: str, rule: str, *, lock: bool = False) -> Row[Any]:
    row = ports.NOUN.show_row(call, connection, port_id, lock=lock)
    if not call.service.policy.allows(call.ctx, rule, ports.NOUN.target(row)):
        raise forbidden(f"rule:{rule}")
    return row


def index(call: Call[Network], port_id: str) -> Reply:
    with call.service.db.read() as connection:
        found = port_bindings.of_port(connection, _port(call, connection, port_id, "get_port_binding"))
    query = call.query()
    wanted = [key for key in ("host", "status", "vnic_type", "vif_type") if key in query]
    return Reply({"bindings": [one for one in found if all(getattr(one, key) in query[key] for key in wanted)]})


def show(call: Call[Network], port_id: str, host: str) -> Reply:
    with call.service.db.read() as connection:
        port = _port(call, connection, port_id, "get_port_binding")
        return Reply({"binding": port_bindings.show(connection, port, host)})


def create(call: Call[Network], port_id: str) -> Reply:
    values = creation(single(call.raw_json(), "binding"), ATTRIBUTES, call.ctx)
    with call.service.write() as connection:
        port = _port(call, connection, port_id, "create_port_binding", lock=True)
        binding = port_bindings.create(call.service, connection, port, values)
    return Reply({"binding": binding}, 201)


def update(call: Call[Network], port_id: str, host: str) -> Reply:
    values: Values = changes(call.raw_json(), "binding", ATTRIBUTES)
    with call.service.write() as connection:
        port = _port(call, connection, port_id, "update_port_binding", lock=True)
        binding = port_bindings.update(call.service, connection, port, host, values)
    return Reply({"binding": binding})


def delete(call: Call[Network], port_id: str, host: str) -> Reply:
    with call.service.write() as connection:
        port = _port(call, connection, port_id, "delete_port_binding", lock=True)
        port_bindings.delete(call.service, connection, port, host)
    return NO_CONTENT


def activate(call: Call[Network], port_id: str, host: str) -> Reply:
    with call.service.write() as connection:
        port = _port(call, connection, port_id, "activate", lock=True)
        binding = port_bindings.activate(call.service, connection, port, host)
    return Reply({"binding": binding})
