"""Transfers: whoever shows the key takes the volume."""

from __future__ import annotations

import sqlalchemy as sa

from cumulet.volume.tables import transfers
from tests.volume.support import MISSING, OTHER_PROJECT, PROJECT, Cloud


def offer(cloud: Cloud, volume_id: str, **fields: object) -> dict[str, str]:
    body = {"transfer": {"volume_id": volume_id, **fields}}
    made: dict[str, str] = cloud.json("POST", "/volume-transfers", status=202, json=body)["transfer"]
    return made


def test_another_project_takes_the_volume_with_its_snapshots(running: Cloud) -> None:
    volume_id = running.available(name="v")["id"]
    snapshot = running.json("POST", "/snapshots", status=202, json={"snapshot": {"volume_id": volume_id}})["snapshot"]
    running.settled(snapshot["id"], "snapshots")
    made = offer(running, volume_id, name="t")
    assert running.show(volume_id)["status"] == "awaiting-transfer"
    assert made["source_project_id"] == PROJECT
    listed = running.json("GET", "/volume-transfers/detail")["transfers"]
    assert [(one["id"], "auth_key" in one) for one in listed] == [(made["id"], False)]
    assert running.call("GET", f"/volume-transfers/{made['id']}", "other").status == 404

    accept = f"/volume-transfers/{made['id']}/accept"
    wrong = running.json("POST", accept, "other", status=400, json={"accept": {"auth_key": "0" * 32}})
    assert wrong["badRequest"]["message"].startswith("Invalid auth key: Attempt to transfer")
    taken = running.json("POST", accept, "other", status=202, json={"accept": {"auth_key": made["auth_key"]}})
    assert taken["transfer"]["volume_id"] == volume_id
    shown = running.json("GET", f"/volumes/{volume_id}", "other")["volume"]
    assert (shown["status"], shown["os-vol-tenant-attr:tenant_id"]) == ("available", OTHER_PROJECT)
    assert running.call("GET", f"/volumes/{volume_id}").status == 404
    assert running.call("GET", f"/snapshots/{snapshot['id']}", "other").status == 200
    assert running.call("GET", f"/volume-transfers/{made['id']}").status == 404
    assert running.json("POST", accept, "other", status=404, json={"accept": {"auth_key": made["auth_key"]}})


def test_a_transfer_is_taken_back(running: Cloud) -> None:
    volume_id = running.available()["id"]
    made = offer(running, volume_id)
    twice = {"transfer": {"volume_id": volume_id}}
    assert "status must be available" in str(running.json("POST", "/volume-transfers", status=400, json=twice))
    running.json("DELETE", f"/volume-transfers/{made['id']}", status=202)
    assert running.show(volume_id)["status"] == "available"


def test_the_key_is_not_in_the_database(running: Cloud) -> None:
    made = offer(running, running.available()["id"])
    with running.service.db.read() as connection:
        row = connection.execute(sa.select(transfers)).one()
    assert made["auth_key"] not in str(tuple(row))


def test_the_older_path(running: Cloud) -> None:
    volume_id = running.available()["id"]
    path, version = "/os-volume-transfer", "3.0"
    body = {"transfer": {"volume_id": volume_id}}
    made = running.json("POST", path, status=202, version=version, json=body)["transfer"]
    assert sorted(made) == ["auth_key", "created_at", "id", "links", "name", "volume_id"]
    newer = running.json("GET", f"/volume-transfers/{made['id']}", version="3.54")["transfer"]
    assert newer == {key: value for key, value in made.items() if key != "auth_key"}
    refused = {"transfer": {"volume_id": volume_id, "no_snapshots": True}}
    assert running.call("POST", path, version=version, json=refused).status == 400
    running.json("DELETE", f"{path}/{made['id']}", status=202, version=version)


def test_quotas_of_the_project_that_takes(running: Cloud) -> None:
    running.json("PUT", f"/os-quota-sets/{OTHER_PROJECT}", "admin", json={"quota_set": {"volumes": 0}})
    volume_id = running.available()["id"]
    made = offer(running, volume_id)
    accept = {"accept": {"auth_key": made["auth_key"]}}
    assert running.call("POST", f"/volume-transfers/{made['id']}/accept", "other", json=accept).status == 413
    assert running.show(volume_id)["os-vol-tenant-attr:tenant_id"] == PROJECT


def test_what_is_refused(running: Cloud) -> None:
    assert running.call("GET", f"/volume-transfers/{MISSING}").status == 404
    assert running.call("POST", "/volume-transfers", json={"transfer": {"volume_id": MISSING}}).status == 404
    assert running.call("POST", "/volume-transfers", json={"transfer": {}}).status == 400
    volume_id = running.available()["id"]
    body = {"transfer": {"volume_id": volume_id}}
    assert running.call("POST", "/volume-transfers", "reader", json=body).status == 403
    assert running.call("POST", "/volume-transfers", "other", json=body).status == 404
