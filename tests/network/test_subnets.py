"""Subnets: prefixes, pools, gateways, address modes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.network.support import Api, refusal


def post(api: Api, network_id: str, **attributes: Any) -> tuple[int, str]:
    body = {"network_id": network_id, "ip_version": 4, "cidr": "10.9.0.0/24", **attributes}
    return refusal(api.client.post("/v2.0/subnets", {"subnet": body}))


def test_a_subnet_has_a_gateway_and_a_pool_of_the_rest(api: Api) -> None:
    network, subnet = api.network_with("192.0.2.0/24")
    assert subnet["gateway_ip"] == "192.0.2.1" and subnet["enable_dhcp"] is True
    assert subnet["allocation_pools"] == [{"start": "192.0.2.2", "end": "192.0.2.254"}]
    assert api.show("network", network["id"])["subnets"] == [subnet["id"]]
    _, middle = api.network_with("192.0.2.0/29", gateway_ip="192.0.2.3")
    assert middle["allocation_pools"] == [
        {"start": "192.0.2.1", "end": "192.0.2.2"},
        {"start": "192.0.2.4", "end": "192.0.2.6"},
    ]
    _, none = api.network_with("192.0.2.0/29", gateway_ip=None)
    assert none["gateway_ip"] is None and none["allocation_pools"] == [{"start": "192.0.2.1", "end": "192.0.2.6"}]


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"cidr": "10.9.0.0/33"}, "InvalidInput"),
        ({"cidr": "10.9.0/24\n"}, "InvalidInput"),
        ({"cidr": "10.9.0.0"}, "InvalidInput"),  # a network of one has no room for DHCP
        ({"cidr": "0.0.0.0/0"}, "InvalidInput"),
        ({"cidr": None}, "BadRequest"),
        ({"cidr": "2001:db8::/64"}, "InvalidInput"),
        ({"cidr": "224.0.0.0/24"}, "InvalidInput"),
        ({"cidr": "127.0.0.0/24"}, "InvalidInput"),
        ({"cidr": "10.9.0.0/31"}, "InvalidInput"),
        ({"ip_version": 5}, "HTTPBadRequest"),
        ({"gateway_ip": "10.9.0.255"}, "InvalidInput"),
        ({"gateway_ip": "2001:db8::1"}, "InvalidInput"),
        ({"gateway_ip": "10.9.0.1\n"}, "HTTPBadRequest"),
        ({"allocation_pools": [{"start": "10.9.0.9", "end": "10.9.0.5"}]}, "InvalidAllocationPool"),
        ({"allocation_pools": [{"start": "10.9.0.9", "end": "10.10.0.5"}]}, "OutOfBoundsAllocationPool"),
        ({"allocation_pools": [{"start": "10.9.0.9"}]}, "HTTPBadRequest"),
        ({"dns_nameservers": ["1.1.1.1\nserver=6.6.6.6"]}, "HTTPBadRequest"),
        ({"dns_nameservers": ["1.1.1.1"] * 2}, "HTTPBadRequest"),
        ({"dns_nameservers": [f"1.1.1.{n}" for n in range(6)]}, "DNSNameServersExhausted"),
        ({"host_routes": [{"destination": "10.1.0.0/16", "nexthop": "nowhere"}]}, "HTTPBadRequest"),
        ({"host_routes": [{"destination": "2001:db8::/32", "nexthop": "10.9.0.1"}]}, "InvalidInput"),
        ({"ipv6_ra_mode": "slaac"}, "InvalidInput"),
        ({"prefixlen": 24}, "InvalidInput"),
        ({"colour": "blue"}, "HTTPBadRequest"),
    ],
)
def test_what_makes_no_subnet_is_refused(api: Api, wrong: dict[str, Any], kind: str) -> None:
    network = api.make("network")
    assert post(api, network["id"], **wrong) == (400, kind)
    assert api.list("subnet", f"?network_id={network['id']}") == []


def test_pools_neither_overlap_nor_hold_the_gateway(api: Api) -> None:
    network = api.make("network")
    overlapping = [{"start": "10.9.0.5", "end": "10.9.0.9"}, {"start": "10.9.0.9", "end": "10.9.0.12"}]
    assert post(api, network["id"], allocation_pools=overlapping) == (409, "OverlappingAllocationPools")
    around = [{"start": "10.9.0.1", "end": "10.9.0.9"}]
    assert post(api, network["id"], allocation_pools=around) == (409, "GatewayConflictWithAllocationPools")


def test_subnets_of_a_network_never_overlap(api: Api) -> None:
    network, _ = api.network_with("10.20.0.0/16")
    assert post(api, network["id"], cidr="10.20.7.0/24") == (400, "InvalidInput")
    assert post(api, network["id"], cidr="10.16.0.0/12") == (400, "InvalidInput")
    api.make("subnet", network_id=network["id"], ip_version=4, cidr="10.21.0.0/24")


@pytest.mark.parametrize(
    ("modes", "allowed"),
    [
        ({"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}, True),
        ({"ipv6_address_mode": "dhcpv6-stateful"}, True),
        ({"ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful"}, False),
        ({"ipv6_ra_mode": "slaac", "enable_dhcp": False}, False),
        ({"ipv6_ra_mode": "slaac", "cidr": "2001:db8:1::/80"}, False),
        ({"ipv6_ra_mode": "nonsense"}, False),
    ],
)
def test_address_modes_fit_together(api: Api, modes: dict[str, Any], allowed: bool) -> None:
    network = api.make("network")
    body = {"network_id": network["id"], "ip_version": 6, "cidr": "2001:db8:1::/64", **modes}
    assert api.client.post("/v2.0/subnets", {"subnet": body}).status == (201 if allowed else 400)


def test_guests_that_are_there_take_up_a_new_automatic_prefix(api: Api) -> None:
    network, _ = api.network_with("10.22.0.0/24")
    port = api.make("port", network_id=network["id"], mac_address="fa:16:3e:11:22:33")
    subnet = api.make(
        "subnet",
        network_id=network["id"],
        ip_version=6,
        cidr="2001:db8:2::/64",
        ipv6_ra_mode="slaac",
        ipv6_address_mode="slaac",
    )
    fixed = api.show("port", port["id"])["fixed_ips"]
    assert {"subnet_id": subnet["id"], "ip_address": "2001:db8:2:0:f816:3eff:fe11:2233"} in fixed
    api.delete("subnet", subnet["id"])
    assert len(api.show("port", port["id"])["fixed_ips"]) == 1


def test_a_subnet_whose_addresses_are_used_stays(api: Api) -> None:
    network, subnet = api.network_with()
    port = api.make("port", network_id=network["id"])
    assert refusal(api.client.delete(f"/v2.0/subnets/{subnet['id']}")) == (409, "SubnetInUse")
    api.delete("port", port["id"])
    api.delete("subnet", subnet["id"])
    assert api.show("network", network["id"])["subnets"] == []


def test_what_may_change_of_a_subnet(api: Api) -> None:
    _, subnet = api.network_with("10.23.0.0/24")
    changed = api.change(
        "subnet",
        subnet["id"],
        name="new",
        enable_dhcp=False,
        dns_nameservers=["9.9.9.9"],
        host_routes=[{"destination": "10.99.0.0/16", "nexthop": "10.23.0.9"}],
        allocation_pools=[{"start": "10.23.0.10", "end": "10.23.0.20"}],
        gateway_ip="10.23.0.2",
    )
    assert changed["gateway_ip"] == "10.23.0.2" and changed["dns_nameservers"] == ["9.9.9.9"]
    for fixed in ("cidr", "ip_version", "network_id", "ipv6_ra_mode"):
        answer = api.client.put(f"/v2.0/subnets/{subnet['id']}", {"subnet": {fixed: subnet[fixed] or "slaac"}})
        assert answer.status == 400


def test_the_gateway_of_a_router_stays(api: Api) -> None:
    _, subnet = api.network_with("10.24.0.0/24")
    router = api.make("router", name="r")
    api.act(f"routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})
    answer = api.client.put(f"/v2.0/subnets/{subnet['id']}", {"subnet": {"gateway_ip": "10.24.0.9"}})
    assert refusal(answer) == (409, "GatewayIpInUse")


def test_subnets_on_anothers_network_are_not_for_making(api: Api) -> None:
    network = api.make("network")
    assert post(api.as_("stranger"), network["id"]) == (404, "NetworkNotFound")
    shared = api.as_("admin").make("network", shared=True)
    assert post(api, shared["id"]) == (403, "PolicyNotAuthorized")


def test_a_subnet_may_serve_some_owners_only(api: Api, admin: Api) -> None:
    network = api.make("network")
    common = {"network_id": network["id"], "ip_version": 4}
    routers = admin.make(
        "subnet", **common, cidr="10.25.0.0/24", service_types=["network:router_gateway"], project_id="ours"
    )
    plain = api.make("subnet", **common, cidr="10.25.1.0/24")
    port = api.make("port", network_id=network["id"])
    assert [entry["subnet_id"] for entry in port["fixed_ips"]] == [plain["id"]]
    gateway = admin.make("port", network_id=network["id"], device_owner="network:router_gateway")
    assert routers["id"] in [entry["subnet_id"] for entry in gateway["fixed_ips"]]
