"""What a host is told and what it reports: an agent's questions and reports, as they come from the bus."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import sqlalchemy as sa

from cumulet.kernel.bus import Call
from cumulet.network.methods import Methods
from cumulet.network.service import Network
from cumulet.network.tables import agents, jobs
from tests.network.support import Api


class Host:
    """An agent in the place of a host's: asks for its document, reports how ports are."""

    def __init__(self, network: Network, name: str) -> None:
        self.name = name
        self._methods = Methods(network)
        self._call = Call(id="call", host="engine", method="", deadline=float("inf"))
        self.report()

    def report(self, *routers: str, **ports: str) -> None:
        counts: dict[str, dict[str, int]] = {
            f"neutron-{kind}-agent": {} for kind in ("linuxbridge", "dhcp", "l3", "metadata")
        }
        facts = {"host": self.name, "tunneling_ip": "192.0.2.7", "counts": counts}
        self._methods.report(self._call, facts, {"ports": ports, "routers": list(routers)})

    def document(self) -> dict[str, Any]:
        """The whole one, each kind by id."""
        whole = msgspec.json.decode(self._methods.wanted(self._call, self.name)["document"])
        return {key: {one["id"]: one for one in value} for key, value in whole.items() if isinstance(value, list)}


def test_a_host_reports_as_four_agents(network: Network, admin: Api) -> None:
    Host(network, "reporting")
    agents = admin.list("agent", "?host=reporting")
    assert sorted(agent["agent_type"] for agent in agents) == [
        "DHCP agent", "L3 agent", "Linux bridge agent", "Metadata agent",
    ]  # fmt: skip
    assert all(agent["alive"] for agent in agents)


def test_a_ports_status_is_what_its_host_says(network: Network, admin: Api) -> None:
    host, other = Host(network, "one"), Host(network, "other")
    made, _ = admin.network_with()
    port = admin.make("port", network_id=made["id"], **{"binding:host_id": "one"})
    assert (port["binding:vif_type"], port["status"]) == ("bridge", "DOWN")
    assert host.document()["ports"][port["id"]]["mac_address"] == port["mac_address"]
    assert port["id"] not in other.document()["ports"]
    other.report(**{port["id"]: "ACTIVE"})
    assert admin.show("port", port["id"])["status"] == "DOWN"
    host.report(**{port["id"]: "ACTIVE"})
    assert admin.show("port", port["id"])["status"] == "ACTIVE"


def test_a_floating_ip_works_while_a_host_carries_its_router(network: Network, admin: Api) -> None:
    host, other = Host(network, "first"), Host(network, "second")
    public, (made, subnet) = admin.external(), admin.network_with("10.47.0.0/24")
    router = admin.make("router", external_gateway_info={"network_id": public["id"]})["id"]
    admin.act(f"routers/{router}/add_router_interface", {"subnet_id": subnet["id"]})
    port = admin.make("port", network_id=made["id"])
    floating = admin.make("floatingip", floating_network_id=public["id"], port_id=port["id"])["id"]
    for agent in admin.client.get(f"/v2.0/routers/{router}/l3-agents").json()["agents"]:
        assert admin.client.delete(f"/v2.0/agents/{agent['id']}/l3-routers/{router}").status == 204
    agent = admin.list("agent", "?host=first&agent_type=L3 agent")[0]["id"]
    assert admin.client.post(f"/v2.0/agents/{agent}/l3-routers", {"router_id": router}).status == 201

    other.report(router)
    assert admin.show("floatingip", floating)["status"] == "DOWN", "that host does not carry it"
    host.report(router)
    assert admin.show("floatingip", floating)["status"] == "ACTIVE"
    assert admin.client.delete(f"/v2.0/agents/{agent}/l3-routers/{router}").status == 204
    assert admin.show("floatingip", floating)["status"] == "DOWN"
    host.report(router)
    assert admin.show("floatingip", floating)["status"] == "DOWN", "the host had not heard of it yet"
    assert admin.client.post(f"/v2.0/agents/{agent}/l3-routers", {"router_id": router}).status == 201
    host.report(router)
    assert admin.show("floatingip", floating)["status"] == "ACTIVE"


