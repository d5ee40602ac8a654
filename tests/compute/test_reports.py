"""Hosts' reports, one or many at once: what becomes of them in the lists and in Placement."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
import pytest

from cumulet.simulator.host_resources import default_resources
from tests.compute.support import Cloud

_HEADERS = {"OpenStack-API-Version": "placement 1.39"}


def report(name: str, *, traits: list[str] | None = None, **changed: Any) -> dict[str, Any]:
    resources = msgspec.structs.asdict(default_resources())
    if traits is not None:
        resources["facts"] = {**resources["facts"], "traits": traits}
    return {"host": name, "node": name, "guests": {}, **resources, **changed}


def send(cloud: Cloud, *reports: dict[str, Any]) -> dict[str, Any]:
    answer = cloud.bus.call("engine", "compute.reports", {"reports": list(reports)}, timeout_s=60)
    assert isinstance(answer, dict)
    return answer


def placement(cloud: Cloud, method: str, path: str, body: Any = None) -> Any:
    answer = cloud.service.session.request(method, "placement", path, headers=_HEADERS, json=body)
    assert answer.status < 300, answer.body
    return answer.json() if answer.body else None


def node_id(cloud: Cloud, name: str) -> str:
    path = f"/v2.1/os-hypervisors?hypervisor_hostname_pattern={name}"
    return str(cloud.json("GET", path, "admin")["hypervisors"][0]["id"])


def traits_of(cloud: Cloud, name: str) -> set[str]:
    return set(placement(cloud, "GET", f"/resource_providers/{node_id(cloud, name)}/traits")["traits"])


@pytest.fixture
def asked(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Compute asks of Placement: method and path, as long as the test runs."""
    found: list[str] = []
    before = cloud.service.session.request

    def request(method: str, service: str, path: str, **rest: Any) -> Any:
        found.append(f"{method} {path}")
        return before(method, service, path, **rest)

    monkeypatch.setattr(cloud.service.session, "request", request)
    return found


def test_many_hosts_report_at_once(cloud: Cloud) -> None:
    names = [f"host-{number}" for number in range(30)]
    assert send(cloud, *map(report, names)) == {"destroy": {}, "again": []}
    services = cloud.json("GET", "/v2.1/os-services?binary=nova-compute", "admin")["services"]
    assert [one["host"] for one in services] == names and {one["state"] for one in services} == {"up"}
    shown = cloud.json("GET", "/v2.1/os-hypervisors/detail", "admin")["hypervisors"]
    assert [one["hypervisor_hostname"] for one in shown] == names
    providers = placement(cloud, "GET", "/resource_providers")["resource_providers"]
    assert {one["name"]: one["uuid"] for one in providers} == {one["hypervisor_hostname"]: one["id"] for one in shown}
    stock = placement(cloud, "GET", f"/resource_providers/{shown[7]['id']}/inventories")["inventories"]
    assert {name: one["total"] for name, one in stock.items()} == {"VCPU": 64, "MEMORY_MB": 262_144, "DISK_GB": 4096}


def test_new_hosts_are_one_call_to_placement_and_one_that_is_there_is_no_hindrance(
    cloud: Cloud, asked: list[str]
) -> None:
    names = [f"host-{number}" for number in range(20)]
    send(cloud, *(report(name, traits=["COMPUTE_NODE", "CUSTOM_FAST"]) for name in names[:10]))
    assert [line for line in asked if "resource_provider" in line] == ["POST /resource_provider_batches"]
    assert traits_of(cloud, "host-7") == {"COMPUTE_NODE", "CUSTOM_FAST"}
    placement(cloud, "POST", "/resource_providers", {"name": "host-15"})  # of another uuid: an operator's mistake
    assert send(cloud, *map(report, names[10:])) == {"destroy": {}, "again": ["host-15"]}
    providers = placement(cloud, "GET", "/resource_providers")["resource_providers"]
    assert {one["name"] for one in providers} == set(names)


def test_a_report_that_says_nothing_new_asks_placement_nothing(cloud: Cloud, asked: list[str]) -> None:
    send(cloud, report("node1", traits=["COMPUTE_NODE"]))
    assert asked
    asked.clear()
    send(cloud, report("node1", traits=["COMPUTE_NODE"], guests={str(uuid.uuid4()): 1}))
    assert asked == []


def test_a_host_that_grew_is_told_to_placement(cloud: Cloud) -> None:
    send(cloud, report("node1"))
    path = f"/resource_providers/{node_id(cloud, 'node1')}/inventories"
    before = placement(cloud, "GET", path)
    own = {**before["inventories"], "CUSTOM_LICENCE": {"total": 5}}
    placement(cloud, "PUT", "/resource_classes/CUSTOM_LICENCE")
    generation = before["resource_provider_generation"]
    placement(cloud, "PUT", path, {"resource_provider_generation": generation, "inventories": own})
    send(cloud, report("node1", memory_mb=300_000))
    after = placement(cloud, "GET", path)["inventories"]
    assert after["MEMORY_MB"]["total"] == 300_000
    assert after["CUSTOM_LICENCE"]["total"] == 5  # an operator's own stays


