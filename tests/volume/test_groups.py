"""Groups, their types and snapshots; consistency groups."""

from __future__ import annotations

import functools
from typing import Any

from tests.volume.support import MISSING, PROJECT, Cloud


def make_type(cloud: Cloud) -> str:
    body = {"group_type": {"name": "together", "group_specs": {"a": "b"}}}
    return str(cloud.json("POST", "/group_types", "admin", status=202, json=body)["group_type"]["id"])


def volume_type(cloud: Cloud) -> str:
    return str(cloud.json("GET", "/types")["volume_types"][0]["id"])


def make_group(cloud: Cloud, **fields: Any) -> Any:
    """A group that is there, with its type."""
    body = {"group": {"group_type": make_type(cloud), "volume_types": [volume_type(cloud)], **fields}}
    made = cloud.json("POST", "/groups", status=202, json=body)["group"]
    found = cloud.settled(made["id"], "groups")
    assert found["status"] == "available", found
    return found


def gone(cloud: Cloud, path: str, noun: str, thing: str) -> None:
    cloud.until(functools.partial(cloud.is_gone, thing, noun))
    assert cloud.call("GET", path).status == 404


def test_a_group_from_its_making_to_its_end(running: Cloud) -> None:
    group = make_group(running, name="g", description="d")
    inside = running.available(group_id=group["id"], volume_type=group["volume_types"][0])
    path = f"/groups/{group['id']}"
    assert running.json("GET", f"{path}?list_volume=True")["group"]["volumes"] == [inside["id"]]
    assert running.json("GET", "/groups")["groups"] == [{"id": group["id"], "name": "g"}]
    assert running.call("GET", path, "other").status == 404
    assert running.call("DELETE", f"/volumes/{inside['id']}").status == 400

    refusal = running.json("POST", f"{path}/action", status=400, json={"delete": {"delete-volumes": False}})
    assert "not empty" in refusal["badRequest"]["message"]
    type_path = f"/group_types/{group['group_type']}"
    assert running.json("DELETE", type_path, "admin", status=400)
    running.json("POST", f"{path}/action", status=202, json={"delete": {"delete-volumes": True}})
    gone(running, path, "groups", group["id"])
    assert running.is_gone(inside["id"])
    running.json("DELETE", type_path, "admin", status=202)


def test_volumes_join_and_leave(running: Cloud) -> None:
    group = make_group(running)
    volume_id = running.available()["id"]
    path = f"/groups/{group['id']}"
    running.json("PUT", path, status=202, json={"group": {"add_volumes": volume_id, "name": "renamed"}})
    assert running.json("GET", f"{path}?list_volume=True")["group"]["volumes"] == [volume_id]
    running.json("PUT", path, status=202, json={"group": {"remove_volumes": volume_id}})
    shown = running.json("GET", f"{path}?list_volume=True")["group"]
    assert (shown["volumes"], shown["name"]) == ([], "renamed")
    assert running.call("PUT", path, json={"group": {"remove_volumes": volume_id}}).status == 400
    assert running.call("PUT", path, json={"group": {"add_volumes": MISSING}}).status == 400
    assert running.call("PUT", path, json={"group": {}}).status == 400


