"""Ports plugged into servers and out of them, their addresses and security groups."""

from __future__ import annotations

from typing import Any

import pytest

from cumulet.kernel.client import Response
from tests.compute.network import NETWORK_ID, SECOND_ID
from tests.compute.support import Cloud


def interfaces(cloud: Cloud, server_id: str, **rest: Any) -> Any:
    return cloud.json("GET", f"/v2.1/servers/{server_id}/os-interface", **rest)["interfaceAttachments"]


def attach(cloud: Cloud, server_id: str, given: dict[str, Any] | None = None, **rest: Any) -> Response:
    if given is not None:
        rest["json"] = {"interfaceAttachment": given}
    return cloud.call("POST", f"/v2.1/servers/{server_id}/os-interface", **rest)


def detach(cloud: Cloud, server_id: str, port_id: str, *, status: int = 202) -> None:
    cloud.json("DELETE", f"/v2.1/servers/{server_id}/os-interface/{port_id}", status=status)


def events(cloud: Cloud, server_id: str) -> list[tuple[str, str]]:
    """(action, message) of its history, newest first."""
    path = f"/v2.1/servers/{server_id}/os-instance-actions"
    return [(one["action"], one["message"]) for one in cloud.json("GET", path)["instanceActions"]]


def test_a_port_is_made_on_the_network_asked_for(running: Cloud) -> None:
    server = running.active()
    [first] = interfaces(running, server["id"])
    answer = attach(running, server["id"], {"net_id": SECOND_ID, "tag": "backup"})
    assert answer.status == 200, answer.body
    made = answer.json()["interfaceAttachment"]
    assert made["net_id"] == SECOND_ID and made["tag"] == "backup" and made["fixed_ips"][0]["ip_address"]
    running.until(lambda: running.hosts["node1"].ports() == {first["port_id"], made["port_id"]})
    port = running.network.ports[made["port_id"]]
    assert port["device_id"] == server["id"] and port["device_owner"] == "compute:nova"
    running.until(lambda: port.get("binding:host_id") == "node1")
    shown = running.show(server["id"])["addresses"]
    assert shown["second"][0]["addr"] == made["fixed_ips"][0]["ip_address"]
    one = running.json("GET", f"/v2.1/servers/{server['id']}/os-interface/{made['port_id']}")["interfaceAttachment"]
    assert one == made | {"port_state": one["port_state"]}
    assert "tag" not in interfaces(running, server["id"], version="2.69")[0]
    running.until(lambda: events(running, server["id"])[0] == ("attach_interface", None))

    detach(running, server["id"], made["port_id"])
    running.until(lambda: made["port_id"] not in running.network.ports)
    running.until(lambda: "second" not in running.show(server["id"])["addresses"])
    assert running.hosts["node1"].ports() == {first["port_id"]}
    detach(running, server["id"], made["port_id"], status=404)


def test_a_port_that_was_there_stays(running: Cloud) -> None:
    server = running.active()
    port = running.network.add_port()
    assert attach(running, server["id"], {"port_id": port["id"]}).status == 200
    at_once = running.json("GET", f"/v2.1/servers/{server['id']}/os-interface/{port['id']}")["interfaceAttachment"]
    assert at_once["port_id"] == port["id"]  # before Network knows whose it is
    running.until(lambda: port["id"] in running.hosts["node1"].ports())
    assert attach(running, server["id"], {"port_id": port["id"]}).status == 409
    detach(running, server["id"], port["id"])
    shown = f"/v2.1/servers/{server['id']}/os-interface/{port['id']}"
    running.until(lambda: running.call("GET", shown).status == 404)  # Network is told before
    assert running.network.ports[port["id"]]["device_id"] == ""
    assert port["id"] not in running.hosts["node1"].ports()
    assert attach(running, server["id"], {"port_id": port["id"]}).status == 200
    running.json("DELETE", f"/v2.1/servers/{server['id']}", status=204)
    running.until(lambda: running.is_gone(server["id"]))
    assert list(running.network.ports) == [port["id"]] and port["device_id"] == ""


def test_without_a_body_it_is_the_only_network(running: Cloud) -> None:
    server = running.active()
    assert attach(running, server["id"]).json()["interfaceAttachment"]["net_id"] == NETWORK_ID
    given = {"net_id": NETWORK_ID, "fixed_ips": [{"ip_address": "10.0.0.99"}]}
    assert (
        attach(running, server["id"], given).json()["interfaceAttachment"]["fixed_ips"][0]["ip_address"] == "10.0.0.99"
    )


@pytest.mark.parametrize(
    ("given", "status", "says"),
    [
        ({"net_id": NETWORK_ID, "port_id": SECOND_ID}, 400, "both network_id and port_id"),
        ({"fixed_ips": [{"ip_address": "10.0.0.9"}]}, 400, "network_id"),
        ({"net_id": NETWORK_ID, "fixed_ips": [{"ip_address": "ten"}]}, 400, "ip_address"),
        ({"net_id": NETWORK_ID, "fixed_ips": []}, 400, "fixed_ips"),
        ({"net_id": "44444444-4444-4444-8444-444444444444"}, 404, "Network"),
        ({"port_id": "44444444-4444-4444-8444-444444444444"}, 404, "Port"),
        ({"net_id": "nonsense"}, 400, "net_id"),
        ({"speed": 1}, 400, "speed"),
    ],
)
def test_what_cannot_be_attached(running: Cloud, given: dict[str, Any], status: int, says: str) -> None:
    server = running.active()
    ports = set(running.network.ports)
    answer = attach(running, server["id"], given)
    assert answer.status == status and says in answer.body.decode()
    assert set(running.network.ports) == ports
    assert attach(running, server["id"], {"tag": "a"}, version="2.48").status == 400


