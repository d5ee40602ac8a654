"""What other services say of servers."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.compute.support import Cloud


def send(cloud: Cloud, *events: dict[str, Any], status: int = 200, **rest: Any) -> Any:
    answer = cloud.json(
        "POST", "/v2.1/os-server-external-events", "nova", status=status, json={"events": events}, **rest
    )
    return answer.get("events", answer)


def test_addresses_follow_network(running: Cloud) -> None:
    server = running.active()
    [port] = running.network.ports.values()
    port["fixed_ips"] = [{"ip_address": "10.0.0.77", "subnet_id": "subnet"}]
    event = {"name": "network-changed", "server_uuid": server["id"], "tag": port["id"]}
    assert send(running, event) == [event | {"status": "completed", "code": 200}]
    running.until(lambda: running.show(server["id"])["addresses"]["private"][0]["addr"] == "10.0.0.77")
    for name in ("network-vif-plugged", "network-vif-unplugged"):
        assert send(running, {"name": name, "server_uuid": server["id"], "tag": port["id"]})[0]["code"] == 200


def test_a_port_that_is_gone_is_unplugged(running: Cloud) -> None:
    server = running.active()
    [port_id] = running.network.ports
    del running.network.ports[port_id]
    send(running, {"name": "network-vif-deleted", "server_uuid": server["id"], "tag": port_id})
    running.until(lambda: running.show(server["id"])["addresses"] == {})
    assert running.hosts["node1"].ports() == set()


def test_what_cannot_be_taken_is_said_of_each(running: Cloud) -> None:
    server = running.active()
    answered = send(
        running,
        {"name": "network-changed", "server_uuid": server["id"]},
        {"name": "network-changed", "server_uuid": str(uuid4())},
        {"name": "volume-extended", "server_uuid": server["id"]},
        status=207,
    )
    assert [(one["status"], one["code"]) for one in answered] == [("completed", 200), ("failed", 404), ("failed", 400)]


def test_a_server_without_a_host_takes_none(cloud: Cloud) -> None:
    server = cloud.boot()
    answered = send(cloud, {"name": "network-changed", "server_uuid": server["id"]}, status=207)
    assert answered[0]["code"] == 422


@pytest.mark.parametrize(
    ("tag", "before", "after"), [("POWER_OFF", "ACTIVE", "SHUTOFF"), ("POWER_ON", "ACTIVE", "ACTIVE")]
)
def test_power(running: Cloud, tag: str, before: str, after: str) -> None:
    server = running.active()
    assert server["status"] == before
    send(running, {"name": "power-update", "server_uuid": server["id"], "tag": tag})
    assert running.show(server["id"])["status"] == after


def test_only_services_may(running: Cloud) -> None:
    server = running.active()
    event = {"name": "network-changed", "server_uuid": server["id"]}
    answer = running.call("POST", "/v2.1/os-server-external-events", json={"events": [event]})
    assert answer.status == 403


@pytest.mark.parametrize(
    ("event", "version"),
    [
        ({"name": "volume-extended", "tag": "v"}, "2.50"),
        ({"name": "power-update", "tag": "POWER_ON"}, "2.75"),
        ({"name": "volume-reimaged", "tag": "v"}, "2.92"),
        ({"name": "weather-changed"}, "2.96"),
        ({"name": "network-changed", "status": "maybe"}, "2.96"),
        ({"name": "network-changed", "colour": "red"}, "2.96"),
        ({"name": "network-changed", "tag": "x" * 256}, "2.96"),
    ],
)
def test_refused_bodies(cloud: Cloud, event: dict[str, Any], version: str) -> None:
    send(cloud, {"server_uuid": str(uuid4()), **event}, status=400, version=version)
    assert cloud.call("POST", "/v2.1/os-server-external-events", "nova", json={"events": []}).status == 400
