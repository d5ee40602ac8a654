"""Volumes from wish to bytes: created, listed, changed, deleted."""

from __future__ import annotations

import json

from cumulet.simulator.volume import Faults
from tests.volume.support import IMAGE_ID, MISSING, PROJECT, Cloud


def test_a_volume_is_made_shown_and_deleted(running: Cloud) -> None:
    made = running.create(name="one", description="first", metadata={"a": "b"})
    assert (made["status"], made["size"], made["metadata"]) == ("creating", 1, {"a": "b"})
    assert made["volume_type"] == "__DEFAULT__"
    shown = running.settled(made["id"])
    assert shown["status"] == "available"
    assert shown["os-vol-host-attr:host"] == "node1@simulated#simulated"
    assert running.json("DELETE", f"/volumes/{made['id']}", status=202) is None
    running.until(lambda: running.is_gone(made["id"]))


def test_others_do_not_find_it(running: Cloud) -> None:
    made = running.available()
    assert running.call("GET", f"/volumes/{made['id']}", "other").status == 404
    assert running.call("DELETE", f"/volumes/{made['id']}", "reader").status == 403
    assert running.json("GET", "/volumes", "other")["volumes"] == []
    everyone = running.json("GET", "/volumes/detail?all_tenants=1", "admin")["volumes"]
    assert [volume["id"] for volume in everyone] == [made["id"]]


def test_volumes_of_snapshots_volumes_and_images(running: Cloud) -> None:
    running.images.data[IMAGE_ID] = b"image data"
    source = running.available(imageRef=IMAGE_ID)
    assert source["bootable"] == "true"
    assert source["volume_image_metadata"]["image_id"] == IMAGE_ID
    clone = running.available(source_volid=source["id"], size=2)
    assert (clone["size"], clone["bootable"], clone["source_volid"]) == (2, "true", source["id"])
    body = {"snapshot": {"volume_id": source["id"], "name": "s"}}
    snapshot = running.json("POST", "/snapshots", status=202, json=body)["snapshot"]
    assert running.settled(snapshot["id"], "snapshots")["status"] == "available"
    restored = running.available(snapshot_id=snapshot["id"])
    assert restored["snapshot_id"] == snapshot["id"]
    refused = running.create(snapshot_id=snapshot["id"], source_volid=source["id"], status=400)
    assert "at most" in refused["message"]
    assert running.call("DELETE", f"/volumes/{source['id']}").status == 400
    running.json("DELETE", f"/volumes/{source['id']}?cascade=true", status=202)
    running.until(lambda: running.is_gone(source["id"]))
    assert running.is_gone(snapshot["id"], "snapshots")


def test_an_image_of_a_server_on_a_volume_stands_for_its_snapshot(running: Cloud) -> None:
    running.images.data[IMAGE_ID] = b"image data"
    source = running.available(imageRef=IMAGE_ID)
    body = {"snapshot": {"volume_id": source["id"], "name": "snapshot for image"}}
    snapshot = running.json("POST", "/snapshots", status=202, json=body)["snapshot"]
    running.settled(snapshot["id"], "snapshots")
    image_id = _image_of_a_server(running, snapshot["id"])
    restored = running.available(imageRef=image_id)
    assert (restored["snapshot_id"], restored["bootable"]) == (snapshot["id"], "true")
    assert restored["volume_image_metadata"]["image_id"] == IMAGE_ID
    wanted = {"volume": {"size": 1, "imageRef": image_id}}
    older = running.call("POST", "/volumes", version="3.45", json=wanted).json()["volume"]
    assert older["snapshot_id"] is None
    running.json("DELETE", f"/snapshots/{snapshot['id']}", status=202)
    running.until(lambda: running.is_gone(snapshot["id"], "snapshots"))
    assert running.create(imageRef=image_id, status=404)["message"] == (
        f"Nova specific image is found, but boot volume snapshot id:{snapshot['id']} not found."
    )


def test_block_devices_of_an_image_that_say_nothing_are_no_snapshot(running: Cloud) -> None:
    running.images.data[IMAGE_ID] = b"image data"
    for devices in ("{", "5", '["x"]', '[{"source_type": "snapshot", "boot_index": 0}]', '[{"boot_index": 0}]'):
        running.images.images[IMAGE_ID]["block_device_mapping"] = devices
        assert running.available(imageRef=IMAGE_ID)["snapshot_id"] is None


def _image_of_a_server(running: Cloud, snapshot_id: str) -> str:
    """As Compute makes it: without data, and with the snapshot that its servers' volumes are made from."""
    devices = [
        {"source_type": "blank", "boot_index": -1, "snapshot_id": None},
        {"source_type": "snapshot", "boot_index": 0, "snapshot_id": snapshot_id},
    ]
    facts = {"id": MISSING, "size": 0, "bdm_v2": "True", "block_device_mapping": json.dumps(devices)}
    running.images.images[MISSING] = running.images.images[IMAGE_ID] | facts
    return MISSING


def test_what_cannot_be_made_says_why(running: Cloud) -> None:
    assert "size" in running.create(size="x", status=400)["message"]
    assert running.create(snapshot_id=MISSING, status=404)["message"] == f"Snapshot {MISSING} could not be found."
    assert running.create(source_volid=MISSING, status=404)["message"] == f"Volume {MISSING} could not be found."
    assert running.create(volume_type="none", status=404)["message"] == (
        "Volume type with name none could not be found."
    )
    assert running.create(availability_zone="moon", status=400)["message"] == "Availability zone 'moon' is invalid."
    assert "image" in running.create(imageRef="x", status=400)["message"]


