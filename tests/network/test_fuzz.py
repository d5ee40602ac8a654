"""Every operation of the Networking API, asked with whatever comes to mind: an answer, and never a failure.

`CUMULET_FUZZ_EXAMPLES` is how many requests each operation gets (6: about half a minute for all of them).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from cumulet.network.domain import base
from cumulet.network.service import Network
from cumulet.network.tables import agents
from tests.fuzzing import Requests
from tests.network.openapi import SPECIFICATION
from tests.network.support import Api, make_network
from tests.support import Client

EXAMPLES = int(os.environ.get("CUMULET_FUZZ_EXAMPLES", "6"))
OPERATIONS = SPECIFICATION.operations()
BY_SEGMENT = {
    "address-groups": "address_group_id",
    "address-scopes": "address_scope_id",
    "agents": "agent_id",
    "alias-bandwidth-limit-rules": "bandwidth",
    "alias-dscp-marking-rules": "dscp",
    "alias-minimum-bandwidth-rules": "minimum",
    "alias-minimum-packet-rate-rules": "packets",
    "auto-allocated-topology": "project_id",
    "bandwidth_limit_rules": "bandwidth",
    "bindings": "host",
    "conntrack_helpers": "conntrack_helper_id",
    "default-security-group-rules": "default_security_group_rule_id",
    "dhcp-agents": "agent_id",
    "dhcp-networks": "network_id",
    "dscp_marking_rules": "dscp",
    "extensions": "alias",
    "flavors": "flavor_id",
    "floatingips": "floatingip_id",
    "l3-agents": "agent_id",
    "l3-routers": "router_id",
    "metering-label-rules": "metering_label_rule_id",
    "metering-labels": "metering_label_id",
    "minimum-packet-rate-rules": "packets",
    "minimum_bandwidth_rules": "minimum",
    "network-ip-availabilities": "network_id",
    "network-segment-ranges": "network_segment_range_id",
    "policies": "policy_id",
    "port_forwardings": "port_forwarding_id",
    "quotas": "project_id",
    "rbac-policies": "rbac_policy_id",
    "routers": "router_id",
    "rule-types": "rule_type",
    "security-group-rules": "security_group_rule_id",
    "security-groups": "security_group_id",
    "segments": "segment_id",
    "service_profiles": "service_profile_id",
    "subnetpools": "subnetpool_id",
    "tags": "tag",
}
"""What `{id}` stands for behind a segment of a path."""
ANY = "0.0.0.0/0"
OTHERS = ("reader", "stranger", "nova", "nobody", "unknown", "")


class World:
    """A cloud with one of everything."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.admin = Api(network, "admin")
        self.client: Client = self.admin.client
        self.public = self.admin.external("203.0.112.0/20")
        self.made = 0
        self.for_reading = self.ids()

    def ids(self) -> dict[str, str]:
        """For each path parameter one that there is, new each time: what is fuzzed may delete them."""
        self.made += 1
        make, number = self.admin.make, self.made
        network, subnet = self.admin.network_with(f"10.{number // 250}.{number % 250}.0/24")
        router = make("router", external_gateway_info={"network_id": self.public["id"]})
        self.admin.act(f"routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})
        port = make("port", network_id=network["id"], name="x")
        parent, child = make("port", network_id=network["id"]), make("port", network_id=network["id"])
        group = make("security_group", name="x")
        rule = make(
            "security_group_rule",
            security_group_id=group["id"],
            direction="ingress",
            protocol="tcp",
            port_range_min=number,
            port_range_max=number,
            remote_ip_prefix="203.0.113.0/24",  # so that no default rule is the same
        )
        scope = make("address_scope", name="x", ip_version=4)
        pool = make("subnetpool", name="x", prefixes=["10.64.0.0/16"], default_prefixlen=26)
        addresses = make("address_group", name="x", addresses=["10.0.0.0/8"])
        trunk = make("trunk", port_id=parent["id"], sub_ports=[])
        label = make("metering_label", name="x")
        counted = make("metering_label_rule", metering_label_id=label["id"], direction="ingress", source_ip_prefix=ANY)
        flavor = make("flavor", name="x", service_type="L3_ROUTER_NAT")
        profile = make("service_profile", description="x", driver="", metainfo="{}")
        shared = {"object_type": "network", "object_id": network["id"], "action": "access_as_shared"}
        found = {
            "network_id": network["id"],
            "subnet_id": subnet["id"],
            "router_id": router["id"],
            "port_id": port["id"],
            "security_group_id": group["id"],
            "security_group_rule_id": rule["id"],
            "address_scope_id": scope["id"],
            "subnetpool_id": pool["id"],
            "address_group_id": addresses["id"],
            "trunk_id": trunk["id"],
            "subport_id": child["id"],
            "metering_label_id": label["id"],
            "metering_label_rule_id": counted["id"],
            "flavor_id": flavor["id"],
            "profile_id": profile["id"],
            "service_profile_id": profile["id"],
            "rbac_policy_id": make("rbac_policy", target_tenant=f"{number:032x}", **shared)["id"],
            "floating_network_id": self.public["id"],
            "agent_id": self._agent(f"host-{number}"),
            "host": f"host-{number}",
            "project_id": "fuzzed",  # whose quotas may become anything
            "tag": "x",
            "alias": "router",
            "rule_type": "bandwidth_limit",
        }
        return found | self._below(found, port)

    def _below(self, ids: dict[str, str], port: dict[str, Any]) -> dict[str, str]:
        make = self.admin.make
        floating = make("floatingip", floating_network_id=self.public["id"])
        below = f"/v2.0/floatingips/{floating['id']}/port_forwardings"
        forwarding = {
            "protocol": "tcp",
            "external_port": 80,
            "internal_port": 80,
            "internal_port_id": port["id"],
            "internal_ip_address": port["fixed_ips"][0]["ip_address"],
        }
        policy = make("policy", name="x")
        rules = f"/v2.0/qos/policies/{policy['id']}"
        helper = {"protocol": "udp", "port": 69, "helper": "tftp"}
        found = {
            "floatingip_id": floating["id"],
            "port_forwarding_id": make("port_forwarding", below, **forwarding)["id"],
            "policy_id": policy["id"],
            "bandwidth": make("bandwidth_limit_rule", f"{rules}/bandwidth_limit_rules", max_kbps=1000)["id"],
            "dscp": make("dscp_marking_rule", f"{rules}/dscp_marking_rules", dscp_mark=8)["id"],
            "minimum": make("minimum_bandwidth_rule", f"{rules}/minimum_bandwidth_rules", min_kbps=10)["id"],
            "packets": make("minimum_packet_rate_rule", f"{rules}/minimum-packet-rate-rules", min_kpps=10)["id"],
            "conntrack_helper_id": make(
                "conntrack_helper", f"/v2.0/routers/{ids['router_id']}/conntrack_helpers", **helper
            )["id"],
            "segment_id": self.admin.list("segment", f"?network_id={ids['network_id']}")[0]["id"],
            "default_security_group_rule_id": make(
                "default_security_group_rule",
                direction="ingress",
                protocol="tcp",
                port_range_min=self.made,
                port_range_max=self.made,
                used_in_non_default_sg=False,
            )["id"],
        }
        ranged = {"network_type": "vlan", "physical_network": f"p{self.made}", "minimum": 1, "maximum": 9}
        return found | {"network_segment_range_id": make("network_segment_range", name="x", **ranged)["id"]}

    def _agent(self, host: str) -> str:
        now = self.network.now()
        identifier = base.uuid_id()
        row = {
            "id": identifier,
            "agent_type": "DHCP agent",
            "binary": "neutron-dhcp-agent",
            "topic": "dhcp_agent",
            "host": host,
            "configurations": "{}",
            "resource_versions": "{}",
            "created_at": now,
            "started_at": now,
            "heartbeat_at": now,
        }
        with self.network.write() as connection:
            base.insert(connection, agents, row)
        return identifier


@pytest.fixture(scope="module")
def world(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    nouns = (
        "network",
        "subnet",
        "port",
        "router",
        "floatingip",
        "security_group",
        "security_group_rule",
        "rbac_policy",
    )
    options = "[quotas]\n" + "".join(f"quota_{noun} = -1\n" for noun in nouns)
    network = make_network(module_database_url, tmp_path_factory.mktemp("state"), options)
    yield World(network)
    network.db.close()


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[f"{method} {path}" for method, path in OPERATIONS])
def test_an_operation_never_fails(world: World, method: str, path: str) -> None:
    requests = Requests(method, path, SPECIFICATION.described(method, path))
    ids = dict(world.for_reading) if method == "get" else world.ids()
    segments = path.split("/")
    above = segments[segments.index("{id}") - 1] if "{id}" in segments else ""
    ids["id"] = ids.get(BY_SEGMENT.get(above, ""), ids["port_id"])
    if path.endswith("/tags/{id}"):
        place = re.sub(r"\{(.*?)\}", lambda match: ids[match[1]], path)
        assert world.client.put(place).status in (201, 404)

    @given(requests.of(ids, ["admin"]), st.sampled_from(["admin"] * 6 + ["nova"] * 6 + ["member", *OTHERS]))
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    def ask(request: dict[str, Any], token: str) -> None:
        headers = {name: value for name, value in request.pop("headers").items() if value}
        path = request.pop("path")
        answer = world.client.request(requests.method, path, headers={**headers, "X-Auth-Token": token}, **request)
        note(f"{answer.status} {answer.body[:300]!r}")

    ask()
