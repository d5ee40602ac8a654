"""Backups: full, incremental, restored, exported, imported; what is refused."""

from __future__ import annotations

import base64
import functools
import json
from typing import Any

import pytest

from tests.volume.support import MISSING, Cloud

PATTERN = bytes(range(256)) * 256


def write(cloud: Cloud, volume_id: str, offset: int, data: bytes) -> None:
    with cloud.drivers["node1"].opened(volume_id, writable=True) as device:
        device.write(offset, data)


def read(cloud: Cloud, volume_id: str, offset: int, length: int = len(PATTERN)) -> bytes:
    with cloud.drivers["node1"].opened(volume_id) as device:
        return device.read(offset, length)


def back_up(cloud: Cloud, volume_id: str, **fields: Any) -> Any:
    """A backup that is there."""
    body = {"backup": {"volume_id": volume_id, **fields}}
    made = cloud.json("POST", "/backups", status=202, json=body)["backup"]
    found = cloud.settled(made["id"], "backups")
    assert found["status"] == "available", found
    return found


def test_a_backup_is_restored_into_a_new_volume(running: Cloud) -> None:
    volume = running.available(name="source", metadata={"kept": "yes"})
    write(running, volume["id"], 1 << 20, PATTERN)
    backup = back_up(running, volume["id"], name="nightly", description="d", metadata={"a": "b"})
    assert (backup["size"], backup["is_incremental"], backup["has_dependent_backups"]) == (1, False, False)
    assert backup["metadata"] == {"a": "b"}
    assert running.show(volume["id"])["status"] == "available"
    write(running, volume["id"], 1 << 20, bytes(len(PATTERN)))
    answer = running.json("POST", f"/backups/{backup['id']}/restore", status=202, json={"restore": {}})["restore"]
    assert answer["backup_id"] == backup["id"]
    assert answer["volume_name"] == f"restore_backup_{backup['id']}"
    running.settled(backup["id"], "backups")
    restored = running.settled(answer["volume_id"])
    assert (restored["status"], restored["metadata"]) == ("available", {"kept": "yes"})
    assert read(running, answer["volume_id"], 1 << 20) == PATTERN
    assert read(running, volume["id"], 1 << 20) == bytes(len(PATTERN))


def test_increments_build_upon_one_another(running: Cloud) -> None:
    volume_id = running.available()["id"]
    write(running, volume_id, 0, PATTERN)
    write(running, volume_id, 5 << 20, PATTERN)
    full = back_up(running, volume_id)
    write(running, volume_id, 0, b"changed")
    first = back_up(running, volume_id, incremental=True)
    write(running, volume_id, 5 << 20, bytes(len(PATTERN)))
    second = back_up(running, volume_id, incremental=True)
    assert (first["is_incremental"], second["is_incremental"]) == (True, True)
    listed = {one["id"]: one["has_dependent_backups"] for one in running.json("GET", "/backups/detail")["backups"]}
    assert listed == {full["id"]: True, first["id"]: True, second["id"]: False}
    refusal = running.json("DELETE", f"/backups/{full['id']}", status=400)
    assert "Incremental backups exist" in refusal["badRequest"]["message"]

    restored = running.available()["id"]
    for backup, begin, end in ((second, b"changed", bytes(16)), (full, PATTERN[:7], PATTERN[:16])):
        running.json("POST", f"/backups/{backup['id']}/restore", status=202, json={"restore": {"volume_id": restored}})
        running.settled(backup["id"], "backups")
        assert running.settled(restored)["status"] == "available"
        assert (read(running, restored, 0, 7), read(running, restored, 5 << 20, 16)) == (begin, end)

    for backup in (second, first, full):
        running.json("DELETE", f"/backups/{backup['id']}", status=202)
        running.until(functools.partial(running.is_gone, backup["id"], "backups"))
    assert not list((running.state / "backups").rglob("manifest.json"))


def test_an_altered_backup_is_refused_and_the_volume_stays_as_it_is(running: Cloud) -> None:
    volume_id = running.available()["id"]
    write(running, volume_id, 0, PATTERN)
    backup = back_up(running, volume_id)
    write(running, volume_id, 0, b"keep me")
    [part] = (running.state / "backups").rglob("00000000")
    data = bytearray(part.read_bytes())
    data[17] ^= 1
    part.write_bytes(data)
    running.json("POST", f"/backups/{backup['id']}/restore", status=202, json={"restore": {"volume_id": volume_id}})
    assert running.settled(volume_id)["status"] == "error_restoring"
    shown = running.settled(backup["id"], "backups")
    assert shown["status"] == "available"
    assert "torn or altered" in shown["fail_reason"]
    assert read(running, volume_id, 0, 7) == b"keep me"
    [message] = running.json("GET", "/messages")["messages"]
    assert message["event_id"] == "VOLUME_VOLUME_BACKUP_015_026"
    assert message["resource_uuid"] == backup["id"]


