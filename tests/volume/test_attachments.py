"""Attaching: the attachments API, the older actions, and who may not detach behind Compute's back."""

from __future__ import annotations

from typing import Any

import pytest

from cumulet.simulator.volume import Faults
from tests.volume.support import Cloud

SERVER = "33333333-3333-4333-8333-333333333333"
OTHER_SERVER = "44444444-4444-4444-8444-444444444444"
CONNECTOR = {"host": "node1", "initiator": "iqn.x", "mountpoint": "/dev/vdb"}
SERVICE = {"X-Service-Token": "nova"}


def _reserve(cloud: Cloud, volume_id: str, server: str = SERVER, *, status: int = 200, **fields: Any) -> Any:
    body = {"attachment": {"volume_uuid": volume_id, "instance_uuid": server, **fields}}
    answer = cloud.json("POST", "/attachments", status=status, json=body)
    return answer["attachment"] if status == 200 else answer


def _attached(cloud: Cloud, volume_id: str) -> Any:
    made = _reserve(cloud, volume_id)
    cloud.json("PUT", f"/attachments/{made['id']}", json={"attachment": {"connector": CONNECTOR}})
    cloud.json("POST", f"/attachments/{made['id']}/action", status=204, json={"os-complete": {}})
    cloud.servers.attached[SERVER, volume_id] = made["id"]
    return made


def test_reserve_connect_complete_delete(running: Cloud) -> None:
    volume = running.available()["id"]
    made = _reserve(running, volume)
    assert (made["status"], made["connection_info"], made["attach_mode"]) == ("reserved", {}, "null")
    assert running.show(volume)["status"] == "reserved"
    body = {"attachment": {"connector": CONNECTOR}}
    connected = running.json("PUT", f"/attachments/{made['id']}", json=body)["attachment"]
    assert connected["connection_info"]["driver_volume_type"] == "simulated"
    assert connected["connection_info"]["attachment_id"] == made["id"]
    running.json("POST", f"/attachments/{made['id']}/action", status=204, json={"os-complete": {}})
    shown = running.show(volume)
    assert shown["status"] == "in-use"
    assert shown["attachments"][0]["server_id"] == SERVER
    assert shown["attachments"][0]["device"] == "/dev/vdb"
    assert running.call("DELETE", f"/volumes/{volume}").status == 400
    assert running.json("DELETE", f"/attachments/{made['id']}") == {"attachments": []}
    after = running.show(volume)
    assert (after["status"], after["attachments"]) == ("available", [])


@pytest.mark.parametrize(
    ("consumer", "told"),
    [
        ("front-end", {"read_bytes_sec": "4096", "total_iops_sec": "50", "write_iops_sec": "10"}),
        ("both", {"read_bytes_sec": "4096", "total_iops_sec": "50", "write_iops_sec": "10"}),
        ("back-end", None),
    ],
)
def test_a_host_is_told_what_to_hold_a_volume_to(running: Cloud, consumer: str, told: dict[str, str] | None) -> None:
    """Rates that are said per GB are told for the volume's size, within their bounds."""
    given = {"read_bytes_sec": "4096", "total_iops_sec_per_gb": "20", "total_iops_sec_per_gb_min": "50"}
    given |= {"write_iops_sec_per_gb": "20", "write_iops_sec_max": "10"}
    specs = running.json(
        "POST", "/qos-specs", "admin", json={"qos_specs": {"name": "q", "consumer": consumer, **given}}
    )
    made = running.json("POST", "/types", "admin", json={"volume_type": {"name": "limited"}})["volume_type"]
    path = f"/qos-specs/{specs['qos_specs']['id']}/associate?vol_type_id={made['id']}"
    running.json("GET", path, "admin", status=202)
    held = _reserve(running, running.available(volume_type="limited")["id"])
    body = {"attachment": {"connector": CONNECTOR}}
    connected = running.json("PUT", f"/attachments/{held['id']}", json=body)["attachment"]
    assert connected["connection_info"]["qos_specs"] == told


def test_one_server_at_a_time(running: Cloud) -> None:
    volume = running.available()["id"]
    _reserve(running, volume)
    refused = _reserve(running, volume, OTHER_SERVER, status=400)
    assert "to reserve" in refused["badRequest"]["message"]
    again = _reserve(running, volume)
    found = running.json("GET", f"/attachments/detail?volume_id={volume}")["attachments"]
    assert len(found) == 2
    left = running.json("DELETE", f"/attachments/{again['id']}")["attachments"]
    assert len(left) == 1


def test_several_servers_with_a_multiattach_type(running: Cloud) -> None:
    body = {"volume_type": {"name": "shared", "extra_specs": {"multiattach": "<is> True"}}}
    running.json("POST", "/types", "admin", json=body)
    volume = running.available(volume_type="shared")
    assert volume["multiattach"] is True
    _attached(running, volume["id"])
    second = _reserve(running, volume["id"], OTHER_SERVER)
    running.json("POST", f"/attachments/{second['id']}/action", status=204, json={"os-complete": {}})
    assert len(running.show(volume["id"])["attachments"]) == 2


