"""RBAC policies, subnet pools and address scopes, quotas, tags."""

from __future__ import annotations

from typing import Any

from tests.network.support import CALLERS, Api, refusal


def share(api: Api, kind: str, identifier: str, target: str, action: str = "access_as_shared") -> dict[str, Any]:
    return api.make("rbac_policy", object_type=kind, object_id=identifier, action=action, target_tenant=target)


def friend_of(api: Api, number: int) -> tuple[Api, str]:
    """A member of a project whose id is a UUID, as RBAC policies want it."""
    project = f"{number:032x}"
    context = CALLERS["stranger"]
    return api.as_(f"friend-{number}", type(context)(user_id="f", project_id=project, roles=context.roles)), project


def test_a_network_shared_with_one_project_is_there_for_it_alone(api: Api) -> None:
    friend, project = friend_of(api, 1)
    network, subnet = api.network_with("10.51.0.0/24")
    policy = share(api, "network", network["id"], project)
    assert friend.show("network", network["id"])["shared"] is True
    assert api.show("network", network["id"])["shared"] is False
    assert api.as_("stranger").client.get(f"/v2.0/networks/{network['id']}").status == 404
    assert [one["id"] for one in friend.list("subnet", f"?network_id={network['id']}")] == [subnet["id"]]
    port = friend.make("port", network_id=network["id"])
    assert refusal(api.client.delete(f"/v2.0/rbac-policies/{policy['id']}")) == (409, "RbacPolicyInUse")
    friend.delete("port", port["id"])
    twice = {"object_type": "network", "object_id": network["id"], "action": "access_as_shared"}
    answer = api.client.post("/v2.0/rbac-policies", {"rbac_policy": {**twice, "target_tenant": project}})
    assert refusal(answer) == (409, "DuplicateRbacPolicy")
    api.delete("rbac_policy", policy["id"])
    assert friend.client.get(f"/v2.0/networks/{network['id']}").status == 404


def test_only_an_administrator_shares_with_everybody(api: Api, admin: Api) -> None:
    network = api.make("network")
    wanted = {"object_type": "network", "object_id": network["id"], "action": "access_as_shared", "target_tenant": "*"}
    assert refusal(api.client.post("/v2.0/rbac-policies", {"rbac_policy": wanted})) == (403, "PolicyNotAuthorized")
    policy = admin.make("rbac_policy", **wanted)
    assert api.as_("stranger").show("network", network["id"])["shared"] is True
    admin.delete("rbac_policy", policy["id"])
    assert api.show("network", network["id"])["shared"] is False


def test_policies_name_what_there_is(api: Api) -> None:
    network = api.make("network")
    wanted = {"object_type": "network", "object_id": network["id"], "action": "access_as_shared"}
    for wrong, refused in (
        ({"object_type": "toaster"}, (400, "InvalidInput")),
        ({"action": "burn"}, (400, "InvalidActionForType")),
        ({"target_tenant": "no project"}, (400, "InvalidInput")),
        ({"object_id": "00000000-0000-4000-8000-000000000000"}, (404, "RbacObjectNotFound")),
    ):
        body = {"rbac_policy": {**wanted, "target_tenant": f"{9:032x}", **wrong}}
        assert refusal(api.client.post("/v2.0/rbac-policies", body)) == refused


def test_subnets_are_cut_from_a_pool_until_it_is_used_up(api: Api) -> None:
    pool = api.make("subnetpool", name="small", prefixes=["10.52.0.0/25"], default_prefixlen=26)
    assert (pool["default_prefixlen"], pool["min_prefixlen"], pool["max_prefixlen"]) == ("26", "8", "32")
    networks = [api.make("network")["id"] for _ in range(3)]
    cut = [
        api.make("subnet", network_id=network, ip_version=4, subnetpool_id=pool["id"])["cidr"]
        for network in networks[:2]
    ]
    assert cut == ["10.52.0.0/26", "10.52.0.64/26"]
    more = {"subnet": {"network_id": networks[2], "ip_version": 4, "subnetpool_id": pool["id"]}}
    assert refusal(api.client.post("/v2.0/subnets", more)) == (409, "SubnetAllocationError")
    way = f"subnetpools/{pool['id']}"
    assert api.act(f"{way}/add_prefixes", {"prefixes": ["10.52.0.128/25"]})["prefixes"] == ["10.52.0.0/24"]
    assert api.client.post("/v2.0/subnets", more).json()["subnet"]["cidr"] == "10.52.0.128/26"
    other = {"subnet": {"network_id": networks[0], "ip_version": 4, "cidr": "10.53.0.0/24"}}
    assert refusal(api.client.post("/v2.0/subnets", other)) == (400, "NetworkSubnetPoolAffinityError")
    assert refusal(api.client.delete(f"/v2.0/{way}")) == (400, "SubnetPoolDeleteError")
    used = api.client.put(f"/v2.0/{way}/remove_prefixes", {"prefixes": ["10.52.0.0/26"]})
    assert refusal(used) == (409, "IllegalSubnetPoolPrefixRemoval")
    removed = api.act(f"{way}/remove_prefixes", {"prefixes": ["10.52.0.192/26"]})["prefixes"]
    assert removed == ["10.52.0.0/25", "10.52.0.128/26"]


