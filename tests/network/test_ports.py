"""Ports: addresses, MACs, security groups, who may set what."""

from __future__ import annotations

from typing import Any

import pytest

from tests.network.support import Api, refusal


def post(api: Api, network_id: str, **attributes: Any) -> tuple[int, str]:
    return refusal(api.client.post("/v2.0/ports", {"port": {"network_id": network_id, **attributes}}))


def test_a_port_has_a_mac_addresses_and_the_default_group(api: Api) -> None:
    network, subnet = api.network_with()
    port = api.make("port", network_id=network["id"], name="p", dns_name="web")
    assert port["mac_address"].startswith("fa:16:3e:") and port["status"] == "DOWN"
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.0.0.2"}]
    (default,) = list(api.list("security_group", "?name=default"))
    assert port["security_groups"] == [default["id"]]
    assert port["dns_assignment"] == [{"hostname": "web", "ip_address": "10.0.0.2", "fqdn": "web.openstacklocal."}]
    assert not [key for key in port if key.startswith("binding:") and key != "binding:vnic_type"]
    assert api.show("port", port["id"]) == port


def test_a_network_without_subnets_gives_ports_without_addresses(api: Api) -> None:
    network = api.make("network")
    assert api.make("port", network_id=network["id"])["fixed_ips"] == []


def test_addresses_may_be_asked_for_by_the_networks_owner(api: Api, admin: Api) -> None:
    network, subnet = api.network_with("10.1.0.0/24")
    _, elsewhere = api.network_with("10.1.1.0/24")
    wish = {"subnet_id": subnet["id"], "ip_address": "10.1.0.77"}
    assert api.make("port", network_id=network["id"], fixed_ips=[wish])["fixed_ips"] == [wish]
    assert post(api, network["id"], fixed_ips=[wish]) == (409, "IpAddressAlreadyAllocated")
    for wrong, kind in (
        ({"ip_address": "10.2.0.1"}, "InvalidIpForNetwork"),
        ({"subnet_id": subnet["id"], "ip_address": "10.1.0.255"}, "InvalidIpForSubnet"),
        ({"subnet_id": elsewhere["id"]}, "InvalidInput"),
        ({"ip_address": "10.1.0.7\n"}, "HTTPBadRequest"),
        ({"address": "10.1.0.7"}, "HTTPBadRequest"),
    ):
        assert post(api, network["id"], fixed_ips=[wrong]) == (400, kind)
    assert post(api, network["id"], fixed_ips=[{"subnet_id": network["id"]}]) == (404, "SubnetNotFound")
    shared = admin.make("network", shared=True)
    admin.make("subnet", network_id=shared["id"], ip_version=4, cidr="10.3.0.0/24")
    assert post(api, shared["id"], fixed_ips=[{"ip_address": "10.3.0.9"}]) == (403, "PolicyNotAuthorized")
    assert api.make("port", network_id=shared["id"])["fixed_ips"][0]["ip_address"] == "10.3.0.2"


def test_a_pool_is_given_to_the_last_address_and_no_further(api: Api) -> None:
    network, _ = api.network_with("10.4.0.0/29")
    addresses = [api.make("port", network_id=network["id"])["fixed_ips"][0]["ip_address"] for _ in range(5)]
    assert sorted(addresses) == [f"10.4.0.{n}" for n in range(2, 7)]
    before = len(api.list("port", f"?network_id={network['id']}"))
    assert post(api, network["id"]) == (409, "IpAddressGenerationFailure")
    assert len(api.list("port", f"?network_id={network['id']}")) == before


def test_an_address_that_was_given_back_is_given_again(api: Api) -> None:
    network, _ = api.network_with("10.5.0.0/30")
    port = api.make("port", network_id=network["id"])
    assert post(api, network["id"])[0] == 409
    api.delete("port", port["id"])
    assert api.make("port", network_id=network["id"])["fixed_ips"] == port["fixed_ips"]


