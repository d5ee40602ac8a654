"""Booting and deleting servers, and what is left of them: nothing."""

from __future__ import annotations

from typing import Any

import pytest

from cumulet.compute.jobs import work
from cumulet.compute.scheduling import claim
from cumulet.kernel.bus import HostUnreachable
from tests.compute.support import NETWORK_ID, Cloud


def test_a_server_boots_with_a_port_and_room_of_its_own(running: Cloud) -> None:
    server = running.active(name="web", metadata={"a": "b"}, tags=["t"])
    assert server["OS-EXT-SRV-ATTR:host"] == "node1"
    assert [ip["addr"] for ip in server["addresses"]["private"]] == ["10.0.0.2"]
    assert server["metadata"] == {"a": "b"} and server["tags"] == ["t"]
    (amounts,) = running.allocations(server["id"]).values()
    assert amounts["resources"] == {"VCPU": 1, "MEMORY_MB": 128, "DISK_GB": 1}
    (port,) = running.network.ports.values()
    assert (port["device_id"], port["binding:host_id"]) == (server["id"], "node1")
    assert running.hosts["node1"].guests() == {server["id"]: 1}


def test_a_deleted_server_leaves_nothing(running: Cloud) -> None:
    server = running.active()
    running.json("DELETE", f"/v2.1/servers/{server['id']}", status=204)
    running.until(lambda: running.is_gone(server["id"]))
    assert running.network.ports == {}
    assert running.allocations(server["id"]) == {}
    assert running.hosts["node1"].guests() == {}


def test_a_port_that_was_there_before_its_server_stays(running: Cloud) -> None:
    port = {"network_id": NETWORK_ID, "project_id": "project"}
    port_id = running.service.session.request("POST", "network", "/v2.0/ports", json={"port": port}).json()["port"][
        "id"
    ]
    server = running.active(networks=[{"port": port_id}])
    assert running.network.ports[port_id]["device_id"] == server["id"]
    running.json("DELETE", f"/v2.1/servers/{server['id']}", status=204)
    running.until(lambda: running.is_gone(server["id"]))
    assert running.network.ports[port_id]["device_id"] == ""


def test_a_server_that_fits_nowhere_says_why(running: Cloud) -> None:
    server = running.settled(running.boot("admin", flavorRef=running.flavor(ram=50_000, disk=9000))["id"])
    assert server["status"] == "ERROR"
    assert server["fault"]["message"] == (
        "No valid host was found. 1 of 1 host lack 9,000 GB of disk. "
        "The nearest miss is node1, which lacks 4,904 GB of disk."
    )
    (event,) = _events(running, server["id"])
    assert event["result"] == "Error" and "9,000 GB" in event["details"]


def _events(cloud: Cloud, server_id: str) -> list[dict[str, str]]:
    path = f"/v2.1/servers/{server_id}/os-instance-actions"
    (action,) = cloud.json("GET", path, "admin")["instanceActions"]
    shown = cloud.json("GET", f"{path}/{action['request_id']}", "admin")["instanceAction"]
    return list(shown["events"])


def test_a_disabled_host_is_named_as_the_reason(running: Cloud) -> None:
    (service,) = running.json("GET", "/v2.1/os-services?binary=nova-compute", "admin")["services"]
    body = {"status": "disabled", "disabled_reason": "new memory"}
    running.json("PUT", f"/v2.1/os-services/{service['id']}", "admin", json=body)
    server = running.settled(running.boot()["id"])
    assert server["fault"]["message"] == (
        "No valid host was found. Of 1 host 1 has room. ComputeFilter removed 1: node1 is disabled: new memory. "
        "The nearest miss is node1, which is disabled: new memory."
    )


def test_a_failed_build_gives_back_what_it_took(running: Cloud) -> None:
    running.hosts["node1"].faults.errors["spawn"] = "no more disk"
    server = running.settled(running.boot()["id"])
    assert server["status"] == "ERROR"
    assert "no more disk" in server["fault"]["message"]
    running.until(lambda: not running.network.ports and not running.allocations(server["id"]))


def test_a_network_that_refuses_is_the_fault(running: Cloud) -> None:
    running.network.refuse = "No more IP addresses available on network."
    server = running.settled(running.boot()["id"])
    assert "No more IP addresses" in server["fault"]["message"]
    running.until(lambda: not running.allocations(server["id"]))


def test_deleting_during_the_build_ends_in_nothing(running: Cloud) -> None:
    running.hosts["node1"].faults.delays["spawn"] = 0.5
    server_id = running.boot()["id"]
    running.until(lambda: running.show(server_id)["OS-EXT-STS:task_state"] == "spawning")
    running.json("DELETE", f"/v2.1/servers/{server_id}", status=204)
    running.until(lambda: running.is_gone(server_id))
    assert (running.network.ports, running.allocations(server_id), running.hosts["node1"].guests()) == ({}, {}, {})