def test_states_and_locks(running: Cloud) -> None:
    server = running.active()
    running.act(server["id"], "suspend")
    running.settled(server["id"])
    ports = set(running.network.ports)
    assert attach(running, server["id"], {"net_id": NETWORK_ID}).status == 409
    running.act(server["id"], "resume")
    running.settled(server["id"])
    running.act(server["id"], "lock")
    locked = running.call("POST", f"/v2.1/servers/{server['id']}/os-interface", "other")
    assert locked.status == 404
    assert set(running.network.ports) == ports


def test_a_host_that_refuses_leaves_nothing(running: Cloud) -> None:
    server = running.active()
    ports = set(running.network.ports)
    running.hosts["node1"].faults.errors["attach_interface"] = "there is no slot free"
    port = running.network.add_port()
    for given in ({"net_id": NETWORK_ID}, {"port_id": port["id"]}):
        assert attach(running, server["id"], given).status == 200
    running.until(lambda: set(running.network.ports) == {*ports, port["id"]} and port["device_id"] == "")
    running.until(lambda: len(running.show(server["id"])["addresses"]["private"]) == 1)
    assert ("attach_interface", "Error") in events(running, server["id"])
    assert running.show(server["id"])["status"] == "ACTIVE"


def test_deleting_while_attaching_leaves_no_port(running: Cloud) -> None:
    server = running.active()
    running.hosts["node1"].faults.delays["attach_interface"] = 0.3
    assert attach(running, server["id"], {"net_id": NETWORK_ID}).status == 200
    running.json("DELETE", f"/v2.1/servers/{server['id']}", status=204)
    running.until(lambda: running.is_gone(server["id"]))
    assert running.network.ports == {}


def test_fixed_and_floating_addresses_of_old_microversions(running: Cloud) -> None:
    server = running.active()

    def act(action: str, given: Any, *, status: int = 202, version: str = "2.43") -> None:
        path = f"/v2.1/servers/{server['id']}/action"
        running.json("POST", path, status=status, version=version, json={action: given})

    act("addFixedIp", {"networkId": NETWORK_ID})
    first, second = running.show(server["id"])["addresses"]["private"]
    act("addFixedIp", {"networkId": SECOND_ID}, status=404)
    act("addFixedIp", {}, status=400)
    act("addFixedIp", {"networkId": NETWORK_ID}, status=404, version="2.44")
    running.network.add_floating("203.0.113.5")
    act("addFloatingIp", {"address": "203.0.113.5", "fixed_address": second["addr"]})
    shown = running.show(server["id"])["addresses"]["private"]
    assert [(one["addr"], one["OS-EXT-IPS:type"]) for one in shown] == [
        (first["addr"], "fixed"),
        (second["addr"], "fixed"),
        ("203.0.113.5", "floating"),
    ]
    act("addFloatingIp", {"address": "203.0.113.6"}, status=404)
    act("addFloatingIp", {"address": "203.0.113.5", "fixed_address": "10.9.9.9"}, status=400)
    act("removeFloatingIp", {"address": "203.0.113.5"})
    act("removeFloatingIp", {"address": "203.0.113.5"}, status=409)
    act("removeFixedIp", {"address": second["addr"]})
    act("removeFixedIp", {"address": second["addr"]}, status=400)
    assert [one["addr"] for one in running.show(server["id"])["addresses"]["private"]] == [first["addr"]]


def test_security_groups(running: Cloud) -> None:
    running.network.groups |= {"web-id": "web", "db-id": "db"}
    server = running.active()
    path = f"/v2.1/servers/{server['id']}"
    running.act(server["id"], "addSecurityGroup", {"name": "web"})
    running.act(server["id"], "addSecurityGroup", {"name": "db-id"})
    assert [one["name"] for one in running.show(server["id"])["security_groups"]] == ["db", "default", "web"]
    listed = running.json("GET", f"{path}/os-security-groups")["security_groups"]
    assert [one["name"] for one in listed] == ["db", "default", "web"]
    running.act(server["id"], "removeSecurityGroup", {"name": "web"})
    running.act(server["id"], "removeSecurityGroup", {"name": "web"}, status=404)
    running.act(server["id"], "addSecurityGroup", {"name": "nothing"}, status=404)
    running.act(server["id"], "addSecurityGroup", {"name": " "}, status=400)
    running.act(server["id"], "addSecurityGroup", {}, status=400)
    [port] = running.network.ports.values()
    assert port["security_groups"] == ["default-id", "db-id"]
    refusal = running.boot(status=400, security_groups=[{"name": "nothing"}])
    assert "nothing" in refusal["message"]
    assert running.active(security_groups=[{"name": "web"}])["security_groups"] == [{"name": "web"}]


def test_a_server_shows_the_security_groups_of_the_ports_it_was_given(running: Cloud) -> None:
    running.network.groups |= {"db-id": "db"}
    ports = [running.network.add_port(security_groups=groups) for groups in (["db-id"], [])]
    guarded, open_to_all = (running.active(networks=[{"port": port["id"]}]) for port in ports)
    assert guarded["security_groups"] == [{"name": "db"}]
    assert "security_groups" not in open_to_all, "as on a network without port security"


def test_network_information(running: Cloud) -> None:
    server = running.active()
    [port] = running.network.ports.values()
    port["fixed_ips"] = [{"ip_address": "10.0.0.77", "subnet_id": "subnet"}]
    running.act(server["id"], "injectNetworkInfo", token="admin")
    assert running.show(server["id"])["addresses"]["private"][0]["addr"] == "10.0.0.77"
    running.act(server["id"], "injectNetworkInfo", status=403)
    running.act(server["id"], "resetNetwork", token="admin", status=410)
