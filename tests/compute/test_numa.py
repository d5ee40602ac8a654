"""Servers with processors of their own, huge pages and NUMA nodes: where they go, what they hold, why they do not."""

from __future__ import annotations

from typing import Any

import pytest

from cumulet.simulator.compute import SimulatedHypervisor
from cumulet.simulator.host_resources import default_resources
from tests.compute.support import Cloud

PINNED = {"hw:cpu_policy": "dedicated"}
LARGE = {"hw:mem_page_size": "2MB"}


def host(cloud: Cloud, name: str, **resources: Any) -> SimulatedHypervisor:
    return cloud.add_host(name, SimulatedHypervisor(resources=default_resources(**resources)))


def flavor(cloud: Cloud, specs: dict[str, str], **fields: Any) -> str:
    made = cloud.flavor(**fields)
    cloud.json("POST", f"/v2.1/flavors/{made}/os-extra_specs", "admin", json={"extra_specs": specs})
    return made


def provider(cloud: Cloud, name: str) -> str:
    (found,) = cloud.service.session.request("GET", "placement", f"/resource_providers?name={name}").json()[
        "resource_providers"
    ]
    return f"/resource_providers/{found['uuid']}"


def inventories(cloud: Cloud, name: str) -> dict[str, Any]:
    path = f"{provider(cloud, name)}/inventories"
    found: dict[str, Any] = cloud.service.session.request("GET", "placement", path).json()["inventories"]
    return found


def held(cloud: Cloud, server_id: str) -> dict[str, int]:
    (amounts,) = cloud.allocations(server_id).values()
    found: dict[str, int] = amounts["resources"]
    return found


def topology(cloud: Cloud, server_id: str, token: str = "admin") -> Any:
    return cloud.json("GET", f"/v2.1/servers/{server_id}/topology", token)


def fault(cloud: Cloud, **wanted: Any) -> str:
    server = cloud.settled(cloud.boot(**wanted)["id"])
    assert server["status"] == "ERROR"
    return str(server["fault"]["message"])


