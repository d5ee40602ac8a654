"""QoS, trunks, metering, segments, flavors, agents, extensions: what operators and their tools ask for."""

from __future__ import annotations

from typing import Any

import pytest

from cumulet.network.domain import base
from cumulet.network.extensions import EXTENSIONS
from cumulet.network.service import Network
from cumulet.network.tables import agents
from tests.network.support import Api, refusal

RULES = [
    ("bandwidth_limit_rule", {"max_kbps": 1000, "max_burst_kbps": 100}, {"max_kbps": 2000}, {"max_kbps": -1}),
    ("dscp_marking_rule", {"dscp_mark": 8}, {"dscp_mark": 10}, {"dscp_mark": 7}),
    ("minimum_bandwidth_rule", {"min_kbps": 10}, {"min_kbps": 20}, {"min_kbps": "much"}),
    ("minimum_packet_rate_rule", {"min_kpps": 10}, {"min_kpps": 20}, {"min_kpps": -5}),
    ("packet_rate_limit_rule", {"max_kpps": 10}, {"max_kpps": 20}, {"max_kpps": -1}),
]


@pytest.mark.parametrize(("kind", "given", "other", "wrong"), RULES, ids=[rule[0] for rule in RULES])
def test_rules_of_a_qos_policy(admin: Api, kind: str, given: dict[str, Any], other: Any, wrong: Any) -> None:
    policy = admin.make("policy", name=kind)
    below = f"/v2.0/qos/policies/{policy['id']}/{kind}s"
    rule = admin.make(kind, below, **given)
    assert {key: rule[key] for key in given} == given
    assert [one["id"] for one in admin.show("policy", policy["id"])["rules"]] == [rule["id"]]
    changed = admin.client.put(f"{below}/{rule['id']}", {kind: other})
    assert changed.json()[kind] | other == changed.json()[kind]
    alias = f"/v2.0/qos/alias-{kind.replace('_', '-')}s/{rule['id']}"
    assert admin.client.get(alias).json()[f"alias_{kind}"]["id"] == rule["id"]
    assert admin.client.post(below, {kind: wrong}).status == 400
    assert admin.client.post(below, {kind: given}).status in (400, 409)  # a second one of the kind and direction
    assert admin.client.delete(f"{below}/{rule['id']}").status == 204
    assert admin.client.get(alias).status == 404


def test_a_policy_in_use_stays(api: Api, admin: Api) -> None:
    policy = admin.make("policy", name="gold", shared=True)
    network = api.make("network", qos_policy_id=policy["id"])
    port = api.make("port", network_id=network["id"])
    assert port["qos_network_policy_id"] == policy["id"]
    assert refusal(admin.client.delete(f"/v2.0/qos/policies/{policy['id']}")) == (409, "QosPolicyInUse")
    api.change("network", network["id"], qos_policy_id=None)
    admin.delete("policy", policy["id"])
    private = admin.make("policy", name="private")
    body = {"port": {"qos_policy_id": private["id"]}}
    assert refusal(api.client.put(f"/v2.0/ports/{port['id']}", body)) == (404, "QosPolicyNotFound")


def test_a_trunk_carries_other_ports(api: Api) -> None:
    network = api.make("network")
    parent, child, third = (api.make("port", network_id=network["id"]) for _ in range(3))
    trunk = api.make("trunk", port_id=parent["id"], sub_ports=[])
    sub = {"port_id": child["id"], "segmentation_type": "vlan", "segmentation_id": 7}
    way = f"trunks/{trunk['id']}"
    assert api.act(f"{way}/add_subports", {"sub_ports": [sub]})["sub_ports"] == [sub]
    assert api.client.get(f"/v2.0/{way}/get_subports").json() == {"sub_ports": [sub]}
    details = api.show("port", parent["id"])["trunk_details"]
    assert details["trunk_id"] == trunk["id"] and details["sub_ports"][0]["port_id"] == child["id"]
    same = {"sub_ports": [{**sub, "port_id": third["id"]}]}
    assert api.client.put(f"/v2.0/{way}/add_subports", same).status in (400, 409)
    assert refusal(api.client.delete(f"/v2.0/ports/{parent['id']}")) == (409, "PortInUseAsTrunkParent")
    assert refusal(api.client.delete(f"/v2.0/ports/{child['id']}")) == (409, "PortInUseAsSubPort")
    assert refusal(api.client.post("/v2.0/trunks", {"trunk": {"port_id": parent["id"]}}))[0] == 409
    removed = api.act(f"{way}/remove_subports", {"sub_ports": [{"port_id": child["id"]}]})
    assert removed["sub_ports"] == []
    api.delete("trunk", trunk["id"])
    assert "trunk_details" not in api.show("port", parent["id"])


