"""`/v2.0/agents` and what they serve (Networking API v2.0, Agents and agent schedulers)."""

from __future__ import annotations

from cumulet.kernel.http import NO_CONTENT, Call, Reply
from cumulet.network.attributes import ID, Attribute, read_only
from cumulet.network.checks import boolean, json_object, optional, text
from cumulet.network.crud import Noun
from cumulet.network.domain import agents, dhcp, router_hosts
from cumulet.network.errors import bad_request, forbidden
from cumulet.network.handlers import networks as network_handlers
from cumulet.network.handlers import routers as router_handlers
from cumulet.network.service import Network

ATTRIBUTES = {
    **ID,
    "agent_type": read_only(),
    "binary": read_only(),
    "topic": read_only(),
    "host": read_only(),
    "admin_state_up": Attribute(boolean, post=False),
    "created_at": read_only(filter=False, sort=False),
    "started_at": read_only(filter=False, sort=False),
    "heartbeat_timestamp": read_only(filter=False, sort=False),
    "alive": read_only(filter=False, sort=False),
    "configurations": Attribute(json_object, post=False, put=False, filter=False, sort=False),
    "description": Attribute(optional(text(255)), post=False),
    "availability_zone": read_only(),
    "resources_synced": read_only(filter=False, sort=False),
}


NOUN = Noun(
    "agent",
    "agents",
    ATTRIBUTES,
    agents,
    dress=agents.dress,
    dressed=frozenset({"alive"}),
    judged={"alive": agents.alive_or_not},
)


def _may(call: Call[Network], rule: str) -> None:
    if not call.service.policy.allows(call.ctx, rule):
        raise forbidden(f"rule:{rule}")


def _body_id(call: Call[Network], key: str) -> str:
    body = call.raw_json()
    if not isinstance(body, dict) or not isinstance(body.get(key), str):
        raise bad_request(f"Failed to parse request. Required attribute '{key}' not specified")
    return str(body[key])


def dhcp_networks(call: Call[Network], agent_id: str) -> Reply:
    _may(call, "get_dhcp-networks")
    with call.service.db.read() as connection:
        agents.load(connection, agent_id)
        things = network_handlers.NOUN.present(call, connection, dhcp.networks_of(connection, agent_id))
    return Reply({"networks": things})


def add_dhcp_network(call: Call[Network], agent_id: str) -> Reply:
    _may(call, "create_dhcp-network")
    network_id = _body_id(call, "network_id")
    with call.service.write() as connection:
        dhcp.host_network(call.service, connection, network_id, agent_id)
    return Reply(b"null", 201)


def remove_dhcp_network(call: Call[Network], agent_id: str, network_id: str) -> Reply:
    _may(call, "delete_dhcp-network")
    with call.service.write() as connection:
        dhcp.drop_network(call.service, connection, network_id, agent_id)
    return NO_CONTENT


def dhcp_agents(call: Call[Network], network_id: str) -> Reply:
    _may(call, "get_dhcp-agents")
    with call.service.db.read() as connection:
        things = NOUN.present(call, connection, dhcp.agents_of(connection, network_id))
    return Reply({"agents": things})


def l3_routers(call: Call[Network], agent_id: str) -> Reply:
    _may(call, "get_l3-routers")
    with call.service.db.read() as connection:
        agents.load(connection, agent_id)
        things = router_handlers.NOUN.present(call, connection, router_hosts.routers_of(connection, agent_id))
    return Reply({"routers": things})


def add_l3_router(call: Call[Network], agent_id: str) -> Reply:
    _may(call, "create_l3-router")
    router_id = _body_id(call, "router_id")
    with call.service.write() as connection:
        router_hosts.host_router(call.service, connection, router_id, agent_id)
    return Reply(b"null", 201)


def remove_l3_router(call: Call[Network], agent_id: str, router_id: str) -> Reply:
    _may(call, "delete_l3-router")
    with call.service.write() as connection:
        router_hosts.drop_router(call.service, connection, router_id, agent_id)
    return NO_CONTENT


def l3_agents(call: Call[Network], router_id: str) -> Reply:
    _may(call, "get_l3-agents")
    with call.service.db.read() as connection:
        things = NOUN.present(call, connection, router_hosts.agents_of(connection, router_id))
    return Reply({"agents": things})
