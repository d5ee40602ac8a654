"""`/v2.0/routers` (Networking API v2.0, Routers)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cumulet.kernel.http import Call, Reply
from cumulet.network.attributes import ID, NAME, PROJECT, STANDARD, TAGS, UNSET, Attribute, Values, read_only, single
from cumulet.network.checks import (
    Invalid,
    boolean,
    cidr_or_address,
    dictionary,
    empty_as_none,
    fixed_ips,
    ip_address,
    list_of,
    optional,
    text,
    uuid_text,
)
from cumulet.network.crud import Noun
from cumulet.network.domain import routers
from cumulet.network.errors import bad_request, forbidden
from cumulet.network.service import Network

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Row

    from cumulet.kernel.context import Context

_GATEWAY = dictionary(
    {
        "network_id": empty_as_none(uuid_text),
        "enable_snat": boolean,
        "external_fixed_ips": fixed_ips,
        "qos_policy_id": optional(uuid_text),
    }
)
_ROUTES = list_of(
    dictionary({"destination": cidr_or_address, "nexthop": ip_address}, required=["destination", "nexthop"])
)


def _gateway(value: Any) -> Values:
    if value is None or value == {}:
        return {}
    checked: Values = _GATEWAY(value)
    if "network_id" not in checked:
        raise Invalid("Validation of dictionary's keys failed. Expected keys: ['network_id']")
    return checked


ATTRIBUTES = {
    **ID,
    **PROJECT,
    **NAME,
    **STANDARD,
    **TAGS,
    "admin_state_up": Attribute(boolean, default=True),
    "status": read_only(),
    "external_gateway_info": Attribute(_gateway, default=UNSET, guarded=True, filter=False, sort=False),
    "routes": Attribute(optional(_ROUTES), default=UNSET, post=False, filter=False, sort=False),
    "distributed": Attribute(optional(boolean), default=UNSET, guarded=True, secret=True),
    "ha": Attribute(optional(boolean), default=UNSET, guarded=True, secret=True),
    "flavor_id": Attribute(optional(uuid_text), default=UNSET, put=False),
    "availability_zone_hints": Attribute(list_of(text(255)), default=list, put=False, filter=False, sort=False),
    "availability_zones": read_only(filter=False, sort=False),
}


def _enrich(call: Call[Network], connection: Connection, target: dict[str, Any]) -> None:
    """SNAT and chosen outside addresses have rules of their own."""
    info = target.get("external_gateway_info")
    if not isinstance(info, dict):
        return
    for key in ("enable_snat", "external_fixed_ips"):
        if key in info and not call.service.policy.allows(
            call.ctx, f"update_router:external_gateway_info:{key}", target
        ):
            raise forbidden(f"rule:update_router:external_gateway_info:{key}")


NOUN = Noun("router", "routers", ATTRIBUTES, routers, enrich=_enrich)
Action = Callable[[Network, "Connection", "Context", "Row[Any]", Values], Values]


def add_interface(call: Call[Network], router_id: str) -> Reply:
    return _act(call, router_id, "add_router_interface", routers.add_interface)


def remove_interface(call: Call[Network], router_id: str) -> Reply:
    return _act(call, router_id, "remove_router_interface", routers.remove_interface)


def _act(call: Call[Network], router_id: str, rule: str, action: Action) -> Reply:
    body = call.raw_json()
    if not isinstance(body, dict):
        raise bad_request("Body contains invalid data")
    for key in ("subnet_id", "port_id"):
        try:
            empty_as_none(uuid_text)(body.get(key))
        except Invalid as invalid:
            raise bad_request(f"Bad router request: {invalid}.", "BadRequest") from None
    with call.service.write() as connection:
        row = _allowed(call, connection, router_id, rule)
        shown = action(call.service, connection, call.ctx, row, body)
    return Reply(shown)


def _allowed(call: Call[Network], connection: Connection, router_id: str, rule: str) -> Row[Any]:
    row = NOUN.show_row(call, connection, router_id, lock=True)
    NOUN.may(call, rule, row)
    return row


def add_extraroutes(call: Call[Network], router_id: str) -> Reply:
    return _change_routes(call, router_id, adding=True)


def remove_extraroutes(call: Call[Network], router_id: str) -> Reply:
    return _change_routes(call, router_id, adding=False)


def _change_routes(call: Call[Network], router_id: str, *, adding: bool) -> Reply:
    given = single(call.raw_json(), "router")
    try:
        routes = _ROUTES(given.get("routes"))
    except Invalid as invalid:
        raise bad_request(f"Invalid input for routes. Reason: {invalid}.") from None
    with call.service.write() as connection:
        row = _allowed(call, connection, router_id, "add_extraroutes" if adding else "remove_extraroutes")
        add, remove = (routes, []) if adding else ([], routes)
        routers.change_routes(call.service, connection, row, add=add, remove=remove)
        things = NOUN.present(call, connection, NOUN.source.things(connection, [router_id]))
    return Reply({"router": things[0]})
