"""Routers, their interfaces, gateways and routes; floating IPs and port forwardings."""

from __future__ import annotations

from typing import Any

import pytest

from tests.network.support import Api, refusal

Routed = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]


@pytest.fixture
def public(api: Api) -> dict[str, Any]:
    return api.external()


@pytest.fixture
def routed(api: Api, public: dict[str, Any]) -> Routed:
    """A router with a way outside, and a network and subnet behind it."""
    network, subnet = api.network_with("10.41.0.0/24")
    router = api.make("router", name="edge", external_gateway_info={"network_id": public["id"]})
    api.act(f"routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})
    return router, network, subnet


def test_an_interface_has_the_subnets_gateway_address(api: Api) -> None:
    network, subnet = api.network_with("10.42.0.0/24")
    router = api.make("router")
    way = f"routers/{router['id']}"
    shown = api.act(f"{way}/add_router_interface", {"subnet_id": subnet["id"]})
    assert shown["id"] == router["id"] and shown["subnet_ids"] == [subnet["id"]]
    port = api.show("port", shown["port_id"])
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.42.0.1"}]
    assert (port["device_owner"], port["device_id"]) == ("network:router_interface", router["id"])
    again = api.client.put(f"/v2.0/{way}/add_router_interface", {"subnet_id": subnet["id"]})
    assert refusal(again) == (400, "BadRequest")
    api.act(f"{way}/remove_router_interface", {"subnet_id": subnet["id"]})
    assert api.list("port", f"?network_id={network['id']}") == []
    gone = api.client.put(f"/v2.0/{way}/remove_router_interface", {"subnet_id": subnet["id"]})
    assert refusal(gone) == (404, "RouterInterfaceNotFoundForSubnet")
    port = api.make("port", network_id=network["id"])
    assert api.act(f"{way}/add_router_interface", {"port_id": port["id"]})["port_id"] == port["id"]
    api.act(f"{way}/remove_router_interface", {"port_id": port["id"]})
    assert api.client.get(f"/v2.0/ports/{port['id']}").status == 404
    api.delete("router", router["id"])


@pytest.mark.parametrize("body", [{}, {"subnet_id": "x", "port_id": "x"}, {"subnet_id": "x"}, {"port_id": 7}])
def test_an_interface_is_one_subnet_or_one_port(api: Api, body: dict[str, Any]) -> None:
    router = api.make("router")
    assert api.client.put(f"/v2.0/routers/{router['id']}/add_router_interface", body).status in (400, 404)


def test_subnets_behind_a_router_do_not_overlap(api: Api, routed: Routed) -> None:
    router, _, _ = routed
    _, other = api.network_with("10.41.0.128/25")
    answer = api.client.put(f"/v2.0/routers/{router['id']}/add_router_interface", {"subnet_id": other["id"]})
    assert refusal(answer) == (400, "BadRequest")


def test_a_gateway_comes_goes_and_keeps_what_is_not_said_at_its_default(
    api: Api, admin: Api, public: dict[str, Any]
) -> None:
    router = api.make("router")
    assert router["external_gateway_info"] is None
    for info in ({"network_id": public["id"], "enable_snat": False}, {"network_id": public["id"]}):
        admin.change("router", router["id"], external_gateway_info=info)
        shown = api.show("router", router["id"])["external_gateway_info"]
        assert shown["enable_snat"] is info.get("enable_snat", True) and len(shown["external_fixed_ips"]) == 1
    assert api.list("port", f"?device_id={router['id']}") == []  # the gateway's port is the cloud's
    assert len(admin.list("port", f"?device_id={router['id']}")) == 1
    refused = admin.client.delete(f"/v2.0/networks/{public['id']}")
    assert refusal(refused) == (409, "NetworkInUse")
    assert api.change("router", router["id"], external_gateway_info={})["external_gateway_info"] is None
    assert admin.list("port", f"?device_id={router['id']}") == []
    network = api.make("network")
    inside = {"router": {"external_gateway_info": {"network_id": network["id"]}}}
    assert refusal(api.client.put(f"/v2.0/routers/{router['id']}", inside)) == (400, "BadRequest")


def test_routes_lead_to_neighbours_only(api: Api, routed: Routed) -> None:
    router, _, subnet = routed
    near = {"destination": "198.51.100.0/24", "nexthop": "10.41.0.9"}
    more = {"destination": "192.0.2.0/24", "nexthop": "10.41.0.9"}
    far = {"destination": "192.0.2.0/24", "nexthop": "10.99.0.9"}
    assert api.change("router", router["id"], routes=[near])["routes"] == [near]
    way = f"routers/{router['id']}"
    for _ in range(2):  # adding what is there changes nothing
        after = api.act(f"{way}/add_extraroutes", {"router": {"routes": [more]}})["router"]["routes"]
        assert sorted(route["destination"] for route in after) == ["192.0.2.0/24", "198.51.100.0/24"]
    assert refusal(api.client.put(f"/v2.0/{way}", {"router": {"routes": [far]}})) == (400, "InvalidRoutes")
    assert api.act(f"{way}/remove_extraroutes", {"router": {"routes": [more, far]}})["router"]["routes"] == [near]
    removal = api.client.put(f"/v2.0/{way}/remove_router_interface", {"subnet_id": subnet["id"]})
    assert refusal(removal) == (409, "RouterInterfaceInUseByRoute")
    for wrong in ([{"destination": "x", "nexthop": "10.41.0.9"}], [{"destination": "192.0.2.0/24"}], "x", [near, near]):
        assert api.client.put(f"/v2.0/{way}", {"router": {"routes": wrong}}).status == 400


def test_a_floating_ip_leads_to_a_port_behind_a_router(api: Api, routed: Routed, public: dict[str, Any]) -> None:
    router, network, subnet = routed
    port = api.make("port", network_id=network["id"])
    floating = api.make("floatingip", floating_network_id=public["id"])
    assert (floating["status"], floating["port_id"], floating["router_id"]) == ("DOWN", None, None)
    led = api.change("floatingip", floating["id"], port_id=port["id"])
    assert led["router_id"] == router["id"] and led["fixed_ip_address"] == port["fixed_ips"][0]["ip_address"]
    assert led["port_details"]["mac_address"] == port["mac_address"]
    second = api.make("floatingip", floating_network_id=public["id"])
    taken = api.client.put(f"/v2.0/floatingips/{second['id']}", {"floatingip": {"port_id": port["id"]}})
    assert refusal(taken) == (409, "FloatingIPPortAlreadyAssociated")
    detach = f"/v2.0/routers/{router['id']}/remove_router_interface"
    assert refusal(api.client.put(detach, {"subnet_id": subnet["id"]})) == (409, "RouterInterfaceInUseByFloatingIP")
    closing = api.client.put(f"/v2.0/routers/{router['id']}", {"router": {"external_gateway_info": None}})
    assert refusal(closing) == (409, "RouterExternalGatewayInUseByFloatingIp")
    api.delete("port", port["id"])
    after = api.show("floatingip", floating["id"])
    assert (after["port_id"], after["router_id"], after["fixed_ip_address"]) == (None, None, None)
    for one in (floating, second):
        api.delete("floatingip", one["id"])


def test_a_floating_ip_needs_a_way(api: Api, public: dict[str, Any]) -> None:
    network, _ = api.network_with("10.43.0.0/24")
    port = api.make("port", network_id=network["id"])
    wanted = {"floatingip": {"floating_network_id": public["id"], "port_id": port["id"]}}
    assert refusal(api.client.post("/v2.0/floatingips", wanted)) == (404, "ExternalGatewayForFloatingIPNotFound")
    inside = {"floatingip": {"floating_network_id": network["id"]}}
    assert refusal(api.client.post("/v2.0/floatingips", inside)) == (400, "BadRequest")
    assert api.list("floatingip", f"?floating_network_id={public['id']}") == []


def test_an_address_of_ones_choice_is_an_administrators(api: Api, admin: Api, public: dict[str, Any]) -> None:
    wanted = {"floating_network_id": public["id"], "floating_ip_address": "172.24.4.99"}
    assert refusal(api.client.post("/v2.0/floatingips", {"floatingip": wanted})) == (403, "PolicyNotAuthorized")
    assert admin.make("floatingip", **wanted)["floating_ip_address"] == "172.24.4.99"
    assert refusal(admin.client.post("/v2.0/floatingips", {"floatingip": wanted})) == (409, "IpAddressAlreadyAllocated")


def test_one_address_serves_many_ports_by_forwardings(api: Api, routed: Routed, public: dict[str, Any]) -> None:
    _, network, _ = routed
    port = api.make("port", network_id=network["id"])
    floating = api.make("floatingip", floating_network_id=public["id"])
    below = f"/v2.0/floatingips/{floating['id']}/port_forwardings"
    wanted = {
        "protocol": "tcp",
        "external_port": 2222,
        "internal_port": 22,
        "internal_port_id": port["id"],
        "internal_ip_address": port["fixed_ips"][0]["ip_address"],
    }
    made = api.make("port_forwarding", below, **wanted)
    assert {key: made[key] for key in wanted} == wanted
    twice = api.client.post(below, {"port_forwarding": wanted})
    assert twice.status in (400, 409)
    assert [one["id"] for one in api.client.get(below).json()["port_forwardings"]] == [made["id"]]
    lead = api.client.put(f"/v2.0/floatingips/{floating['id']}", {"floatingip": {"port_id": port["id"]}})
    assert lead.status == 409
    changed = api.client.put(f"{below}/{made['id']}", {"port_forwarding": {"external_port": 2223}})
    assert changed.json()["port_forwarding"]["external_port"] == 2223
    for wrong in ({"external_port": 0}, {"protocol": "icmp"}, {"internal_ip_address": "10.0.0.1"}):
        assert api.client.post(below, {"port_forwarding": {**wanted, "external_port": 99, **wrong}}).status == 400
    assert api.client.delete(f"{below}/{made['id']}").status == 204
    assert api.client.get(f"{below}/{made['id']}").status == 404