def test_macs_are_each_networks_own(api: Api) -> None:
    network, other = api.make("network"), api.make("network")
    mac = "fa:16:3e:00:11:22"
    port = api.make("port", network_id=network["id"], mac_address=mac)
    assert post(api, network["id"], mac_address=mac.upper()) == (409, "MacAddressInUse")
    api.make("port", network_id=other["id"], mac_address=mac)
    for wrong in ("ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "01:00:5e:00:00:01", "fa:16", f"{mac}\n", 7):
        assert post(api, network["id"], mac_address=wrong) == (400, "HTTPBadRequest")
    manager = api.as_("manager")
    assert manager.change("port", port["id"], mac_address=None)["mac_address"] != mac
    answer = api.client.put(f"/v2.0/ports/{port['id']}", {"port": {"mac_address": mac}})
    assert refusal(answer) == (403, "PolicyNotAuthorized")


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"extra_dhcp_opts": [{"opt_name": "domain-name", "opt_value": "x\ndhcp-script=/bin/sh"}]}, 400),
        ({"extra_dhcp_opts": [{"opt_name": "a,b", "opt_value": "x"}]}, 400),
        ({"extra_dhcp_opts": [{"opt_name": " ", "opt_value": "x"}]}, 400),
        ({"extra_dhcp_opts": [{"opt_name": "mtu", "opt_value": "1", "ip_version": 5}]}, 400),
        ({"device_id": "x\ny"}, 400),
        ({"dns_name": "a\nb"}, 400),
        ({"allowed_address_pairs": [{"ip_address": "239.1.1.1"}]}, 400),
        ({"allowed_address_pairs": [{"ip_address": "10.0.0.0/40"}]}, 400),
        ({"allowed_address_pairs": [{"ip_address": f"10.0.0.{n}"} for n in range(11)]}, 400),
        ({"allowed_address_pairs": [{"ip_address": "10.0.0.1"}] * 2}, 400),
        ({"security_groups": ["nonsense"]}, 400),
        ({"security_groups": ["00000000-0000-0000-0000-000000000000"]}, 404),
        ({"qos_policy_id": "00000000-0000-0000-0000-000000000000"}, 404),
        ({"binding:host_id": "somewhere"}, 403),
        ({"binding:profile": {"pci": 1}}, 403),
        ({"device_owner": "network:dhcp"}, 403),
        ({"device_owner": "network:router_interface"}, 403),
        ({"port_security_enabled": False, "security_groups": ["00000000-0000-0000-0000-000000000000"]}, 400),
    ],
)
def test_what_a_member_may_not_do_to_a_port(api: Api, wrong: dict[str, Any], status: int) -> None:
    network = api.make("network")
    assert post(api, network["id"], **wrong)[0] == status
    port = api.make("port", network_id=network["id"])
    assert api.client.put(f"/v2.0/ports/{port['id']}", {"port": wrong}).status == status
    assert api.show("port", port["id"]) == port