def test_anti_affinity_puts_servers_apart_and_says_when_it_cannot(running: Cloud) -> None:
    running.add_host("node2")
    body = {"server_group": {"name": "apart", "policy": "anti-affinity"}}
    group = running.json("POST", "/v2.1/os-server-groups", json=body)["server_group"]["id"]
    ids = [running.boot(hints={"group": group})["id"] for _ in range(3)]
    servers = [running.settled(server_id) for server_id in ids]
    hosts = {server["OS-EXT-SRV-ATTR:host"] for server in servers if server["status"] == "ACTIVE"}
    assert hosts == {"node1", "node2"}
    (failed,) = [server for server in servers if server["status"] == "ERROR"]
    assert "ServerGroupAntiAffinityFilter removed 2" in failed["fault"]["message"]
    assert running.show(ids[0])["server_groups"] == [group]


def test_a_named_host_is_an_administrators_wish(running: Cloud) -> None:
    running.add_host("node2")
    assert running.boot(status=403, availability_zone="nova:node2")["code"] == 403
    server = running.settled(running.boot("admin", availability_zone="nova:node2")["id"])
    assert server["OS-EXT-SRV-ATTR:host"] == "node2"


def test_many_at_once_have_numbered_names(running: Cloud) -> None:
    running.boot(name="many", min_count=3)
    names = sorted(one["name"] for one in running.json("GET", "/v2.1/servers")["servers"])
    assert names == ["many-1", "many-2", "many-3"]


def test_among_very_many_hosts_the_one_that_will_do_is_found(running: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few are looked at first; when none of them will do, all are."""
    monkeypatch.setattr(claim, "_SAMPLE", 1)
    for name in ("node2", "node3"):
        running.add_host(name)
    services = running.json("GET", "/v2.1/os-services?binary=nova-compute", "admin")["services"]
    for service in services:
        if service["host"] in ("node1", "node3"):
            running.json("PUT", f"/v2.1/os-services/{service['id']}", "admin", json={"status": "disabled"})
    assert {running.active()["OS-EXT-SRV-ATTR:host"] for _ in range(4)} == {"node2"}


@pytest.fixture
def absences(running: Cloud, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """By method: how often its host is not reached before it is."""
    left: dict[str, int] = {}
    call: Any = running.service.bus.call

    def absent(host: str, method: str, *given: Any, **rest: Any) -> Any:
        if left.get(method):
            left[method] -= 1
            raise HostUnreachable(host, "nobody serves it")
        return call(host, method, *given, **rest)

    monkeypatch.setattr(running.service.bus, "call", absent)
    monkeypatch.setattr(work, "_AGAIN_S", 0.01)
    return left


def test_a_deletion_waits_for_an_agent_that_starts_again(running: Cloud, absences: dict[str, int]) -> None:
    """However often its host cannot be reached: it does not end in ERROR over it."""
    server_id = running.active()["id"]
    absences["compute.destroy"] = 30
    running.json("DELETE", f"/v2.1/servers/{server_id}", status=204)
    running.until(lambda: running.is_gone(server_id), 60.0)
    assert absences == {"compute.destroy": 0} and running.hosts["node1"].guests() == {}


def test_a_boot_waits_for_an_agent_that_starts_again(running: Cloud, absences: dict[str, int]) -> None:
    absences["compute.spawn"] = 30
    server_id = running.active()["id"]
    assert absences == {"compute.spawn": 0} and running.hosts["node1"].guests() == {server_id: 1}


def test_a_stop_waits_for_an_agent_that_starts_again(running: Cloud, absences: dict[str, int]) -> None:
    server_id = running.active()["id"]
    absences["compute.stop"] = 30
    running.json("POST", f"/v2.1/servers/{server_id}/action", json={"os-stop": None}, status=202)
    running.until(lambda: running.show(server_id)["status"] == "SHUTOFF", 60.0)
    assert absences == {"compute.stop": 0}


def test_a_boot_on_a_host_that_is_down_ends_at_once(running: Cloud, absences: dict[str, int]) -> None:
    (service,) = running.json("GET", "/v2.1/os-services?binary=nova-compute", "admin")["services"]
    absences["compute.spawn"] = 1_000_000
    server_id = running.boot()["id"]
    running.until(lambda: absences["compute.spawn"] < 1_000_000)
    assert running.show(server_id)["status"] == "BUILD"
    running.json("PUT", f"/v2.1/os-services/{service['id']}", "admin", json={"forced_down": True})
    server = running.settled(server_id)
    assert server["status"] == "ERROR"
    assert server["fault"]["message"] == "Host node1 cannot be reached: nobody serves it."
