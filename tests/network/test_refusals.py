"""What nobody may do: lines smuggled into hosts' files, ports of other projects, owners that are not one's own.

Each is refused by the API's own 4xx, and whatever else there is stays as it was.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.network.support import Api, refusal

LINE = "pxelinux.0\ndhcp-script=/tmp/x"
NOBODY = "00000000-0000-4000-8000-000000000000"


def everything(admin: Api) -> dict[str, list[dict[str, Any]]]:
    """What there is of the nouns that hosts build from."""
    nouns = ("network", "subnet", "port", "router", "floatingip", "security_group", "security_group_rule")
    return {noun: sorted(admin.list(noun), key=lambda one: str(one["id"])) for noun in nouns}


@pytest.mark.parametrize(
    ("noun", "wrong"),
    [
        ("port", {"extra_dhcp_opts": [{"opt_name": "bootfile-name", "opt_value": LINE}]}),
        ("port", {"extra_dhcp_opts": [{"opt_name": "bootfile\nx", "opt_value": "y"}]}),
        ("port", {"extra_dhcp_opts": [{"opt_name": "3,10.0.0.1", "opt_value": "y"}]}),
        ("port", {"extra_dhcp_opts": [{"opt_name": "router", "opt_value": "x", "ip_version": 5}]}),
        ("port", {"dns_name": "host\nname"}),
        ("port", {"dns_name": "-host"}),
        ("port", {"dns_domain": "no.dot"}),
        ("port", {"device_id": LINE}),
        ("port", {"device_owner": "compute:\nx"}),
        ("port", {"mac_address": "fa:16:3e:00:00:01\n"}),
        ("port", {"allowed_address_pairs": [{"ip_address": "10.0.0.0/8\n"}]}),
        ("port", {"allowed_address_pairs": [{"ip_address": "224.0.0.1"}]}),
        ("subnet", {"cidr": "10.0.0.0/33", "ip_version": 4}),
        ("subnet", {"cidr": "999.0.0.0/8", "ip_version": 4}),
        ("subnet", {"cidr": "10.0.0.0/24\n", "ip_version": 4}),
        ("subnet", {"cidr": "fe80::%eth0/64", "ip_version": 6}),
        ("subnet", {"cidr": "10.61.0.0/24", "ip_version": 4, "dns_nameservers": ["9.9.9.9\nserver=6.6.6.6"]}),
        ("subnet", {"cidr": "10.61.0.0/24", "ip_version": 4, "host_routes": [{"destination": "x", "nexthop": "y"}]}),
    ],
)
def test_what_would_end_up_in_a_hosts_files_is_checked(api: Api, admin: Api, noun: str, wrong: dict[str, Any]) -> None:
    network = api.make("network")
    before = everything(admin)
    answer = api.client.post(f"/v2.0/{noun}s", {noun: {"network_id": network["id"], **wrong}})
    assert answer.status == 400, answer.body
    assert everything(admin) == before


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"protocol": "telepathy"}, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": "256"}, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": -1}, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": "tcp; flush ruleset"}, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": ["tcp"]}, "HTTPBadRequest"),
        ({"protocol": "tcp", "port_range_min": 9, "port_range_max": 5}, "SecurityGroupInvalidPortRange"),
        ({"protocol": "tcp", "port_range_min": 1, "port_range_max": 70000}, "SecurityGroupInvalidPortValue"),
        ({"protocol": "vrrp", "port_range_min": 1, "port_range_max": 2}, "SecurityGroupInvalidProtocolForPort"),
        ({"port_range_min": 1, "port_range_max": 2}, "SecurityGroupProtocolRequiredWithPorts"),
        ({"protocol": "icmp", "port_range_min": 256}, "SecurityGroupInvalidIcmpValue"),
        ({"protocol": "icmp", "port_range_max": 1}, "SecurityGroupMissingIcmpType"),
        ({"protocol": "icmpv6"}, "SecurityGroupEthertypeConflictWithProtocol"),
        ({"remote_ip_prefix": "10.0.0.0/33"}, "InvalidCIDR"),
        ({"remote_ip_prefix": "10.0.0.0/8\n"}, "InvalidCIDR"),
        ({"remote_ip_prefix": "fd00::/8"}, "SecurityGroupRuleParameterConflict"),
        ({"ethertype": "IPv5"}, "SecurityGroupRuleInvalidEtherType"),
        ({"direction": "sideways"}, "HTTPBadRequest"),
    ],
)
def test_rules_that_make_no_sense_are_refused(api: Api, wrong: dict[str, Any], kind: str) -> None:
    group = api.make("security_group", name="strict")
    body = {"security_group_rule": {"security_group_id": group["id"], "direction": "ingress", **wrong}}
    assert refusal(api.client.post("/v2.0/security-group-rules", body)) == (400, kind)
    assert api.show("security_group", group["id"]) == group


def test_protocols_and_prefixes_are_shown_as_the_original_shows_them(api: Api) -> None:
    group = api.make("security_group", name="shown")
    common = {"security_group_id": group["id"], "direction": "ingress"}
    rule = api.make("security_group_rule", **common, ethertype="IPv6", protocol="icmpv6")
    assert rule["protocol"] == "ipv6-icmp"
    rule = api.make("security_group_rule", **common, remote_ip_prefix="10.0.0.7/24", protocol="TCP")
    assert (rule["remote_ip_prefix"], rule["normalized_cidr"]) == ("10.0.0.7/24", "10.0.0.0/24")
    assert rule["protocol"] == "tcp"
    same = {**common, "remote_ip_prefix": "10.0.0.9/24", "protocol": "6"}
    answer = api.client.post("/v2.0/security-group-rules", {"security_group_rule": same})
    assert (
        refusal(answer) == (409, "SecurityGroupRuleExists") and rule["id"] in answer.json()["NeutronError"]["message"]
    )
    rule = api.make("security_group_rule", **common, remote_ip_prefix="10.0.0.7")
    assert rule["remote_ip_prefix"] == "10.0.0.7/32"


def test_nobody_puts_a_port_on_anothers_router(api: Api, admin: Api) -> None:
    stranger = api.as_("stranger")
    router = api.make("router", name="mine")
    theirs, their_subnet = stranger.network_with("10.63.0.0/24")
    port = stranger.make("port", network_id=theirs["id"])
    before = everything(admin)
    way = f"/v2.0/routers/{router['id']}/add_router_interface"
    assert refusal(stranger.client.put(way, {"subnet_id": their_subnet["id"]})) == (404, "RouterNotFound")
    assert refusal(stranger.client.put(way, {"port_id": port["id"]})) == (404, "RouterNotFound")
    assert refusal(api.client.put(way, {"port_id": port["id"]})) == (404, "PortNotFound")
    assert refusal(api.client.put(way, {"subnet_id": their_subnet["id"]})) == (404, "SubnetNotFound")
    for owner in ("network:router_interface", "network:router_gateway", "network:dhcp", "network:floatingip"):
        wanted = {"network_id": theirs["id"], "device_owner": owner, "device_id": router["id"]}
        assert refusal(stranger.client.post("/v2.0/ports", {"port": wanted})) == (403, "PolicyNotAuthorized")
        changed = {"port": {"device_owner": owner, "device_id": router["id"]}}
        assert refusal(stranger.client.put(f"/v2.0/ports/{port['id']}", changed)) == (403, "PolicyNotAuthorized")
    assert everything(admin) == before


def test_a_routers_port_is_the_routers(api: Api) -> None:
    _, subnet = api.network_with("10.64.0.0/24")
    router = api.make("router")
    port_id = api.act(f"routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})["port_id"]
    path = f"/v2.0/ports/{port_id}"
    before = api.show("port", port_id)
    for change in ({"device_owner": ""}, {"device_id": ""}, {"device_id": NOBODY}, {"device_owner": "compute:x"}):
        answer = api.client.put(path, {"port": change})
        assert answer.status in (403, 409), answer.body
    assert api.client.delete(path).status == 409
    assert api.show("port", port_id) == before
    assert refusal(api.client.delete(f"/v2.0/subnets/{subnet['id']}")) == (409, "SubnetInUse")
    assert refusal(api.client.delete(f"/v2.0/routers/{router['id']}")) == (409, "RouterInUse")


def test_groups_of_others_protect_nobody_else(api: Api) -> None:
    network, _ = api.network_with("10.65.0.0/24")
    theirs = api.as_("stranger").make("security_group", name="theirs")
    wanted = {"network_id": network["id"], "security_groups": [theirs["id"]]}
    assert refusal(api.client.post("/v2.0/ports", {"port": wanted})) == (404, "SecurityGroupNotFound")
    rule = {"security_group_id": theirs["id"], "direction": "ingress"}
    answer = api.client.post("/v2.0/security-group-rules", {"security_group_rule": rule})
    assert refusal(answer) == (403, "PolicyNotAuthorized")


@pytest.mark.parametrize("noun", ["network", "subnet", "port", "router", "security_group", "floatingip"])
@pytest.mark.parametrize("body", [None, [], "x", {}, {"other": {}}, {"NOUN": []}, {"NOUN": {"colour": "blue"}}])
def test_bodies_of_another_form_are_refused(api: Api, noun: str, body: Any) -> None:
    sent = {noun: body["NOUN"]} if isinstance(body, dict) and "NOUN" in body else body
    assert api.client.post(api.path(noun), sent).status == 400
    assert api.client.put(f"{api.path(noun)}/{NOBODY}", sent).status in (400, 404)


def test_a_project_is_not_given_away(api: Api) -> None:
    for noun, rest in (("network", {}), ("security_group", {"name": "x"}), ("router", {})):
        answer = api.client.post(api.path(noun), {noun: {**rest, "project_id": "theirs"}})
        assert refusal(answer)[0] in (400, 403)
        both = {noun: {**rest, "project_id": "ours", "tenant_id": "theirs"}}
        assert api.client.post(api.path(noun), both).status == 400


def test_an_update_without_attributes_changes_nothing_and_never_fails(admin: Api) -> None:
    network, subnet = admin.network_with("10.66.0.0/24")
    port = admin.make("port", network_id=network["id"])
    policy = admin.make("policy", name="empty")
    made = {
        "network": network,
        "subnet": subnet,
        "port": port,
        "router": admin.make("router"),
        "security_group": admin.make("security_group", name="empty"),
        "subnetpool": admin.make("subnetpool", name="empty", prefixes=["10.67.0.0/16"]),
        "address_scope": admin.make("address_scope", name="empty", ip_version=4),
        "address_group": admin.make("address_group", name="empty"),
        "trunk": admin.make("trunk", port_id=port["id"], sub_ports=[]),
        "policy": policy,
        "metering_label": None,
        "flavor": admin.make("flavor", name="empty", service_type="L3_ROUTER_NAT"),
        "service_profile": admin.make("service_profile", metainfo="{}"),
    }
    for noun, one in made.items():
        if one is not None:
            answer = admin.client.put(f"{admin.path(noun)}/{one['id']}", {noun: {}})
            assert answer.status == 200, (noun, answer.body)
            assert answer.json()[noun]["id"] == one["id"]