def test_a_group_of_a_group_snapshot(running: Cloud) -> None:
    group = make_group(running)
    inside = running.available(group_id=group["id"], volume_type=group["volume_types"][0])
    with running.drivers["node1"].opened(inside["id"], writable=True) as device:
        device.write(4096, b"together")
    body = {"group_snapshot": {"group_id": group["id"], "name": "s"}}
    snapshot = running.json("POST", "/group_snapshots", status=202, json=body)["group_snapshot"]
    assert running.settled(snapshot["id"], "group_snapshots")["status"] == "available"
    [own] = running.json("GET", "/snapshots/detail")["snapshots"]
    assert (own["group_snapshot_id"], own["volume_id"]) == (snapshot["id"], inside["id"])
    assert running.call("DELETE", f"/snapshots/{own['id']}").status == 400

    body = {"create-from-src": {"name": "copy", "group_snapshot_id": snapshot["id"]}}
    copy = running.json("POST", "/groups/action", status=202, json=body)["group"]
    assert running.settled(copy["id"], "groups")["status"] == "available"
    [made] = running.json("GET", f"/groups/{copy['id']}?list_volume=True")["group"]["volumes"]
    with running.drivers["node1"].opened(made) as device:
        assert device.read(4096, 8) == b"together"

    path = f"/group_snapshots/{snapshot['id']}"
    running.json("POST", f"{path}/action", status=403, json={"reset_status": {"status": "error"}})
    running.json("POST", f"{path}/action", "admin", status=202, json={"reset_status": {"status": "error"}})
    assert running.json("GET", path)["group_snapshot"]["status"] == "error"
    assert running.call("POST", f"{path}/action", "admin", json={"reset_status": {"status": "odd"}}).status == 400
    running.json("DELETE", path, status=202)
    gone(running, path, "group_snapshots", snapshot["id"])
    assert running.json("GET", "/snapshots")["snapshots"] == []


def test_a_group_of_a_group(running: Cloud) -> None:
    group = make_group(running)
    running.available(group_id=group["id"], volume_type=group["volume_types"][0])
    body = {"create-from-src": {"source_group_id": group["id"]}}
    copy = running.json("POST", "/groups/action", status=202, json=body)["group"]
    shown = running.settled(copy["id"], "groups")
    assert (shown["status"], shown["source_group_id"]) == ("available", group["id"])
    both = {"create-from-src": {"source_group_id": group["id"], "group_snapshot_id": MISSING}}
    assert running.call("POST", "/groups/action", json=both).status == 400


def test_types_and_their_specs(cloud: Cloud) -> None:
    type_id = make_type(cloud)
    path = f"/group_types/{type_id}"
    body = {"group_type": {"name": "together"}}
    assert cloud.call("POST", "/group_types", "admin", json=body).status == 409
    assert cloud.call("POST", "/group_types", json=body).status == 403
    specs = {"group_specs": {"c": "d"}}
    assert cloud.json("POST", f"{path}/group_specs", "admin", status=202, json=specs) == specs
    assert cloud.json("PUT", f"{path}/group_specs/c", "admin", json={"c": "e"}) == {"c": "e"}
    assert cloud.json("GET", f"{path}/group_specs/c", "admin") == {"c": "e"}
    cloud.json("DELETE", f"{path}/group_specs/a", "admin", status=202)
    assert cloud.json("GET", f"{path}/group_specs", "admin") == {"group_specs": {"c": "e"}}
    assert cloud.call("DELETE", f"{path}/group_specs/a", "admin").status == 404
    assert "group_specs" not in cloud.json("GET", path)["group_type"]
    names = {one["name"] for one in cloud.json("GET", "/group_types")["group_types"]}
    assert names == {"together", "default_cgsnapshot_type"}
    assert cloud.json("PUT", path, "admin", json={"group_type": {"is_public": False}})["group_type"]
    assert cloud.call("GET", path).status == 404
    assert cloud.call("GET", "/group_types/default").status == 404
    assert cloud.call("GET", "/group_types", version="3.10").status == 404


