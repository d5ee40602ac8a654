"""Moving volumes that servers use: Compute swaps, and the volume keeps its id."""

from __future__ import annotations

from typing import Any

import pytest

from tests.volume.support import Cloud

SERVER = "77777777-7777-4777-8777-777777777777"
OTHER = "66666666-6666-4666-8666-666666666666"
SERVICE = {"X-Service-Token": "nova"}
CONNECTOR = {"host": "compute1", "ip": "192.0.2.1", "initiator": "x"}


def attach(cloud: Cloud, volume_id: str, server_id: str = SERVER) -> Any:
    body = {"attachment": {"volume_uuid": volume_id, "instance_uuid": server_id, "connector": CONNECTOR}}
    made = cloud.json("POST", "/attachments", json=body)["attachment"]
    cloud.json("POST", f"/attachments/{made['id']}/action", status=204, json={"os-complete": {}})
    return made


@pytest.fixture
def two(cloud: Cloud) -> Cloud:
    """Two hosts and an engine."""
    cloud.add_host("node1")
    cloud.add_host("node2")
    cloud.start_engine()
    return cloud


def in_use(cloud: Cloud, **fields: Any) -> tuple[Any, Any, str]:
    """(volume, its attachment, a pool where it is not)"""
    volume = cloud.available(**fields)
    made = attach(cloud, volume["id"])
    here = volume["os-vol-host-attr:host"]
    pools = [each["name"] for each in cloud.json("GET", "/scheduler-stats/get_pools", "admin")["pools"]]
    return volume, made, next(name for name in pools if name != here)


def asked(cloud: Cloud) -> str:
    """The id of the volume that Compute was asked to put in its place."""
    cloud.until(lambda: cloud.servers.swaps)
    [(server_id, _, new)] = cloud.servers.swaps
    assert server_id == SERVER
    return new


def finish(cloud: Cloud, old: str, new: str, attachment: str) -> Any:
    """As Compute does: the new one is attached, the old attachment ends, Volume is told. Returns the attachment."""
    made = attach(cloud, new)
    cloud.json("DELETE", f"/attachments/{attachment}", headers=SERVICE)
    answer = cloud.act(old, "os-migrate_volume_completion", {"new_volume": new, "error": False}, "nova", status=200)
    assert answer == {"save_volume_id": old}
    return made


def test_a_volume_in_use_is_migrated_by_a_swap(two: Cloud) -> None:
    volume, old_attachment, target = in_use(two, name="data", metadata={"k": "v"})
    old, here = volume["id"], volume["os-vol-host-attr:host"]
    two.act(old, "os-migrate_volume", {"host": target}, "admin")
    new = asked(two)
    shown = two.show(new)
    assert (shown["migration_status"], shown["status"]) == (f"target:{old}", "available")
    assert (shown["consumes_quota"], shown["os-vol-host-attr:host"]) == (False, target)
    assert two.show(old)["migration_status"] == "migrating"
    assert two.call("DELETE", f"/volumes/{old}").status == 400

    attachment = finish(two, old, new, old_attachment["id"])
    moved = two.show(old)
    assert (moved["status"], moved["migration_status"], moved["os-vol-host-attr:host"]) == ("in-use", "success", target)
    assert (moved["metadata"], moved["os-vol-mig-status-attr:name_id"]) == ({"k": "v", "attached_mode": "rw"}, new)
    assert [each["attachment_id"] for each in moved["attachments"]] == [attachment["id"]]
    two.until(lambda: two.is_gone(new))
    hosts = {f"{name}@simulated": driver for name, driver in two.hosts.items()}
    assert old not in hosts[here.partition("#")[0]]._volumes
    assert new in hosts[target.partition("#")[0]]._volumes

    two.json("DELETE", f"/attachments/{attachment['id']}", headers=SERVICE)
    assert two.show(old)["status"] == "available"
    two.json("DELETE", f"/volumes/{old}", status=202)
    two.until(lambda: two.is_gone(old))
    assert all(driver._volumes == {} for driver in two.hosts.values())


