"""`/v2.0/flavors` and `/v2.0/service_profiles` (Networking API v2.0, Networking Flavors Framework)."""

from __future__ import annotations

from cumulet.kernel.http import NO_CONTENT, Call, Reply
from cumulet.network.attributes import ID, NAME, Attribute, single
from cumulet.network.checks import Invalid, boolean, list_of, one_of, text, uuid_text
from cumulet.network.crud import Noun
from cumulet.network.domain import flavors
from cumulet.network.errors import bad_request, forbidden
from cumulet.network.service import Network

_DESCRIPTION = Attribute(text(1024), default="")
FLAVORS = Noun(
    "flavor",
    "flavors",
    {
        **ID,
        **NAME,
        "description": _DESCRIPTION,
        "service_type": Attribute(one_of([flavors.ROUTER]), put=False),
        "service_profiles": Attribute(list_of(uuid_text), default=list, filter=False, sort=False),
        "enabled": Attribute(boolean, default=True),
    },
    flavors.FLAVORS,
)
PROFILES = Noun(
    "service_profile",
    "service_profiles",
    {
        **ID,
        "description": _DESCRIPTION,
        "driver": Attribute(text(1024), default=""),
        "metainfo": Attribute(text(4096), default=""),
        "enabled": Attribute(boolean, default=True),
    },
    flavors.PROFILES,
)


def _may(call: Call[Network], rule: str) -> None:
    if not call.service.policy.allows(call.ctx, rule, {"project_id": call.ctx.project_id}):
        raise forbidden(f"rule:{rule}")


def profiles(call: Call[Network], flavor_id: str) -> Reply:
    _may(call, "get_flavor_service_profile")
    with call.service.db.read() as connection:
        ids = flavors.profiles_of(FLAVORS.show_row(call, connection, flavor_id))
    return Reply({"service_profiles": [{"id": identifier} for identifier in ids]})


def bind(call: Call[Network], flavor_id: str) -> Reply:
    _may(call, "create_flavor_service_profile")
    try:
        profile_id = uuid_text(single(call.raw_json(), "service_profile").get("id"))
    except Invalid as invalid:
        raise bad_request(f"Invalid input for id. Reason: {invalid}.") from None
    with call.service.write() as connection:
        flavors.bind(connection, FLAVORS.show_row(call, connection, flavor_id, lock=True), profile_id)
    return Reply({"service_profile": {"id": profile_id}}, 201)


def unbind(call: Call[Network], flavor_id: str, profile_id: str) -> Reply:
    _may(call, "delete_flavor_service_profile")
    with call.service.write() as connection:
        flavors.unbind(connection, FLAVORS.show_row(call, connection, flavor_id, lock=True), profile_id)
    return NO_CONTENT


def next_providers(call: Call[Network], flavor_id: str) -> Reply:
    with call.service.db.read() as connection:
        flavor = FLAVORS.show_row(call, connection, flavor_id)
        return Reply({"next_providers": flavors.next_providers(connection, flavor)})