def test_metering_labels_and_their_rules(api: Api, admin: Api) -> None:
    label = admin.make("metering_label", name="traffic")
    common = {"metering_label_id": label["id"], "direction": "ingress"}
    rule = admin.make("metering_label_rule", **common, source_ip_prefix="192.0.2.0/24")
    assert admin.show("metering_label_rule", rule["id"])["source_ip_prefix"] == "192.0.2.0/24"
    twice = {"metering_label_rule": {**common, "source_ip_prefix": "192.0.2.0/24"}}
    assert admin.client.post("/v2.0/metering/metering-label-rules", twice).status == 409
    assert refusal(api.client.post("/v2.0/metering/metering-labels", {"metering_label": {"name": "x"}}))[0] == 403
    admin.delete("metering_label", label["id"])
    assert admin.client.get(f"/v2.0/metering/metering-label-rules/{rule['id']}").status == 404


def test_segments_of_a_network(admin: Api) -> None:
    network = admin.make("network")
    (segment,) = admin.list("segment", f"?network_id={network['id']}")
    assert segment["network_type"] == "vxlan" and segment["segmentation_id"] > 0
    named = admin.change("segment", segment["id"], name="rack-1")
    assert named["name"] == "rack-1"
    more = admin.make("segment", network_id=network["id"], network_type="vxlan", segmentation_id=8_000_001)
    body = {"segment": {"network_id": network["id"], "network_type": "vxlan", "segmentation_id": 8_000_001}}
    assert admin.client.post("/v2.0/segments", body).status == 409
    admin.delete("segment", more["id"])
    assert len(admin.list("segment", f"?network_id={network['id']}")) == 1


def test_networks_take_their_ids_from_their_projects_range(admin: Api) -> None:
    wanted = {"network_type": "vxlan", "minimum": 9_000_000, "maximum": 9_000_001}
    owner = {"shared": False, "project_id": "ranged"}
    made = admin.make("network_segment_range", name="ours", **owner, **wanted)
    networks = [admin.make("network", project_id="ranged") for _ in range(2)]
    assert {one["provider:segmentation_id"] for one in networks} == {9_000_000, 9_000_001}
    shown = admin.show("network_segment_range", made["id"])
    assert shown["available"] == [] and set(shown["used"]) == {"9000000", "9000001"}
    assert admin.client.delete(f"/v2.0/network-segment-ranges/{made['id']}").status == 409
    beyond = admin.make("network", project_id="ranged")["provider:segmentation_id"]
    others = {admin.make("network", project_id="another")["provider:segmentation_id"], beyond}
    assert not others & {9_000_000, 9_000_001}
    for one in networks:
        admin.delete("network", one["id"])
    admin.delete("network_segment_range", made["id"])


def test_flavors_have_profiles(admin: Api) -> None:
    flavor = admin.make("flavor", name="fast", service_type="L3_ROUTER_NAT")
    profile = admin.make("service_profile", description="p", metainfo="{}")
    below = f"/v2.0/flavors/{flavor['id']}/service_profiles"
    assert admin.client.post(below, {"service_profile": {"id": profile["id"]}}).status == 201
    assert admin.show("flavor", flavor["id"])["service_profiles"] == [profile["id"]]
    assert refusal(admin.client.delete(f"/v2.0/service_profiles/{profile['id']}"))[0] == 409
    assert admin.client.delete(f"{below}/{profile['id']}").status == 204
    admin.delete("service_profile", profile["id"])


@pytest.fixture
def dhcp_agent(network: Network) -> str:
    now, identifier = network.now(), base.uuid_id()
    row = {
        "id": identifier,
        "agent_type": "DHCP agent",
        "binary": "neutron-dhcp-agent",
        "topic": "dhcp_agent",
        "host": f"host-{identifier}",
        "availability_zone": "nova",
        "admin_state_up": True,
        "configurations": '{"networks": 0}',
        "resource_versions": "{}",
        "created_at": now,
        "started_at": now,
        "heartbeat_at": now,
    }
    with network.write() as connection:
        base.insert(connection, agents, row)
    return identifier


