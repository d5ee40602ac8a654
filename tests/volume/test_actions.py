"""What is done to volumes: extend, retype, upload, revert, re-image, states by hand, migration."""

from __future__ import annotations

from typing import Any

from cumulet.simulator.volume import Faults
from tests.volume.support import IMAGE_ID, PROJECT, Cloud


def _type(cloud: Cloud, name: str, **specs: str) -> Any:
    body = {"volume_type": {"name": name, "extra_specs": specs}}
    return cloud.json("POST", "/types", "admin", json=body)["volume_type"]


def _snapshot(cloud: Cloud, volume_id: str) -> Any:
    body = {"snapshot": {"volume_id": volume_id}}
    made = cloud.json("POST", "/snapshots", status=202, json=body)["snapshot"]
    return cloud.settled(made["id"], "snapshots")


def test_extend(running: Cloud) -> None:
    volume = running.available()
    running.act(volume["id"], "os-extend", {"new_size": 3})
    grown = running.settled(volume["id"])
    assert (grown["status"], grown["size"]) == ("available", 3)
    refused = running.act(volume["id"], "os-extend", {"new_size": 3}, status=400)
    assert "greater than current size" in refused["badRequest"]["message"]
    running.json("PUT", f"/os-quota-sets/{PROJECT}", "admin", json={"quota_set": {"gigabytes": 4}})
    assert running.act(volume["id"], "os-extend", {"new_size": 5}, status=413)["overLimit"]["code"] == 413


def test_an_extension_that_fails_gives_its_quota_back(cloud: Cloud) -> None:
    cloud.add_host("node1", faults=Faults(errors={"extend": "no"}))
    cloud.start_engine()
    volume = cloud.available()
    cloud.act(volume["id"], "os-extend", {"new_size": 5})
    assert cloud.settled(volume["id"])["status"] == "error_extending"
    used = cloud.json("GET", f"/os-quota-sets/{PROJECT}?usage=true")["quota_set"]
    assert used["gigabytes"]["in_use"] == 1


def test_flags_and_image_metadata(running: Cloud) -> None:
    volume = running.available()["id"]
    running.act(volume, "os-set_bootable", {"bootable": True}, status=200)
    running.act(volume, "os-update_readonly_flag", {"readonly": "yes"})
    running.act(volume, "os-set_image_metadata", {"metadata": {"k": "v", "l": "w"}}, status=200)
    running.act(volume, "os-unset_image_metadata", {"key": "k"}, status=200)
    shown = running.show(volume)
    assert (shown["bootable"], shown["metadata"], shown["volume_image_metadata"]) == (
        "true",
        {"readonly": "True"},
        {"l": "w"},
    )
    assert running.act(volume, "os-update_readonly_flag", {"readonly": "maybe"}, status=400)
    assert running.act(volume, "os-unset_image_metadata", {"key": "k"}, status=404)


def test_retype_where_it_is_or_by_moving(cloud: Cloud) -> None:
    cloud.add_host("node1")
    cloud.add_host("node2")
    cloud.start_engine()
    _type(cloud, "any")
    _type(cloud, "gone", volume_backend_name="none")
    volume = cloud.available()
    cloud.act(volume["id"], "os-retype", {"new_type": "any"})
    assert cloud.settled(volume["id"])["volume_type"] == "any"
    cloud.act(volume["id"], "os-retype", {"new_type": "gone", "migration_policy": "on-demand"})
    kept = cloud.settled(volume["id"])
    assert (kept["status"], kept["volume_type"]) == ("available", "any")


def test_migration_moves_the_bytes(cloud: Cloud) -> None:
    cloud.add_host("node1")
    cloud.add_host("node2")
    cloud.start_engine()
    cloud.images.data[IMAGE_ID] = b"precious"
    volume = cloud.available(imageRef=IMAGE_ID)
    here = volume["os-vol-host-attr:host"]
    there = here.replace("node1", "node2") if "node1" in here else here.replace("node2", "node1")
    cloud.act(volume["id"], "os-migrate_volume", {"host": there}, "admin")
    moved = cloud.until(lambda: cloud.show(volume["id"])["migration_status"] == "success" and cloud.show(volume["id"]))
    assert moved["os-vol-host-attr:host"] == there
    answer = cloud.act(volume["id"], "os-volume_upload_image", {"image_name": "copy"})["os-volume_upload_image"]
    cloud.settled(volume["id"])
    assert cloud.images.data[answer["image_id"]].startswith(b"precious")
    refusal = cloud.act(volume["id"], "os-migrate_volume", {"host": "moon@x#y"}, "admin", status=400)
    assert refusal["badRequest"]["message"] == "Invalid host: No available service named 'moon@x#y'"


def test_a_volume_with_snapshots_stays_where_they_are(cloud: Cloud) -> None:
    """In the original's words, for a migration and for a retype that needs one."""
    cloud.add_host("node1")
    cloud.add_host("node2")
    cloud.start_engine()
    _type(cloud, "elsewhere", volume_backend_name="none")
    volume = cloud.available()
    cloud.json("POST", "/snapshots", status=202, json={"snapshot": {"volume_id": volume["id"]}})
    here = volume["os-vol-host-attr:host"]
    for host in (here, here.replace("node1", "nodeX").replace("node2", "node1").replace("nodeX", "node2")):
        refusal = cloud.act(volume["id"], "os-migrate_volume", {"host": host}, "admin", status=400)
        assert refusal["badRequest"]["message"] == (
            f"Invalid volume: Volume {volume['id']} status must be available or in-use, must not be migrating, have "
            f"snapshots, be replicated, be part of a group and destination host/cluster must be different than the "
            f"current one"
        )
    cloud.act(volume["id"], "os-retype", {"new_type": "elsewhere", "migration_policy": "on-demand"})
    kept = cloud.settled(volume["id"])
    assert (kept["status"], kept["os-vol-host-attr:host"]) == ("available", here)