def test_ports_of_a_trunk_are_wired_where_their_parent_is(network: Network, admin: Api) -> None:
    host = Host(network, "trunked")
    (one, _), (two, _) = admin.network_with(), admin.network_with("10.1.0.0/24")
    parent, part = admin.make("port", network_id=one["id"]), admin.make("port", network_id=two["id"])
    subport = {"port_id": part["id"], "segmentation_type": "vlan", "segmentation_id": 101}
    trunk = admin.make("trunk", port_id=parent["id"], sub_ports=[subport])
    assert trunk["status"] == "DOWN"
    admin.change("port", parent["id"], **{"binding:host_id": "trunked"})

    wanted = host.document()["ports"]
    assert (wanted[part["id"]]["trunk_port"], wanted[part["id"]]["vlan"]) == (parent["id"], 101)
    assert wanted[parent["id"]]["trunk_port"] is None

    host.report(**{parent["id"]: "ACTIVE", part["id"]: "DOWN"})
    assert admin.show("trunk", trunk["id"])["status"] == "BUILD"
    assert admin.show("port", part["id"])["binding:host_id"] == "trunked"
    host.report(**{part["id"]: "ACTIVE"})
    assert admin.show("trunk", trunk["id"])["status"] == "ACTIVE"
    assert admin.show("port", part["id"])["status"] == "ACTIVE"

    admin.act(f"trunks/{trunk['id']}/remove_subports", {"sub_ports": [{"port_id": part["id"]}]})
    assert part["id"] not in host.document()["ports"]
    assert admin.show("port", part["id"])["binding:vif_type"] == "unbound"


def events_of(network: Network, port_id: str) -> list[dict[str, str]]:
    """What Compute is to be told of a port, in the order it happened."""
    with network.db.read() as connection:
        query = sa.select(jobs.c.payload).where(jobs.c.kind == "nova.events").order_by(jobs.c.id)
        told = [event for text in connection.execute(query).scalars() for event in json.loads(text)["events"]]
    return [event for event in told if event["tag"] == port_id]


def test_compute_is_told_when_a_servers_port_is_wired_and_when_not(network: Network, admin: Api) -> None:
    host = Host(network, "plugging")
    made, _ = admin.network_with()
    server = {"device_id": "1fd94b3c-5f5c-4f5a-9c6e-4b6e1c0f3a55", "device_owner": "compute:nova"}
    port = admin.make("port", network_id=made["id"], **{"binding:host_id": "plugging"}, **server)
    other = admin.make("port", network_id=made["id"], **{"binding:host_id": "plugging"})
    host.report(**{port["id"]: "ACTIVE", other["id"]: "ACTIVE"})
    host.report(**{port["id"]: "ACTIVE"})
    host.report(**{port["id"]: "DOWN"})
    told = [(event["name"], event["server_uuid"], event["status"]) for event in events_of(network, port["id"])]
    assert told == [
        ("network-vif-plugged", server["device_id"], "completed"),
        ("network-vif-unplugged", server["device_id"], "completed"),
    ]
    assert events_of(network, other["id"]) == []


def test_agents_are_found_by_whether_they_live(network: Network, admin: Api) -> None:
    Host(network, "living")
    Host(network, "silent")
    long_ago = network.now() - 2 * int(network.conf.agent_down_time) * 1_000_000
    with network.db.write() as connection:
        connection.execute(sa.update(agents).where(agents.c.host == "silent").values(heartbeat_at=long_ago))

    def hosts(query: str) -> set[str]:
        return {agent["host"] for agent in admin.list("agent", query)} & {"living", "silent"}

    assert hosts("?alive=true") == {"living"}
    assert hosts("?alive=False&fields=host") == {"silent"}
    assert hosts("?alive=true&alive=false") == {"living", "silent"}
    answer = admin.client.request("GET", "/v2.0/agents?alive=perhaps")
    assert (answer.status, answer.json()["NeutronError"]["type"]) == (400, "InvalidInput")