def test_consistency_groups_are_groups_of_one_type(running: Cloud) -> None:
    running.json("PUT", f"/os-quota-sets/{PROJECT}", "admin", json={"quota_set": {"groups": 2}})
    body = {"consistencygroup": {"name": "old", "volume_types": "__DEFAULT__"}}
    made = running.json("POST", "/consistencygroups", status=202, json=body)["consistencygroup"]
    group, path = made["id"], f"/consistencygroups/{made['id']}"
    assert made == {"id": group, "name": "old"}
    assert running.settled(group, "groups")["status"] == "available"
    assert running.json("GET", "/consistencygroups") == {"consistencygroups": [made]}
    shown = running.json("GET", path)["consistencygroup"]
    assert running.json("GET", "/consistencygroups/detail") == {"consistencygroups": [shown]}
    assert shown["volume_types"] == [volume_type(running)]

    inside = running.available(consistencygroup_id=group, volume_type="__DEFAULT__")["id"]
    free = running.available(volume_type="__DEFAULT__")["id"]
    running.json("PUT", f"{path}/update", status=202, json={"consistencygroup": {"add_volumes": free}})
    body = {"cgsnapshot": {"consistencygroup_id": group, "name": "s"}}
    snapshot = running.json("POST", "/cgsnapshots", status=202, json=body)["cgsnapshot"]
    running.settled(snapshot["id"], "group_snapshots")
    assert running.json("GET", "/cgsnapshots") == {"cgsnapshots": [snapshot]}
    assert running.json("GET", "/cgsnapshots/detail")["cgsnapshots"][0]["consistencygroup_id"] == group

    body = {"consistencygroup-from-src": {"cgsnapshot_id": snapshot["id"], "name": "copy"}}
    made = running.json("POST", "/consistencygroups/create_from_src", status=202, json=body)["consistencygroup"]
    assert running.settled(made["id"], "groups")["status"] == "available"
    assert running.json("DELETE", f"/cgsnapshots/{snapshot['id']}", status=202) is None
    gone(running, f"/cgsnapshots/{snapshot['id']}", "group_snapshots", snapshot["id"])
    assert running.call("POST", f"{path}/delete", json={"consistencygroup": {"force": False}}).status == 400
    running.json("POST", f"{path}/delete", status=202, json={"consistencygroup": {"force": True}})
    gone(running, path, "groups", group)
    assert running.is_gone(inside)
    assert running.is_gone(free)


def test_consistency_groups_are_told_what_is_wrong(running: Cloud) -> None:
    group = make_group(running)["id"]
    for body in ({}, {"volume_types": ""}, {"volume_types": "nope"}, {"volume_types": ["x"]}):
        status = running.call("POST", "/consistencygroups", json={"consistencygroup": body}).status
        assert status == (404 if body.get("volume_types") == "nope" else 400)
    both = {"cgsnapshot_id": MISSING, "source_cgid": MISSING}
    for source, status in (({}, 400), (both, 400), ({"source_cgid": MISSING}, 404)):
        body = {"consistencygroup-from-src": source}
        assert running.call("POST", "/consistencygroups/create_from_src", json=body).status == status
    missing = running.json("GET", f"/consistencygroups/{MISSING}", status=404)
    assert missing["itemNotFound"]["message"] == f"Group {MISSING} could not be found."
    assert running.call("GET", f"/consistencygroups/{group}").status == 404  # another type's
    assert running.call("PUT", f"/consistencygroups/{group}", json={"consistencygroup": {"name": ""}}).status == 400
    body = {"cgsnapshot": {"consistencygroup_id": group}}
    assert running.call("POST", "/cgsnapshots", json=body).status == 404
    assert running.call("DELETE", f"/cgsnapshots/{MISSING}").status == 404


def test_a_group_that_failed_takes_no_volumes(running: Cloud) -> None:
    group = make_group(running)
    body = {"reset_status": {"status": "error"}}
    running.json("POST", f"/groups/{group['id']}/action", "admin", status=202, json=body)
    refusal = running.create(status=400, group_id=group["id"], volume_type=group["volume_types"][0])
    assert "group status" in refusal["message"]


def test_status_is_reset_by_administrators(running: Cloud) -> None:
    group = make_group(running)
    path = f"/groups/{group['id']}/action"
    assert running.call("POST", path, json={"reset_status": {"status": "error"}}).status == 403
    running.json("POST", path, "admin", status=202, json={"reset_status": {"status": "error"}})
    assert running.json("GET", f"/groups/{group['id']}")["group"]["status"] == "error"
    assert running.call("POST", path, "admin", json={"reset_status": {"status": "odd"}}).status == 400
    assert running.call("POST", path, json={"enable_replication": {}}).status == 400