def test_a_snapshot_is_backed_up(running: Cloud) -> None:
    volume_id = running.available()["id"]
    write(running, volume_id, 0, PATTERN)
    body = {"snapshot": {"volume_id": volume_id}}
    snapshot_id = running.json("POST", "/snapshots", status=202, json=body)["snapshot"]["id"]
    running.settled(snapshot_id, "snapshots")
    write(running, volume_id, 0, bytes(64))
    backup = back_up(running, volume_id, snapshot_id=snapshot_id)
    assert backup["snapshot_id"] == snapshot_id
    assert running.settled(snapshot_id, "snapshots")["status"] == "available"
    made = running.available(backup_id=backup["id"])
    assert read(running, made["id"], 0) == PATTERN


def test_an_exported_record_is_imported(running: Cloud) -> None:
    volume_id = running.available()["id"]
    write(running, volume_id, 0, PATTERN)
    backup = back_up(running, volume_id, name="travels")
    path = f"/backups/{backup['id']}/export_record"
    assert running.call("GET", path).status == 403
    record = running.json("GET", path, "admin")["backup-record"]
    import_path = "/backups/import_record"
    twice = running.json("POST", import_path, "admin", status=400, json={"backup-record": record})
    assert "already exists" in twice["badRequest"]["message"]

    decoded = json.loads(base64.b64decode(record["backup_url"])) | {"id": MISSING}
    url = base64.b64encode(json.dumps(decoded).encode()).decode()
    body = {"backup-record": record | {"backup_url": url}}
    assert running.json("POST", import_path, "admin", status=201, json=body)["backup"]["name"] == "travels"
    assert running.settled(MISSING, "backups")["status"] == "available"
    answer = running.json("POST", f"/backups/{MISSING}/restore", "admin", status=202, json={"restore": {"name": "n"}})
    running.settled(MISSING, "backups")
    assert read(running, answer["restore"]["volume_id"], 0) == PATTERN


@pytest.mark.parametrize(
    "url", ["no base64!", base64.b64encode(b"[]").decode(), base64.b64encode(b'{"id":1}').decode()]
)
def test_records_that_are_none(cloud: Cloud, url: str) -> None:
    body = {"backup-record": {"backup_service": "x", "backup_url": url}}
    refusal = cloud.json("POST", "/backups/import_record", "admin", status=400, json=body)
    assert "Can't parse backup record" in refusal["badRequest"]["message"]


def test_a_record_cannot_lead_out_of_the_directory(running: Cloud) -> None:
    record = {"id": MISSING, "volume_id": MISSING, "size": 1, "location": "../../etc", "digest": "0" * 64}
    url = base64.b64encode(json.dumps(record).encode()).decode()
    body = {"backup-record": {"backup_service": "x", "backup_url": url}}
    running.json("POST", "/backups/import_record", "admin", status=201, json=body)
    assert running.settled(MISSING, "backups")["status"] == "error"


def test_states_and_sizes_that_are_refused(running: Cloud) -> None:
    volume_id = running.available()["id"]
    body = {"backup": {"volume_id": volume_id, "incremental": True}}
    refusal = running.json("POST", "/backups", status=400, json=body)["badRequest"]["message"]
    assert refusal == "Invalid backup: No backups available to do an incremental backup."
    assert running.show(volume_id)["status"] == "available"
    backup = back_up(running, volume_id)
    small = running.json("POST", "/backups", status=404, json={"backup": {"volume_id": MISSING}})
    assert small["itemNotFound"]["message"] == f"Volume {MISSING} could not be found."
    assert running.call("GET", f"/backups/{backup['id']}", "other").status == 404
    assert running.call("DELETE", f"/backups/{backup['id']}", "reader").status == 403
    restore = f"/backups/{backup['id']}/restore"
    running.json("POST", restore, status=400, json={"restore": {"volume_id": "x"}})
    running.json("POST", restore, status=404, json={"restore": {"volume_id": MISSING}})


def test_status_is_reset_and_deletion_forced(running: Cloud) -> None:
    backup = back_up(running, running.available()["id"])
    action = f"/backups/{backup['id']}/action"
    running.json("POST", action, status=403, json={"os-reset_status": {"status": "error"}})
    running.json("POST", action, "admin", status=400, json={"os-reset_status": {"status": "flying"}})
    running.json("POST", action, "admin", status=202, json={"os-reset_status": {"status": "error"}})
    assert running.json("GET", f"/backups/{backup['id']}")["backup"]["status"] == "error"
    running.json("PUT", f"/backups/{backup['id']}", json={"backup": {"name": "new"}})
    assert running.json("GET", "/backups?name=new")["backups"][0]["id"] == backup["id"]
    running.json("POST", action, "admin", status=202, json={"os-force_delete": {}})
    running.until(lambda: running.is_gone(backup["id"], "backups"))


def test_quota(running: Cloud) -> None:
    limits = {"quota_set": {"backups": 1}}
    running.json("PUT", f"/os-quota-sets/{'a' * 32}", "admin", json=limits)
    volume_id = running.available()["id"]
    back_up(running, volume_id)
    refusal = running.json("POST", "/backups", status=413, json={"backup": {"volume_id": volume_id}})
    assert refusal["overLimit"]["message"] == "Maximum number of backups allowed (1) exceeded"
    assert running.show(volume_id)["status"] == "available"
