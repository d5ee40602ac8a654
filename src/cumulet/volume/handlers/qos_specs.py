"""`/qos-specs` (Block Storage API, Quality of service specifications)."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.engine import Row

from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call, Reply
from cumulet.volume import listing, views
from cumulet.volume.bodies import boolean, convert, inner, refused, stripped
from cumulet.volume.domain import qos_specs
from cumulet.volume.handlers.volume_access import may
from cumulet.volume.schemas.qos_specs import QosValues, UnsetKeys
from cumulet.volume.service import Volume

_RULE: Final = "volume_extension:qos_specs_manage"
_SORTED_BY: Final = frozenset(qos_specs.SORTS)


def _show(row: Row[Any]) -> dict[str, Any]:
    return {"id": row.id, "name": row.name, "consumer": row.consumer, "specs": qos_specs.specs_of(row)}


def _with_links(call: Call[Volume], row: Row[Any]) -> dict[str, Any]:
    return {"qos_specs": _show(row), "links": views.links(call, f"qos-specs/{row.id}")}


def index(call: Call[Volume]) -> Reply:
    may(call, f"{_RULE}:get_all")
    page = listing.wanted(call, sorted_by=_SORTED_BY)
    with call.service.db.read() as connection:
        rows = qos_specs.find(connection, qos_specs.conditions(page), page)
    shown = [_show(row) for row in rows]
    return listing.reply(call, page, "qos-specs", "qos_specs", shown)


def _consumer(specs: dict[str, str]) -> str | None:
    """Takes the consumer out of the specs. Raises BadRequest for one there is not."""
    consumer = specs.pop("consumer", None)
    if consumer is not None and consumer not in qos_specs.CONSUMERS:
        raise BadRequest(f"Invalid qos specs: Valid consumer of QoS specs are: {list(qos_specs.CONSUMERS)}")
    return consumer


def create(call: Call[Volume]) -> Reply:
    may(call, f"{_RULE}:create")
    fields = inner(call.raw_json(), "qos_specs")
    if "name" not in fields:
        raise BadRequest("Invalid input for field/attribute qos_specs. 'name' is a required property")
    name = stripped(fields["name"])
    if not isinstance(name, str) or not 1 <= len(name) <= 255:
        raise refused("name", fields["name"], "It has 1 to 255 characters.")
    specs = convert({key: value for key, value in fields.items() if key != "name"}, QosValues)
    given = {key: str(value) for key, value in specs.items() if value is not None}
    consumer = _consumer(given) or "back-end"
    return Reply(_with_links(call, qos_specs.create(call.service, name, consumer, given)))


def show(call: Call[Volume], qos_id: str) -> Reply:
    may(call, f"{_RULE}:get")
    with call.service.db.read() as connection:
        row = qos_specs.load(connection, qos_id)
    return Reply(_with_links(call, row))


def update(call: Call[Volume], qos_id: str) -> Reply:
    may(call, f"{_RULE}:update")
    fields = inner(call.raw_json(), "qos_specs")
    specs = convert(fields, QosValues)
    given = {key: str(value) for key, value in specs.items() if value is not None}
    consumer = _consumer(given)
    qos_specs.set_specs(call.service, qos_id, consumer, given)
    return Reply({"qos_specs": fields})


def delete(call: Call[Volume], qos_id: str) -> Reply:
    may(call, f"{_RULE}:delete")
    force = boolean(call.query().get("force", [None])[-1], "force")
    qos_specs.delete(call.service, qos_id, force=force)
    return Reply(status=202)


def unset(call: Call[Volume], qos_id: str) -> Reply:
    may(call, f"{_RULE}:update")
    given = convert(call.raw_json(), UnsetKeys)
    qos_specs.unset(call.service, qos_id, list(dict.fromkeys(given.keys)))
    return Reply(status=202)


def associations(call: Call[Volume], qos_id: str) -> Reply:
    may(call, f"{_RULE}:get_all")
    with call.service.db.read() as connection:
        rows = qos_specs.associations(connection, qos_id)
    found = [{"association_type": "volume_type", "name": row.name, "id": row.id} for row in rows]
    return Reply({"qos_associations": found})


def _named_type(call: Call[Volume]) -> str:
    type_id = call.query().get("vol_type_id", [""])[-1]
    if not type_id:
        raise BadRequest("Volume Type id must not be None.")
    return type_id


def associate(call: Call[Volume], qos_id: str) -> Reply:
    may(call, f"{_RULE}:update")
    qos_specs.associate(call.service, qos_id, _named_type(call))
    return Reply(status=202)


def disassociate(call: Call[Volume], qos_id: str) -> Reply:
    may(call, f"{_RULE}:update")
    qos_specs.disassociate(call.service, qos_id, _named_type(call))
    return Reply(status=202)


def disassociate_all(call: Call[Volume], qos_id: str) -> Reply:
    may(call, f"{_RULE}:update")
    qos_specs.disassociate(call.service, qos_id, None)
    return Reply(status=202)