def test_agents_are_shown_changed_and_forgotten(api: Api, admin: Api, dhcp_agent: str) -> None:
    shown = admin.show("agent", dhcp_agent)
    assert shown["alive"] is True and shown["configurations"] == {"networks": 0}
    assert [one["id"] for one in admin.list("agent", f"?host=host-{dhcp_agent}")] == [dhcp_agent]
    assert admin.change("agent", dhcp_agent, admin_state_up=False)["admin_state_up"] is False
    assert api.list("agent") == []
    assert api.client.get(f"/v2.0/agents/{dhcp_agent}").status == 404
    admin.delete("agent", dhcp_agent)
    assert refusal(admin.client.get(f"/v2.0/agents/{dhcp_agent}")) == (404, "AgentNotFound")


def test_networks_are_put_on_dhcp_agents(admin: Api, dhcp_agent: str) -> None:
    network, _ = admin.network_with("10.81.0.0/24", enable_dhcp=False)
    below = f"/v2.0/agents/{dhcp_agent}/dhcp-networks"
    assert admin.client.post(below, {"network_id": network["id"]}).status == 201
    assert refusal(admin.client.post(below, {"network_id": network["id"]}))[0] == 409
    assert [one["id"] for one in admin.client.get(below).json()["networks"]] == [network["id"]]
    hosted = admin.client.get(f"/v2.0/networks/{network['id']}/dhcp-agents").json()["agents"]
    assert [one["id"] for one in hosted] == [dhcp_agent]
    assert admin.client.delete(f"{below}/{network['id']}").status == 204
    assert admin.client.delete(f"{below}/{network['id']}").status == 409
    admin.delete("agent", dhcp_agent)


def test_the_extension_list_tells_the_truth(api: Api) -> None:
    listed = {one["alias"] for one in api.list("extension")}
    assert listed == set(EXTENSIONS)
    assert api.show("extension", "router")["alias"] == "router"
    assert api.client.get("/v2.0/extensions/vpnaas").status == 404
    # What belongs to an extension that is not listed is not there.
    absent = {
        "vpnaas": "vpn/vpnservices",
        "local_ip": "local-ips",
        "logging": "log/logs",
        "l3-ndp-proxy": "ndp-proxies",
        "security-groups-default-statefulness": "security-groups-default-statefulness",
        "bgp": "bgp-speakers",
    }
    for alias, path in absent.items():
        assert alias not in listed and api.client.get(f"/v2.0/{path}").status == 404
    assert "enable_ndp_proxy" not in api.make("router")


def test_addresses_in_use_are_counted(admin: Api) -> None:
    network, subnet = admin.network_with("10.82.0.0/29")
    admin.make("port", network_id=network["id"])
    path = "/v2.0/network-ip-availabilities"
    shown = admin.client.get(f"{path}/{network['id']}").json()["network_ip_availability"]
    assert (shown["total_ips"], shown["used_ips"]) == (5, 1)
    assert [one["subnet_id"] for one in shown["subnet_ip_availability"]] == [subnet["id"]]
    listed = admin.client.get(f"{path}?network_id={network['id']}").json()["network_ip_availabilities"]
    assert [one["network_id"] for one in listed] == [network["id"]]
    assert admin.client.get(f"{path}/nowhere").status == 404


def test_a_topology_by_one_call(api: Api) -> None:
    public = api.external("172.24.88.0/24")
    admin = api.as_("admin")
    admin.change("network", public["id"], is_default=True)
    admin.make("subnetpool", name="auto", prefixes=["10.83.0.0/16"], default_prefixlen=26, is_default=True, shared=True)
    answer = api.client.get("/v2.0/auto-allocated-topology/ours")
    assert answer.status == 200
    made = answer.json()["auto_allocated_topology"]["id"]
    assert api.client.get("/v2.0/auto-allocated-topology/ours").json()["auto_allocated_topology"]["id"] == made
    assert api.show("network", made)["subnets"]
    assert api.client.delete("/v2.0/auto-allocated-topology/ours").status == 204
    assert api.client.get(f"/v2.0/networks/{made}").status == 404
