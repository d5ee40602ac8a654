"""Managing what a back end has already, and leaving it there."""

from __future__ import annotations

from tests.volume.support import MISSING, Cloud

HOST = "node1@simulated#simulated"


def test_a_volume_is_left_and_taken_over_again(running: Cloud) -> None:
    volume_id = running.available()["id"]
    running.act(volume_id, "os-unmanage", status=403)
    running.act(volume_id, "os-unmanage", token="admin")
    running.until(lambda: running.is_gone(volume_id))
    path = f"/manageable_volumes?host={HOST.replace('#', '%23')}"
    [offered] = running.json("GET", path, "admin")["manageable-volumes"]
    reference = {"source-name": f"volume-{volume_id}"}
    assert offered == {"reference": reference, "size": 1, "safe_to_manage": True}

    body = {"volume": {"host": HOST, "ref": reference, "name": "again"}}
    assert running.call("POST", "/manageable_volumes", json=body).status == 403
    made = running.json("POST", "/manageable_volumes", "admin", status=202, json=body)["volume"]
    shown = running.settled(made["id"])
    assert (shown["status"], shown["size"], shown["name"]) == ("available", 1, "again")
    detail = path.replace("manageable_volumes", "manageable_volumes/detail")
    [listed] = running.json("GET", detail, "admin")["manageable-volumes"]
    assert (listed["cinder_id"], listed["reason_not_safe"]) == (made["id"], "already managed")


def test_what_is_not_there(running: Cloud) -> None:
    body = {"volume": {"host": HOST, "ref": {"source-name": "volume-none"}}}
    made = running.json("POST", "/os-volume-manage", "admin", status=202, json=body)["volume"]
    assert running.settled(made["id"])["status"] == "error_managing"
    elsewhere = {"volume": {"host": "nowhere@x#y", "ref": {"source-name": "v"}}}
    assert running.call("POST", "/os-volume-manage", "admin", json=elsewhere).status == 400
    assert running.call("POST", "/os-volume-manage", "admin", json={"volume": {"host": HOST}}).status == 400
    refusal = running.json("GET", "/os-volume-manage", "admin", status=400)
    assert refusal["badRequest"]["message"] == (
        "Invalid input received: One and only one of cluster and host must be set."
    )
    assert running.call("GET", "/manageable_volumes?host=nowhere@x", "admin").status == 404
    assert running.call("GET", "/manageable_volumes?host=node1@simulated&sort=color", "admin").status == 400


def test_snapshots_are_listed_and_forgotten(running: Cloud) -> None:
    volume_id = running.available()["id"]
    body = {"snapshot": {"volume_id": volume_id}}
    snapshot_id = running.json("POST", "/snapshots", status=202, json=body)["snapshot"]["id"]
    running.settled(snapshot_id, "snapshots")
    path = f"/manageable_snapshots/detail?host={HOST.replace('#', '%23')}"
    [listed] = running.json("GET", path, "admin")["manageable-snapshots"]
    assert (listed["cinder_id"], listed["safe_to_manage"]) == (snapshot_id, False)
    assert listed["source_reference"] == {"source-name": f"volume-{volume_id}"}
    assert "snapshots" in str(running.act(volume_id, "os-unmanage", token="admin", status=400))
    refusal = running.json("POST", f"/snapshots/{snapshot_id}/action", status=403, json={"os-unmanage": {}})
    assert "forbidden" in refusal
    running.json("POST", f"/snapshots/{snapshot_id}/action", "admin", status=202, json={"os-unmanage": {}})
    running.until(lambda: running.is_gone(snapshot_id, "snapshots"))
    body = {"snapshot": {"volume_id": MISSING, "ref": {"source-name": "s"}}}
    assert running.call("POST", "/manageable_snapshots", "admin", json=body).status == 404