def test_pools_of_a_scope_never_overlap(api: Api) -> None:
    scope = api.make("address_scope", name="campus", ip_version="4")  # as Ansible writes it
    assert scope["ip_version"] == 4
    pool = api.make("subnetpool", name="one", prefixes=["10.54.0.0/16"], address_scope_id=scope["id"])
    body = {"subnetpool": {"name": "two", "prefixes": ["10.54.9.0/24"], "address_scope_id": scope["id"]}}
    assert refusal(api.client.post("/v2.0/subnetpools", body)) == (409, "AddressScopePrefixConflict")
    network = api.make("network")
    api.make("subnet", network_id=network["id"], ip_version=4, subnetpool_id=pool["id"], prefixlen=24)
    assert api.show("network", network["id"])["ipv4_address_scope"] == scope["id"]
    assert refusal(api.client.delete(f"/v2.0/address-scopes/{scope['id']}"))[0] == 409


def test_quotas_are_shown_set_and_forgotten(api: Api, admin: Api) -> None:
    path = "/v2.0/quotas/tight"
    defaults = admin.client.get(f"{path}/default").json()["quota"]
    assert admin.client.get(path).json()["quota"] == defaults
    assert admin.client.put(path, {"quota": {"network": 1}}).json()["quota"]["network"] == 1
    admin.make("network", project_id="tight")
    body = {"network": {"project_id": "tight"}}
    assert refusal(admin.client.post("/v2.0/networks", body)) == (409, "OverQuota")
    details = admin.client.get(f"{path}/details").json()["quota"]["network"]
    assert details == {"limit": 1, "used": 1, "reserved": 0}
    assert refusal(admin.client.put(path, {"quota": {"network": 0}}))[0] == 400  # below what is used
    assert [one["project_id"] for one in admin.client.get("/v2.0/quotas").json()["quotas"]] == ["tight"]
    for wrong in ({"network": -2}, {"network": "many"}, {"toasters": 1}):
        assert admin.client.put(path, {"quota": wrong}).status == 400
    assert refusal(api.client.put(path, {"quota": {"network": 9}}))[0] == 403
    assert admin.client.delete(path).status == 204
    assert refusal(admin.client.delete(path)) == (404, "TenantQuotaNotFound")
    assert admin.client.get(path).json()["quota"] == defaults


def test_tags_of_every_noun_that_has_them(api: Api, admin: Api) -> None:
    network, subnet = api.network_with("10.55.0.0/24")
    tagged = {
        "networks": network,
        "subnets": subnet,
        "ports": api.make("port", network_id=network["id"]),
        "routers": api.make("router"),
        "security-groups": api.make("security_group", name="t"),
        "subnetpools": api.make("subnetpool", name="t", prefixes=["10.56.0.0/16"]),
        "qos/policies": admin.make("policy", name="t", project_id="ours"),
    }
    for path, one in tagged.items():
        caller = admin if path.startswith("qos") else api
        tags = f"/v2.0/{path}/{one['id']}/tags"
        assert caller.client.put(tags, {"tags": ["b", "a", "a"]}).json() == {"tags": ["a", "b"]}
        assert caller.client.put(f"{tags}/c").status == 201
        assert caller.client.get(f"{tags}/c").status == 204
        assert caller.client.get(tags).json() == {"tags": ["a", "b", "c"]}
        assert caller.client.delete(f"{tags}/c").status == 204
        assert refusal(caller.client.delete(f"{tags}/c")) == (404, "TagNotFound")
        assert caller.client.get(f"{tags}/c").status == 404
        assert refusal(caller.client.put(tags, {"tags": ["x" * 256]})) == (400, "InvalidInput")
        assert refusal(caller.client.put(tags, {"labels": []})) == (400, "InvalidInput")
        assert caller.client.delete(tags).status == 204
        assert caller.client.get(tags).json() == {"tags": []}
