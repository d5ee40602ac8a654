"""Security groups, their rules, address groups and the rules new groups begin with."""

from __future__ import annotations

from tests.network.support import Api, refusal


def test_a_new_group_lets_everything_out_and_nothing_in(api: Api) -> None:
    group = api.make("security_group", name="web", description="shop")
    rules = {(rule["direction"], rule["ethertype"]) for rule in group["security_group_rules"]}
    assert rules == {("egress", "IPv4"), ("egress", "IPv6")} and group["stateful"] is True
    assert api.show("security_group", group["id"]) == group
    assert refusal(api.client.post("/v2.0/security-groups", {"security_group": {"name": "default"}})) == (
        409,
        "SecurityGroupDefaultAlreadyExists",
    )


def test_a_project_begins_with_a_default_group_that_its_ports_are_in(api: Api) -> None:
    (default,) = (one for one in api.list("security_group") if one["name"] == "default")
    inward = [rule for rule in default["security_group_rules"] if rule["direction"] == "ingress"]
    assert {rule["remote_group_id"] for rule in inward} == {default["id"]}
    network = api.make("network")
    port = api.make("port", network_id=network["id"])
    assert port["security_groups"] == [default["id"]]
    assert refusal(api.client.delete(f"/v2.0/security-groups/{default['id']}")) == (
        409,
        "SecurityGroupCannotRemoveDefault",
    )
    api.delete("port", port["id"])


def test_a_group_in_use_stays_and_its_rules_go_with_it(api: Api) -> None:
    group, friend = api.make("security_group", name="a"), api.make("security_group", name="b")
    common = {"security_group_id": friend["id"], "direction": "ingress"}
    rule = api.make("security_group_rule", **common, remote_group_id=group["id"])
    network = api.make("network")
    port = api.make("port", network_id=network["id"], security_groups=[group["id"]])
    path = f"/v2.0/security-groups/{group['id']}"
    assert refusal(api.client.delete(path)) == (409, "SecurityGroupInUse")
    api.change("port", port["id"], security_groups=[])
    assert api.client.delete(path).status == 204
    assert api.client.get(f"/v2.0/security-group-rules/{rule['id']}").status == 404


def test_rules_come_and_go(api: Api) -> None:
    group = api.make("security_group", name="rules")
    common = {"security_group_id": group["id"], "direction": "ingress"}
    made = [
        api.make("security_group_rule", **common, protocol="icmp"),
        api.make("security_group_rule", **common, protocol="tcp", port_range_min=22, port_range_max=22),
        api.make("security_group_rule", **common, protocol="17", remote_ip_prefix="10.0.0.0/8"),
        api.make("security_group_rule", **common, ethertype="IPv6", protocol="any"),
    ]
    listed = api.list("security_group_rule", f"?security_group_id={group['id']}&direction=ingress")
    assert sorted(one["id"] for one in listed) == sorted(one["id"] for one in made)
    assert made[3]["protocol"] is None
    for rule in made:
        api.delete("security_group_rule", rule["id"])
    assert len(api.show("security_group", group["id"])["security_group_rules"]) == 2
    several = [{**common, "protocol": "tcp", "port_range_min": n, "port_range_max": n} for n in (80, 443)]
    answer = api.client.post("/v2.0/security-group-rules", {"security_group_rules": several})
    assert answer.status == 201 and len(answer.json()["security_group_rules"]) == 2
    again = api.client.post("/v2.0/security-group-rules", {"security_group_rules": [{**common}, several[0]]})
    assert refusal(again) == (409, "SecurityGroupRuleExists")
    assert len(api.show("security_group", group["id"])["security_group_rules"]) == 4


def test_rules_name_address_groups(api: Api) -> None:
    addresses = api.make("address_group", name="office", addresses=["192.0.2.0/24"])
    group = api.make("security_group", name="office")
    common = {"security_group_id": group["id"], "direction": "ingress"}
    rule = api.make("security_group_rule", **common, remote_address_group_id=addresses["id"])
    path = f"address-groups/{addresses['id']}"
    more = {"address_group": {"addresses": ["198.51.100.7/32"]}}
    assert len(api.act(f"{path}/add_addresses", more)["address_group"]["addresses"]) == 2
    assert refusal(api.client.put(f"/v2.0/{path}/add_addresses", more)) == (400, "AddressesAlreadyExist")
    assert len(api.act(f"{path}/remove_addresses", more)["address_group"]["addresses"]) == 1
    assert refusal(api.client.put(f"/v2.0/{path}/remove_addresses", more)) == (404, "AddressesNotFound")
    assert refusal(api.client.delete(f"/v2.0/{path}")) == (409, "AddressGroupInUse")
    api.delete("security_group_rule", rule["id"])
    api.delete("address_group", addresses["id"])


def test_default_rules_are_what_new_groups_begin_with(api: Api, admin: Api) -> None:
    wanted = {"direction": "ingress", "protocol": "tcp", "port_range_min": 7, "port_range_max": 7}
    rule = admin.make("default_security_group_rule", **wanted, used_in_non_default_sg=True)
    group = api.make("security_group", name="begun")
    assert [one["port_range_min"] for one in group["security_group_rules"] if one["direction"] == "ingress"] == [7]
    answer = api.client.post("/v2.0/default-security-group-rules", {"default_security_group_rule": wanted})
    assert refusal(answer) == (403, "PolicyNotAuthorized")
    admin.delete("default_security_group_rule", rule["id"])
    assert len(api.make("security_group", name="bare")["security_group_rules"]) == 2


def test_a_group_shared_with_a_project_protects_its_ports(api: Api) -> None:
    stranger = api.as_("stranger")
    group = api.make("security_group", name="lent")
    admin = api.as_("admin")
    shared = {"object_type": "security_group", "object_id": group["id"], "action": "access_as_shared"}
    policy = admin.make("rbac_policy", **shared, target_tenant="*")
    network = stranger.make("network")
    port = stranger.make("port", network_id=network["id"], security_groups=[group["id"]])
    assert stranger.show("security_group", group["id"])["shared"] is True
    assert refusal(admin.client.delete(f"/v2.0/rbac-policies/{policy['id']}")) == (409, "RbacPolicyInUse")
    stranger.delete("port", port["id"])
    admin.delete("rbac_policy", policy["id"])
    assert stranger.client.get(f"/v2.0/security-groups/{group['id']}").status == 404