def test_upload_and_reimage(running: Cloud) -> None:
    running.images.data[IMAGE_ID] = b"image data"
    volume = running.available()
    body = {"image_name": "copy", "container_format": "bare", "disk_format": "raw"}
    answer = running.act(volume["id"], "os-volume_upload_image", body)["os-volume_upload_image"]
    assert (answer["status"], answer["image_name"]) == ("uploading", "copy")
    assert running.settled(volume["id"])["status"] == "available"
    running.until(lambda: running.images.images[answer["image_id"]]["status"] == "active")
    running.act(volume["id"], "os-reimage", {"image_id": IMAGE_ID})
    assert running.settled(volume["id"])["volume_image_metadata"]["image_id"] == IMAGE_ID


def test_a_root_volume_that_is_reserved_for_a_rebuild_gets_another_image(running: Cloud) -> None:
    """As Compute asks it to (2.93): only with its flag, and it is told when the bytes are there."""
    running.images.data[IMAGE_ID] = b"image data"
    volume = running.available(size=2)
    server = "77777777-7777-4777-8777-777777777777"
    body = {"attachment": {"volume_uuid": volume["id"], "instance_uuid": server}}
    held = running.json("POST", "/attachments", json=body)["attachment"]["id"]
    given = {"image_id": IMAGE_ID}
    assert running.act(volume["id"], "os-reimage", given, status=400)
    refused = running.call("POST", f"/volumes/{volume['id']}/action", version="3.67", json={"os-reimage": given})
    assert refused.status == 404
    running.act(volume["id"], "os-reimage", given | {"reimage_reserved": True})
    shown = running.settled(volume["id"])
    assert (shown["status"], shown["bootable"], shown["size"]) == ("reserved", "true", 2)
    assert shown["volume_image_metadata"]["image_id"] == IMAGE_ID
    event = {"name": "volume-reimaged", "server_uuid": server, "tag": volume["id"]}
    running.until(lambda: running.servers.events == [event])
    assert [each["id"] for each in running.json("GET", "/attachments")["attachments"]] == [held]
    running.images.images[IMAGE_ID]["status"] = "deactivated"
    assert running.act(volume["id"], "os-reimage", given | {"reimage_reserved": True}, status=400)


def test_a_volume_that_was_let_go_while_it_was_filled_is_nobodys(cloud: Cloud) -> None:
    """Its status follows its attachments, not what it was before: a reserved one without could never be deleted."""
    cloud.images.data[IMAGE_ID] = b"image data"
    cloud.add_host("node1", faults=Faults(delays={"from_image": 1.0}))
    cloud.start_engine()
    volume = cloud.available()
    body = {"attachment": {"volume_uuid": volume["id"], "instance_uuid": "77777777-7777-4777-8777-777777777777"}}
    held = cloud.json("POST", "/attachments", json=body)["attachment"]["id"]
    cloud.act(volume["id"], "os-reimage", {"image_id": IMAGE_ID, "reimage_reserved": True})
    cloud.json("DELETE", f"/attachments/{held}")
    assert cloud.show(volume["id"])["status"] == "downloading"
    assert cloud.settled(volume["id"])["status"] == "available"


def test_an_upload_that_fails_leaves_no_image(cloud: Cloud) -> None:
    cloud.add_host("node1", faults=Faults(errors={"opened": "no"}))
    cloud.start_engine()
    volume = cloud.available()
    image_id = cloud.act(volume["id"], "os-volume_upload_image", {"image_name": "c"})["os-volume_upload_image"][
        "image_id"
    ]
    assert cloud.settled(volume["id"])["status"] == "available"
    cloud.until(lambda: image_id not in cloud.images.images or cloud.images.images[image_id]["status"] == "active")


def test_revert_to_the_latest_snapshot(running: Cloud) -> None:
    volume = running.available()
    first, second = _snapshot(running, volume["id"]), _snapshot(running, volume["id"])
    assert running.act(volume["id"], "revert", {"snapshot_id": first["id"]}, status=400)
    running.act(volume["id"], "revert", {"snapshot_id": second["id"]})
    assert running.settled(volume["id"])["status"] == "available"
    assert running.settled(second["id"], "snapshots", passing=("restoring",))["status"] == "available"


def test_states_by_hand(running: Cloud) -> None:
    volume = running.available()["id"]
    running.act(volume, "os-reset_status", {"status": "error"}, "admin")
    assert running.show(volume)["status"] == "error"
    assert running.act(volume, "os-reset_status", {"status": "odd"}, "admin", status=400)
    assert running.act(volume, "os-reset_status", {"status": "error"}, status=403)
    running.act(volume, "os-reset_status", {"status": "creating"}, "admin")
    running.act(volume, "os-force_delete", {}, "admin")
    running.until(lambda: running.is_gone(volume))
    assert running.act(volume, "os-extend", {"new_size": 2}, status=404)


def test_unknown_actions_are_refused(running: Cloud) -> None:
    volume = running.available()["id"]
    assert "no such action" in running.act(volume, "fly", {}, status=400)["badRequest"]["message"]
    assert running.call("POST", f"/volumes/{volume}/action", json={}).status == 400