def test_a_drivers_traits_come_and_go_and_an_operators_stay(cloud: Cloud) -> None:
    send(cloud, report("node1", traits=["COMPUTE_NODE", "HW_CPU_X86_AVX", "CUSTOM_FAST"]))
    assert traits_of(cloud, "node1") == {"COMPUTE_NODE", "HW_CPU_X86_AVX", "CUSTOM_FAST"}
    path = f"/resource_providers/{node_id(cloud, 'node1')}/traits"
    placement(cloud, "PUT", "/traits/CUSTOM_RACK_7")
    placement(
        cloud, "PUT", path,
        {
            "resource_provider_generation": placement(cloud, "GET", path)["resource_provider_generation"],
            "traits": ["COMPUTE_NODE", "HW_CPU_X86_AVX", "CUSTOM_FAST", "CUSTOM_RACK_7", "STORAGE_DISK_SSD"],
        },
    )  # fmt: skip
    send(cloud, report("node1", traits=["COMPUTE_NODE", "HW_CPU_X86_AVX2"]))
    assert traits_of(cloud, "node1") == {
        *("COMPUTE_NODE", "HW_CPU_X86_AVX2"),
        *("CUSTOM_FAST", "CUSTOM_RACK_7", "STORAGE_DISK_SSD"),
    }


def test_a_change_of_traits_is_one_call(cloud: Cloud, asked: list[str]) -> None:
    send(cloud, report("node1", traits=["COMPUTE_NODE"]))
    asked.clear()
    send(cloud, report("node1", traits=["COMPUTE_NODE", "HW_CPU_X86_AVX"]))
    assert [one for one in asked if one.startswith(("PUT", "POST"))] == [
        f"PUT /resource_providers/{node_id(cloud, 'node1')}/traits"
    ]


def test_a_trait_that_placement_does_not_know_keeps_nobody_out(cloud: Cloud) -> None:
    answer = send(cloud, report("node1", traits=["COMPUTE_NODE", "HW_FROM_THE_FUTURE"]), report("node2"))
    assert answer["again"] == []
    assert traits_of(cloud, "node1") == {"COMPUTE_NODE"}


def test_a_flavors_trait_leads_to_the_host_that_has_it(cloud: Cloud) -> None:
    cloud.add_host("node1")
    driver = cloud.add_host("node2")
    send(cloud, report("node2", traits=["HW_CPU_X86_AVX2"]))
    cloud.start_engine()
    flavor = cloud.flavor()
    specs = {"extra_specs": {"trait:HW_CPU_X86_AVX2": "required"}}
    cloud.json("POST", f"/v2.1/flavors/{flavor}/os-extra_specs", "admin", json=specs)
    server = cloud.active(flavorRef=flavor)
    assert server["OS-EXT-SRV-ATTR:host"] == "node2" and list(driver.guests()) == [server["id"]]


def test_a_beat_keeps_hosts_up_and_names_the_unknown(cloud: Cloud) -> None:
    send(cloud, report("node1"), report("node2"))
    now = cloud.service.now
    cloud.service.now = lambda: now() + 3600 * 1_000_000
    try:
        assert _states(cloud) == {"node1": "down", "node2": "down"}
        answer = cloud.bus.call("engine", "compute.beat", {"hosts": ["node2", "node3"]})
        assert answer == {"unknown": ["node3"]}
        assert _states(cloud) == {"node1": "down", "node2": "up"}
    finally:
        cloud.service.now = now


def _states(cloud: Cloud) -> dict[str, str]:
    services = cloud.json("GET", "/v2.1/os-services?binary=nova-compute", "admin")["services"]
    return {one["host"]: one["state"] for one in services}


def test_a_node_whose_name_another_provider_has_is_reported_again(cloud: Cloud) -> None:
    placement(cloud, "POST", "/resource_providers", {"uuid": str(uuid.uuid4()), "name": "node1"})
    assert send(cloud, report("node1"), report("node2"))["again"] == ["node1"]


def test_what_hosts_use_counts_the_servers_of_each(cloud: Cloud) -> None:
    cloud.add_host("node1")
    cloud.add_host("node2")
    cloud.start_engine()
    made = [cloud.active(flavorRef=cloud.flavor(ram=256, vcpus=2, disk=3)) for _ in range(3)]
    send(cloud, report("node1", guests=None), report("node2", guests=None))
    shown = cloud.json("GET", "/v2.1/os-hypervisors/detail", "admin", version="2.87")["hypervisors"]
    expected = {"node1": 0, "node2": 0}
    for server in made:
        expected[server["OS-EXT-SRV-ATTR:host"]] += 1
    assert {one["hypervisor_hostname"]: one["running_vms"] for one in shown} == expected
    assert {one["hypervisor_hostname"]: one["memory_mb_used"] for one in shown} == {
        name: 256 * count for name, count in expected.items()
    }