def test_processors_set_aside_are_counted_apart(cloud: Cloud) -> None:
    host(cloud, "node1", vcpus=8, dedicated="4-6")
    cloud.start_engine()
    there = inventories(cloud, "node1")
    assert {name: (there[name]["total"], there[name]["allocation_ratio"]) for name in ("VCPU", "PCPU")} == {
        "VCPU": (5, 4.0), "PCPU": (3, 1.0),
    }  # fmt: skip
    own = flavor(cloud, PINNED, vcpus=2)
    server = cloud.active(flavorRef=own)["id"]
    assert held(cloud, server) == {"PCPU": 2, "MEMORY_MB": 128, "DISK_GB": 1}
    assert fault(cloud, flavorRef=own) == (
        "No valid host was found. 1 of 1 host lack 2 processors set aside ([compute] cpu_dedicated_set). "
        "The nearest miss is node1, which lacks 1 processors set aside ([compute] cpu_dedicated_set)."
    )
    mixed = flavor(cloud, {"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "0"}, vcpus=3)
    assert held(cloud, cloud.active(flavorRef=mixed)["id"])["PCPU"] == 1


def test_the_topology_is_what_the_host_made_of_it(cloud: Cloud) -> None:
    host(cloud, "node1", vcpus=8, nodes=2, dedicated="2,3,6,7")
    cloud.start_engine()
    server = cloud.active(flavorRef=flavor(cloud, PINNED | {"hw:numa_nodes": "2"}, vcpus=4))["id"]
    nodes = [
        {"vcpu_set": [0, 1], "siblings": [], "memory_mb": 64},
        {"vcpu_set": [2, 3], "siblings": [], "memory_mb": 64},
    ]
    assert topology(cloud, server, "member") == {"nodes": nodes, "pagesize_kb": None}
    nodes[0] |= {"host_node": 0, "cpu_pinning": {"0": 2, "1": 3}}
    nodes[1] |= {"host_node": 1, "cpu_pinning": {"2": 6, "3": 7}}
    assert topology(cloud, server) == {"nodes": nodes, "pagesize_kb": None}
    plain = cloud.active()["id"]
    assert topology(cloud, plain) == {"nodes": [], "pagesize_kb": None}


def test_huge_pages_are_counted_also_between_a_hosts_reports(cloud: Cloud) -> None:
    host(cloud, "node1", nodes=2, pages={2048: 100})
    cloud.start_engine()
    wanted = flavor(cloud, LARGE)
    servers = [cloud.active(flavorRef=wanted)["id"] for _ in range(2)]
    message = fault(cloud, flavorRef=wanted)
    assert "NUMATopologyFilter removed 1: node1 has 36 free huge pages of 2 MiB in node 0, 64 wanted" in message
    assert message.endswith("; has 36 free huge pages of 2 MiB in node 1, 64 wanted.")
    placed = [topology(cloud, server) for server in servers]
    assert [(one["nodes"][0]["host_node"], one["pagesize_kb"]) for one in placed] == [(0, 2048), (1, 2048)]


def test_a_server_goes_where_its_pages_are(cloud: Cloud) -> None:
    host(cloud, "plenty")
    host(cloud, "pages", memory_mb=4096, pages={2048: 64})
    cloud.start_engine()
    server = cloud.active(flavorRef=flavor(cloud, LARGE))
    assert server["OS-EXT-SRV-ATTR:host"] == "pages"
    message = fault(cloud, flavorRef=flavor(cloud, {"hw:mem_page_size": "1GB"}, ram=1024))
    assert "plenty has no huge pages of 1 GiB in node 0 (but none)" in message


@pytest.mark.parametrize(
    ("specs", "says"),
    [
        ({"hw:numa_nodes": "3"}, "cannot be evenly distributed across instance NUMA nodes"),
        ({"hw:cpu_policy": "mixed"}, "has to name some of the 2 processors"),
        ({"hw:cpu_thread_policy": "isolate"}, "Cannot set cpu thread pinning policy"),
    ],
)
def test_what_contradicts_itself_is_refused(running: Cloud, specs: dict[str, str], says: str) -> None:
    wanted = flavor(running, specs, vcpus=2)
    assert says in running.boot(flavorRef=wanted, status=400)["message"]
    server = running.active()["id"]
    assert says in running.act(server, "resize", {"flavorRef": wanted}, status=400)["badRequest"]["message"]


def test_nodes_that_no_host_has_are_said(running: Cloud) -> None:
    assert "node1 has 1 NUMA nodes, 2 wanted" in fault(
        running, flavorRef=flavor(running, {"hw:numa_nodes": "2"}, vcpus=2)
    )


def test_a_resize_gives_processors_of_its_own_and_takes_them_away(cloud: Cloud) -> None:
    for name in ("node1", "node2"):
        host(cloud, name, vcpus=4, dedicated="2-3")
    cloud.start_engine()
    server = cloud.active()["id"]
    for own, resources in ((PINNED, {"PCPU": 2}), ({}, {"VCPU": 2})):
        wanted = flavor(cloud, own, vcpus=2) if own else cloud.flavor(vcpus=2)
        cloud.act(server, "resize", {"flavorRef": wanted})
        cloud.until(lambda: cloud.show(server)["status"] == "VERIFY_RESIZE")
        cloud.act(server, "confirmResize", status=204)
        cloud.until(lambda: cloud.settled(server)["status"] == "ACTIVE")
        assert held(cloud, server) == resources | {"MEMORY_MB": 128, "DISK_GB": 1}
        pins = [node["cpu_pinning"] for node in topology(cloud, server)["nodes"]]
        assert pins == ([{"0": 2, "1": 3}] if own else [])


def test_a_live_migration_takes_processors_of_the_other_host(cloud: Cloud) -> None:
    for name, own in (("node1", "2-3"), ("node2", "0-1")):
        host(cloud, name, vcpus=4, dedicated=own)
    cloud.start_engine()
    server = cloud.active(flavorRef=flavor(cloud, PINNED, vcpus=2))
    pins = {"node1": {"0": 2, "1": 3}, "node2": {"0": 0, "1": 1}}
    came_to = str(server["OS-EXT-SRV-ATTR:host"])
    assert topology(cloud, server["id"])["nodes"][0]["cpu_pinning"] == pins.pop(came_to)
    cloud.act(server["id"], "os-migrateLive", {"host": None, "block_migration": "auto"}, "admin")
    cloud.until(lambda: cloud.settled(server["id"])["OS-EXT-SRV-ATTR:host"] != came_to)
    (there,) = pins.values()
    assert topology(cloud, server["id"])["nodes"][0]["cpu_pinning"] == there
    assert held(cloud, server["id"])["PCPU"] == 2


def test_what_is_still_held_stays_when_a_host_sets_all_its_processors_aside(cloud: Cloud) -> None:
    driver = host(cloud, "node1", vcpus=4)
    cloud.start_engine()
    server = cloud.active()["id"]
    driver._resources = default_resources(vcpus=4, dedicated="0-3")
    cloud.until(lambda: "PCPU" in inventories(cloud, "node1"))
    there = inventories(cloud, "node1")
    assert (there["VCPU"]["total"], there["VCPU"]["reserved"], there["PCPU"]["total"]) == (4, 4, 4)
    assert held(cloud, server)["VCPU"] == 1
    assert "lack 1 VCPUs" in fault(cloud)