def test_a_servers_attachment_is_not_deleted_behind_computes_back(running: Cloud) -> None:
    volume = running.available()["id"]
    made = _attached(running, volume)
    path = f"/attachments/{made['id']}"
    refused = running.json("DELETE", path, status=409)["conflictingRequest"]
    assert refused["message"] == f"Detach volume from instance {SERVER} using the Compute API"
    assert running.json("DELETE", path, "admin", status=409)
    assert running.act(volume, "os-detach", {"attachment_id": made["id"]}, status=409)
    assert running.act(volume, "os-terminate_connection", {"connector": CONNECTOR}, status=409)
    other = running.available()["id"]
    refused = running.act(other, "os-detach", {"attachment_id": made["id"]}, status=400)["badRequest"]
    assert refused["message"] == "Invalid input received: Mismatched volume and attachment"
    assert running.json("DELETE", path, headers=SERVICE) == {"attachments": []}
    assert running.show(volume)["status"] == "available"


def test_the_older_actions(running: Cloud) -> None:
    volume = running.available()["id"]
    running.act(volume, "os-reserve")
    assert running.act(volume, "os-reserve", status=400)
    running.act(volume, "os-unreserve")
    assert running.show(volume)["status"] == "available"
    running.act(volume, "os-reserve")
    answer = running.act(volume, "os-initialize_connection", {"connector": CONNECTOR}, status=200)
    assert answer["connection_info"]["driver_volume_type"] == "simulated"
    running.act(volume, "os-attach", {"instance_uuid": SERVER, "mountpoint": "/dev/vdc"})
    shown = running.show(volume)
    assert (shown["status"], shown["metadata"]) == ("in-use", {"attached_mode": "rw"})
    running.act(volume, "os-begin_detaching")
    running.act(volume, "os-roll_detaching")
    running.act(volume, "os-begin_detaching")
    running.act(volume, "os-terminate_connection", {"connector": CONNECTOR})
    running.act(volume, "os-detach", {})
    after = running.show(volume)
    assert (after["status"], after["attachments"], after["metadata"]) == ("available", [], {})
    assert running.act(volume, "os-attach", {"instance_uuid": SERVER, "host_name": "h"}, status=400)


def test_guests_are_told_of_a_new_size(running: Cloud) -> None:
    volume = running.available()["id"]
    _attached(running, volume)
    assert (
        running.call("POST", f"/volumes/{volume}/action", version="3.41", json={"os-extend": {"new_size": 2}}).status
        == 400
    )
    running.act(volume, "os-extend", {"new_size": 2})
    assert running.settled(volume)["status"] == "in-use"
    event = {"name": "volume-extended", "server_uuid": SERVER, "tag": volume}
    assert running.servers.events == [event]


@pytest.mark.parametrize("method", ["connect"])
def test_a_connection_that_fails_leaves_nothing(cloud: Cloud, method: str) -> None:
    cloud.add_host("node1", faults=Faults(errors={method: "no"}))
    cloud.start_engine()
    volume = cloud.available()["id"]
    answer = _reserve(cloud, volume, status=409, connector=CONNECTOR)
    assert "cannot be connected" in answer["conflictingRequest"]["message"]
    assert cloud.json("GET", "/attachments")["attachments"] == []
    assert cloud.show(volume)["status"] == "available"


def test_a_swap_by_compute_moves_the_attachment(running: Cloud) -> None:
    old, new = running.available()["id"], running.available()["id"]
    _attached(running, old)
    running.act(new, "os-reserve")
    running.act(old, "os-begin_detaching")
    body = {"new_volume": new, "error": False}
    answer = running.act(old, "os-migrate_volume_completion", body, "admin", status=200)
    assert answer == {"save_volume_id": new}
    assert running.show(new)["attachments"][0]["server_id"] == SERVER
    assert (running.show(old)["status"], running.show(new)["status"]) == ("available", "in-use")


def test_an_export_that_was_lost_is_made_again(running: Cloud) -> None:
    volume, other = running.available()["id"], running.available()["id"]
    made = _attached(running, volume)
    driver = running.hosts["node1"]
    driver.disconnect(volume, made["id"])
    assert driver._volumes[volume].attachments == []
    lost = [volume, other, "unknown"]
    report = {"host": "node1", "availability_zone": "nova", "backends": [], "exports_lost": lost}
    running.bus.call("engine", "volume.report", {"report": {**report, "host": "elsewhere"}})
    running.bus.call("engine", "volume.report", {"report": report})
    running.until(lambda: driver._volumes[volume].attachments == [made["id"]])
    assert running.show(volume)["status"] == "in-use"


def test_force_does_not_delete_what_a_server_uses(running: Cloud) -> None:
    volume = running.available()["id"]
    made = _attached(running, volume)
    assert running.act(volume, "os-force_delete", {}, "admin", status=400)
    assert running.call("DELETE", f"/volumes/{volume}?force=true", "admin").status == 400
    assert running.json("DELETE", f"/attachments/{made['id']}", headers=SERVICE) == {"attachments": []}
    body = {"snapshot": {"volume_id": volume}}
    snapshot = running.json("POST", "/snapshots", status=202, json=body)["snapshot"]["id"]
    running.settled(snapshot, "snapshots")
    assert running.act(volume, "os-force_delete", {}, "admin", status=400)
    running.json("DELETE", f"/volumes/{volume}?force=true&cascade=true", "admin", status=202)
    running.until(lambda: running.is_gone(volume))