def test_a_service_port_stays_the_services(api: Api) -> None:
    """Who calls his own port a router's, or a router's port his own, would be trusted or get the router's traffic."""
    _, subnet = api.network_with("10.6.0.0/24")
    router = api.make("router")
    port_id = api.act(f"routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})["port_id"]
    for change in ({"device_owner": "compute:x"}, {"device_id": "another"}):
        answer = api.client.put(f"/v2.0/ports/{port_id}", {"port": change})
        assert refusal(answer) == (409, "ServicePortInUse")
    assert refusal(api.client.delete(f"/v2.0/ports/{port_id}")) == (409, "ServicePortInUse")


def test_port_security_and_groups_go_together(api: Api) -> None:
    network, _ = api.network_with("10.7.0.0/24")
    port = api.make("port", network_id=network["id"])
    path = f"/v2.0/ports/{port['id']}"
    off = {"port": {"port_security_enabled": False}}
    assert refusal(api.client.put(path, off)) == (409, "PortSecurityPortHasSecurityGroup")
    open_port = api.change("port", port["id"], port_security_enabled=False, security_groups=[])
    assert open_port["security_groups"] == [] and open_port["port_security_enabled"] is False
    pairs = {"port": {"allowed_address_pairs": [{"ip_address": "10.7.0.200"}]}}
    assert refusal(api.client.put(path, pairs)) == (409, "AddressPairAndPortSecurityRequired")


def test_addresses_of_a_port_change_one_by_one(api: Api) -> None:
    network, first = api.network_with("10.8.0.0/24")
    second = api.make("subnet", network_id=network["id"], ip_version=4, cidr="10.8.1.0/24")
    port = api.make("port", network_id=network["id"])
    both = api.change("port", port["id"], fixed_ips=[{"subnet_id": first["id"]}, {"subnet_id": second["id"]}])
    assert both["fixed_ips"][0] == port["fixed_ips"][0] and both["fixed_ips"][1]["subnet_id"] == second["id"]
    one = api.change("port", port["id"], fixed_ips=[{"ip_address": both["fixed_ips"][1]["ip_address"]}])
    assert one["fixed_ips"] == both["fixed_ips"][1:]
    # The address that was given up is free again.
    wish = {"ip_address": port["fixed_ips"][0]["ip_address"]}
    api.make("port", network_id=network["id"], fixed_ips=[wish])


def test_a_port_may_have_several_addresses_of_one_subnet(api: Api) -> None:
    subnet = api.make("subnet", network_id=api.make("network")["id"], ip_version=4, cidr="10.0.0.0/24")
    here = {"subnet_id": subnet["id"]}
    port = api.make("port", network_id=subnet["network_id"], fixed_ips=[here, here])
    first, second = (entry["ip_address"] for entry in port["fixed_ips"])
    assert first != second
    chosen = {**here, "ip_address": "10.0.0.99"}
    changed = api.change("port", port["id"], fixed_ips=[here, here, chosen])["fixed_ips"]
    assert {entry["ip_address"] for entry in changed} == {first, second, "10.0.0.99"}
    fewer = api.change("port", port["id"], fixed_ips=[here, {**here, "ip_address": first}])["fixed_ips"]
    assert len(fewer) == 2 and first in {entry["ip_address"] for entry in fewer}
    assert post(api, subnet["network_id"], fixed_ips=[chosen, {"ip_address": "10.0.0.99"}])[0] == 400


def test_dhcp_options_are_merged(api: Api) -> None:
    network = api.make("network")
    option = {"opt_name": "bootfile-name", "opt_value": "a.0", "ip_version": 4}
    port = api.make("port", network_id=network["id"], extra_dhcp_opts=[option])
    assert port["extra_dhcp_opts"] == [option]
    more = {"opt_name": "one.of_their_own", "opt_value": "1400"}
    assert len(api.change("port", port["id"], extra_dhcp_opts=[more])["extra_dhcp_opts"]) == 2
    less = {"opt_name": "bootfile-name", "opt_value": None}
    assert [one["opt_name"] for one in api.change("port", port["id"], extra_dhcp_opts=[less])["extra_dhcp_opts"]] == [
        "one.of_their_own"
    ]


def test_the_networks_owner_sees_ports_of_others_on_it(api: Api, admin: Api) -> None:
    network = api.make("network")
    port = admin.make("port", network_id=network["id"], project_id="theirs")
    assert api.show("port", port["id"])["project_id"] == "theirs"
    assert api.as_("stranger").show("port", port["id"])["id"] == port["id"]
    nobody = api.as_("outsider", api.known.tokens["stranger"].__class__(user_id="o", project_id="o", roles=("reader",)))
    assert refusal(nobody.client.get(f"/v2.0/ports/{port['id']}")) == (404, "PortNotFound")


def test_ports_are_found_by_address_group_and_device(api: Api) -> None:
    network, subnet = api.network_with("10.10.0.0/24")
    group = api.make("security_group", name="special")
    one = api.make("port", network_id=network["id"], security_groups=[group["id"]], device_id="server-1")
    other = api.make("port", network_id=network["id"])
    within = f"&network_id={network['id']}"

    def found(query: str) -> set[str]:
        return {port["id"] for port in api.list("port", query + within)}

    address = one["fixed_ips"][0]["ip_address"]
    assert found(f"?fixed_ips=ip_address%3D{address}") == {one["id"]}
    assert found("?fixed_ips=ip_address_substr%3D10.10.0") == {one["id"], other["id"]}
    assert found(f"?fixed_ips=subnet_id%3D{subnet['id']}") == {one["id"], other["id"]}
    assert found(f"?security_groups={group['id']}") == {one["id"]}
    assert found("?device_id=server-1&device_id=server-2") == {one["id"]}
    assert found(f"?mac_address={other['mac_address']}") == {other["id"]}
    assert api.client.get("/v2.0/ports?fixed_ips=colour%3Dblue").status == 400


def test_the_host_of_a_port_is_a_services_affair(api: Api) -> None:
    network = api.make("network")
    nova = api.as_("nova")
    port = nova.make("port", network_id=network["id"], project_id="ours", **{"binding:host_id": "nowhere"})
    assert port["binding:host_id"] == "nowhere" and port["binding:vif_type"] == "binding_failed"
    assert "binding:host_id" not in api.show("port", port["id"])
    released = nova.change("port", port["id"], **{"binding:host_id": ""})
    assert released["binding:vif_type"] == "unbound"
