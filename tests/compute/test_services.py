"""`/os-services` and what else shows the engine beside the hosts: as the original's scheduler and conductor."""

from __future__ import annotations

import socket
import time

from tests.compute.support import Cloud

INTERNAL = {"nova-scheduler", "nova-conductor"}


def of_the_engine(cloud: Cloud) -> dict[str, dict[str, str]]:
    limit = time.monotonic() + 30
    while time.monotonic() < limit:
        listed = cloud.json("GET", "/v2.1/os-services", "admin", version="2.53")["services"]
        found = {one["binary"]: one for one in listed if one["binary"] != "nova-compute"}
        if found.keys() == INTERNAL:
            return found
        time.sleep(0.05)
    raise AssertionError("the engine does not report")


def test_an_engine_is_listed_as_scheduler_and_conductor(running: Cloud) -> None:
    for one in of_the_engine(running).values():
        assert (one["host"], one["zone"], one["state"]) == (socket.gethostname(), "internal", "up")
    hosts = running.json("GET", "/v2.1/os-hosts", "admin", version="2.42")["hosts"]
    assert {one["service"] for one in hosts} == {"scheduler", "conductor", "compute"}
    shown = running.json("GET", "/v2.1/os-availability-zone/detail", "admin")["availabilityZoneInfo"]
    assert {one["zoneName"]: one["hosts"].keys() for one in shown} == {
        "internal": {socket.gethostname()},
        "nova": {"node1"},
    }
    seen = running.json("GET", "/v2.1/os-availability-zone", "admin")["availabilityZoneInfo"]
    assert [one["zoneName"] for one in seen] == ["nova"]


def test_only_hosts_of_servers_are_changed_or_taken_into_aggregates(running: Cloud) -> None:
    engine = of_the_engine(running)["nova-conductor"]
    path = f"/v2.1/os-services/{engine['id']}"
    refused = running.json("PUT", path, "admin", version="2.53", json={"status": "disabled"}, status=400)
    assert "Only nova-compute services can be updated" in refused["badRequest"]["message"]
    aggregate = running.json("POST", "/v2.1/os-aggregates", "admin", json={"aggregate": {"name": "rack"}})["aggregate"]
    action = f"/v2.1/os-aggregates/{aggregate['id']}/action"
    running.json("POST", action, "admin", json={"add_host": {"host": engine["host"]}}, status=404)
    cells = running.json("GET", "/v2.1/os-hypervisors", "admin")["hypervisors"]
    assert [one["hypervisor_hostname"] for one in cells] == ["node1"]