def test_a_swap_that_failed_leaves_the_volume_where_it_is(two: Cloud) -> None:
    volume, attachment, target = in_use(two)
    old = volume["id"]
    two.act(old, "os-migrate_volume", {"host": target, "lock_volume": True}, "admin")
    new = asked(two)
    assert two.show(old)["status"] == "maintenance"
    body = {"new_volume": new, "error": True}
    assert two.act(old, "os-migrate_volume_completion", body, "nova", status=200) == {"save_volume_id": old}
    shown = two.show(old)
    assert (shown["status"], shown["migration_status"]) == ("in-use", "error")
    assert shown["os-vol-host-attr:host"] == volume["os-vol-host-attr:host"]
    assert [each["attachment_id"] for each in shown["attachments"]] == [attachment["id"]]
    two.until(lambda: two.is_gone(new))
    assert len(two.json("GET", f"/messages?resource_uuid={old}")["messages"]) == 1
    assert two.call("POST", f"/volumes/{old}/action", "nova", json={"os-migrate_volume_completion": body}).status == 404


def test_compute_that_refuses_ends_the_migration(two: Cloud) -> None:
    volume, _, target = in_use(two)
    two.servers.swap_status = 400
    two.act(volume["id"], "os-migrate_volume", {"host": target}, "admin")
    two.until(lambda: two.show(volume["id"])["migration_status"] == "error")
    two.until(lambda: len(two.json("GET", "/volumes")["volumes"]) == 1)
    assert two.show(volume["id"])["status"] == "in-use"


def test_a_volume_of_two_servers_is_not_moved(two: Cloud) -> None:
    specs = {"multiattach": "<is> True"}
    two.json("POST", "/types", "admin", json={"volume_type": {"name": "shared", "extra_specs": specs}})
    volume, _, target = in_use(two, volume_type="shared")
    attach(two, volume["id"], OTHER)
    refusal = two.act(volume["id"], "os-migrate_volume", {"host": target}, "admin", status=400)
    assert "exactly one server" in refusal["badRequest"]["message"]


def test_a_completion_that_nobody_waits_for_changes_nothing(two: Cloud) -> None:
    volume, attachment, target = in_use(two)
    old = volume["id"]
    two.act(old, "os-migrate_volume", {"host": target}, "admin")
    new = asked(two)
    attach(two, new)
    body = {"new_volume": new, "error": False}
    refusal = two.act(old, "os-migrate_volume_completion", body, "nova", status=400)
    assert "still attached" in refusal["badRequest"]["message"]
    two.act(old, "os-reset_status", {"migration_status": "none"}, "admin")
    two.act(old, "os-migrate_volume_completion", body, "nova", status=400)
    assert [each["attachment_id"] for each in two.show(old)["attachments"]] == [attachment["id"]]


def test_an_encrypted_volume_takes_the_key_of_its_new_place(two: Cloud) -> None:
    kind = two.json("POST", "/types", "admin", json={"volume_type": {"name": "luks"}})["volume_type"]["id"]
    body = {"encryption": {"provider": "luks", "control_location": "front-end", "key_size": 256}}
    two.json("POST", f"/types/{kind}/encryption", "admin", json=body)
    volume, attachment, target = in_use(two, volume_type="luks")
    two.act(volume["id"], "os-migrate_volume", {"host": target}, "admin")
    new = asked(two)
    keys = [two.show(each)["encryption_key_id"] for each in (volume["id"], new)]
    assert keys[0] != keys[1]
    finish(two, volume["id"], new, attachment["id"])
    assert two.show(volume["id"])["encryption_key_id"] == keys[1]
    two.until(lambda: two.is_gone(new))


def test_a_retype_in_use_moves_to_where_the_new_type_is(database_urls: Any, tmp_path: Any) -> None:
    cloud = Cloud(tmp_path, database_urls, "scheduler_default_filters = CapacityFilter, CapabilitiesFilter, JsonFilter")
    try:
        cloud.add_host("node1", total_gb=1000)
        cloud.start_engine()
        volume = cloud.available()
        attachment = attach(cloud, volume["id"])
        cloud.add_host("node2", total_gb=500)
        kind = {"name": "small", "extra_specs": {"total_capacity_gb": "<= 500"}}
        cloud.json("POST", "/types", "admin", json={"volume_type": kind})
        given = {"new_type": "small", "migration_policy": "never"}
        cloud.act(volume["id"], "os-retype", given)
        cloud.until(lambda: cloud.show(volume["id"])["status"] == "in-use")
        assert cloud.servers.swaps == []
        cloud.act(volume["id"], "os-retype", given | {"migration_policy": "on-demand"})
        new = asked(cloud)
        assert cloud.show(volume["id"])["status"] == "retyping"
        finish(cloud, volume["id"], new, attachment["id"])
        shown = cloud.show(volume["id"])
        assert (shown["status"], shown["volume_type"]) == ("in-use", "small")
        assert shown["os-vol-host-attr:host"].startswith("node2@")
        cloud.until(lambda: cloud.is_gone(new))
    finally:
        cloud.close()