def test_a_refusal_of_the_back_end_is_an_error_that_can_be_deleted(cloud: Cloud) -> None:
    cloud.add_host("node1", faults=Faults(errors={"create": "no"}))
    cloud.start_engine()
    made = cloud.create()
    assert cloud.settled(made["id"])["status"] == "error"
    cloud.json("DELETE", f"/volumes/{made['id']}", status=202)
    cloud.until(lambda: cloud.is_gone(made["id"]))


def test_no_pool_is_large_enough(cloud: Cloud) -> None:
    cloud.add_host("node1", total_gb=10)
    cloud.start_engine()
    assert cloud.settled(cloud.create(size=500)["id"])["status"] == "error"
    assert cloud.settled(cloud.create(size=5)["id"])["status"] == "available"


def test_quotas_hold_and_are_freed(running: Cloud) -> None:
    project = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    limits = {"quota_set": {"volumes": 2, "gigabytes": 3}}
    running.json("PUT", f"/os-quota-sets/{project}", "admin", json=limits)
    first = running.available(size=2)
    refused = running.create(size=2, status=413)
    assert refused["code"] == 413
    assert "gigabytes" in refused["message"]
    running.available(size=1)
    assert running.create(status=413)["message"].startswith("Maximum number of volumes allowed (2)")
    running.json("DELETE", f"/volumes/{first['id']}", status=202)
    running.until(lambda: running.is_gone(first["id"]))
    running.available()
    used = running.json("GET", f"/os-quota-sets/{project}?usage=true")["quota_set"]
    assert used["volumes"] == {"limit": 2, "in_use": 2, "reserved": 0}
    assert used["gigabytes___DEFAULT__"]["in_use"] == 2


def test_pages_sorting_and_filters(running: Cloud) -> None:
    ids = [running.available(name=f"v{number}", metadata={"n": str(number)})["id"] for number in range(4)]
    names = [each["name"] for each in running.json("GET", "/volumes?sort=name:asc")["volumes"]]
    assert names == ["v0", "v1", "v2", "v3"]
    page = running.json("GET", "/volumes/detail?limit=2&sort=name:asc&with_count=true")
    assert [each["id"] for each in page["volumes"]] == ids[:2]
    assert page["count"] == 4
    assert f"marker={ids[1]}" in page["volumes_links"][0]["href"]
    after = running.json("GET", f"/volumes?limit=2&sort=name:asc&marker={ids[1]}")["volumes"]
    assert [each["id"] for each in after] == ids[2:]
    assert len(running.json("GET", "/volumes?metadata=%7B'n':'2'%7D")["volumes"]) == 1
    assert len(running.json("GET", "/volumes?name~=v")["volumes"]) == 4
    assert running.json("GET", "/volumes?status=error")["volumes"] == []
    assert running.call("GET", "/volumes?limit=-1").status == 400
    assert running.call("GET", "/volumes?host=x").status == 400
    assert running.call("GET", f"/volumes?marker={MISSING}").status == 404
    summary = running.json("GET", "/volumes/summary")["volume-summary"]
    assert (summary["total_count"], summary["metadata"]) == (4, {"n": ["0", "1", "2", "3"]})


def test_metadata(running: Cloud) -> None:
    path = f"/volumes/{running.available()['id']}/metadata"
    assert running.json("POST", path, json={"metadata": {"a": "1"}}) == {"metadata": {"a": "1"}}
    assert running.json("PUT", f"{path}/b", json={"meta": {"b": "2"}}) == {"meta": {"b": "2"}}
    assert running.json("GET", path) == {"metadata": {"a": "1", "b": "2"}}
    running.json("DELETE", f"{path}/a")
    assert running.json("GET", f"{path}/a", status=404)["itemNotFound"]["code"] == 404
    assert running.json("PUT", path, json={"metadata": {}}) == {"metadata": {}}
    assert running.call("PUT", path, json={"metadata": {"a": "x" * 256}}).status == 400


def test_urls_of_other_projects_are_malformed(running: Cloud) -> None:
    answer = running.client.get(f"/v3/{'e' * 32}/volumes", token="member")
    assert answer.json()["badRequest"]["message"] == "Malformed request url"
    assert running.client.get("/v3/volumes", token="member").status == 200


def test_filters_as_the_original_reads_them(running: Cloud) -> None:
    volume = running.available(name="one")["id"]
    everything = [volume]

    def listed(query: str, token: str = "admin", version: str = "3.71") -> list[str]:
        found = running.json("GET", f"/volumes?{query}", token, version=version)["volumes"]
        return [each["id"] for each in found]

    assert listed("migration_status=None", "member") == everything
    assert listed("bootable=false", "member") == everything
    assert running.call("GET", "/volumes?bootable=maybe").status == 400
    assert listed(f"project_id={PROJECT}") == []  # of the administrator's own project
    assert listed(f"all_tenants=1&project_id={PROJECT}") == everything
    assert listed("all_tenants=1&with_count=true", version="3.44") == []  # no filter that anything could pass
    assert listed("with_count=true", "member", version="3.45") == everything
