"""Volumes attached to servers."""

from __future__ import annotations

import threading
from typing import Any

from tests.compute.attaching import attach, attached, delete, detach, listed
from tests.compute.support import Cloud


def test_attach_and_detach(running: Cloud) -> None:
    server, volume = running.active(), running.volume.add(2)
    made = attached(running, server["id"], volume, tag="data", delete_on_termination=True)
    assert made == {
        "id": volume,
        "volumeId": volume,
        "serverId": server["id"],
        "device": "/dev/vdb",
        "tag": "data",
        "delete_on_termination": True,
    }
    [one] = listed(running, server["id"])
    [attachment] = running.volume.of(volume)
    assert one == {
        "volumeId": volume,
        "serverId": server["id"],
        "device": "/dev/vdb",
        "tag": "data",
        "delete_on_termination": True,
        "attachment_id": attachment["id"],
        "bdm_uuid": one["bdm_uuid"],
    }
    assert listed(running, server["id"], "2.1") == [
        {"id": volume, "volumeId": volume, "serverId": server["id"], "device": "/dev/vdb"}
    ]
    disk = running.hosts["node1"].volumes(server["id"])[volume]
    assert (disk.device, disk.tag, disk.size_gb, disk.serial) == ("/dev/vdb", "data", 2, volume)
    assert disk.connection["driver_volume_type"] == "simulated"
    assert disk.connection["data"] == {"attachment_id": attachment["id"]}
    connector = running.volume.connectors[attachment["id"]]
    assert connector["host"] == "node1" and connector["mountpoint"] == "/dev/vdb"
    shown = running.show(server["id"], version="2.100")["os-extended-volumes:volumes_attached"]
    assert shown == [{"id": volume, "delete_on_termination": True}]

    detach(running, server["id"], volume)
    running.until(lambda: running.volume.status(volume) == "available")
    running.until(lambda: listed(running, server["id"]) == [])
    assert running.volume.of(volume) == [] and running.hosts["node1"].volumes(server["id"]) == {}
    assert running.show(server["id"], version="2.100")["os-extended-volumes:volumes_attached"] == []
    detach(running, server["id"], volume, status=404)


def test_from_2_101_on_nothing_is_said(running: Cloud) -> None:
    server, volume = running.active(), running.volume.add()
    answer = attach(running, server["id"], volume, version="2.101")
    assert answer.status == 202 and answer.body == b""
    running.until(lambda: running.volume.status(volume) == "in-use")


def test_devices_follow_each_other(running: Cloud) -> None:
    server = running.active(flavorRef=running.flavor(swap=512, **{"OS-FLV-EXT-DATA:ephemeral": 1}))
    first, second, third = (running.volume.add() for _ in range(3))
    assert attached(running, server["id"], first)["device"] == "/dev/vdd"
    assert attached(running, server["id"], second, device="/dev/vdg")["device"] == "/dev/vdg"
    assert attach(running, server["id"], third, device="/dev/vdg").status == 409
    assert attach(running, server["id"], third, device="the second").status == 400
    assert attached(running, server["id"], third)["device"] == "/dev/vde"


def test_a_volume_of_a_shelved_server_is_in_use_and_comes_with_it(running: Cloud) -> None:
    server, volume, other = running.active(), running.volume.add(), running.volume.add()
    running.act(server["id"], "shelve")
    running.until(lambda: running.show(server["id"])["status"] == "SHELVED_OFFLOADED", 60)
    for one in (volume, other):
        assert attach(running, server["id"], one).status == 200
    running.until(lambda: {running.volume.status(one) for one in (volume, other)} == {"in-use"}, 60)
    detach(running, server["id"], other)
    running.until(lambda: running.volume.status(other) == "available", 60)
    running.act(server["id"], "unshelve")
    assert running.settled(server["id"])["status"] == "ACTIVE"
    assert list(running.hosts["node1"].volumes(server["id"])) == [volume]
    assert running.volume.status(volume) == "in-use"


def test_what_cannot_be_attached(running: Cloud) -> None:
    server, other = running.active(), running.active()
    volume = running.volume.add()
    attached(running, other["id"], volume)
    for answer, status, says in (
        (attach(running, server["id"], volume), 400, "already attached"),
        (attach(running, server["id"], "44444444-4444-4444-8444-444444444444"), 404, "could not be found"),
        (attach(running, server["id"], "nonsense"), 400, "volumeId"),
        (attach(running, server["id"], running.volume.add(status="error")), 400, "available"),
        (attach(running, server["id"], running.volume.add(multiattach=True), version="2.59"), 400, "2.60"),
        (attach(running, server["id"], running.volume.add(), tag="a", version="2.48"), 400, "tag"),
        (
            attach(running, server["id"], running.volume.add(), delete_on_termination=True, version="2.78"),
            400,
            "delete_on_termination",
        ),
        (attach(running, server["id"], running.volume.add(), token="other"), 404, "Instance"),
        (attach(running, server["id"], running.volume.add(), token="reader"), 403, "Policy"),
    ):
        assert answer.status == status and says in answer.body.decode(), answer.body
    assert listed(running, server["id"]) == []


def test_a_refused_reservation_leaves_nothing(running: Cloud) -> None:
    server, volume = running.active(), running.volume.add()
    running.volume.refuse = "it is spoken for"
    answer = attach(running, server["id"], volume)
    assert answer.status == 400 and "spoken for" in answer.body.decode()
    assert listed(running, server["id"]) == [] and running.volume.attachments == {}
    running.volume.refuse = None
    attached(running, server["id"], volume)
    delete(running, server["id"])


def test_of_two_only_one_gets_it(running: Cloud) -> None:
    servers = [running.active()["id"] for _ in range(2)]
    volume = running.volume.add()
    answers: list[int] = []
    threads = [threading.Thread(target=lambda s=s: answers.append(attach(running, s, volume).status)) for s in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 400]
    running.until(lambda: running.volume.status(volume) == "in-use")
    assert len(running.volume.of(volume)) == 1


def test_multiattach(running: Cloud) -> None:
    first, second = running.active(), running.active()
    volume = running.volume.add(multiattach=True)
    attached(running, first["id"], volume)
    attached(running, second["id"], volume)
    assert attach(running, first["id"], volume).status == 400
    detach(running, first["id"], volume)
    running.until(lambda: len(running.volume.of(volume)) == 1)
    assert running.volume.status(volume) == "in-use"
    delete(running, second["id"])
    assert running.volume.status(volume) == "available"


def test_deletion_gives_volumes_back(running: Cloud) -> None:
    server = running.active()
    kept, gone = running.volume.add(), running.volume.add()
    attached(running, server["id"], kept)
    attached(running, server["id"], gone, delete_on_termination=True)
    delete(running, server["id"])
    assert running.volume.status(kept) == "available" and gone not in running.volume.volumes
    assert running.volume.attachments == {}


def test_deletion_on_termination_can_be_changed(running: Cloud) -> None:
    server, volume = running.active(), running.volume.add()
    attached(running, server["id"], volume)
    path = f"/v2.1/servers/{server['id']}/os-volume_attachments/{volume}"

    def change(status: int, version: str = "2.100", **given: Any) -> None:
        body = {"volumeAttachment": {"volumeId": volume, **given}}
        running.json("PUT", path, status=status, version=version, json=body)

    change(202, delete_on_termination=True)
    assert listed(running, server["id"])[0]["delete_on_termination"] is True
    change(202, id=volume, serverId=server["id"], device="/dev/vdb", tag=None)
    change(400, device="/dev/vdc")
    change(400, tag="other")
    change(400, serverId="somebody")
    change(403, version="2.84")
    delete(running, server["id"])
    assert volume not in running.volume.volumes


def test_a_host_that_refuses(running: Cloud) -> None:
    server, volume = running.active(), running.volume.add()
    running.hosts["node1"].faults.errors["attach_volume"] = "there is no slot free"
    assert attach(running, server["id"], volume).status == 200
    running.until(lambda: running.volume.status(volume) == "available")
    running.until(lambda: listed(running, server["id"]) == [])
    assert running.volume.attachments == {}
    assert running.show(server["id"])["status"] == "ACTIVE"
    del running.hosts["node1"].faults.errors["attach_volume"]
    attached(running, server["id"], volume)

    running.hosts["node1"].faults.errors["detach_volume"] = "the guest does not let it go"
    detach(running, server["id"], volume)
    path = f"/v2.1/servers/{server['id']}/os-instance-actions"

    def newest() -> Any:
        return running.json("GET", path)["instanceActions"][0]

    running.until(lambda: (newest()["action"], newest()["message"]) == ("detach_volume", "Error"))
    running.until(lambda: running.volume.status(volume) == "in-use")
    assert len(listed(running, server["id"])) == 1
    del running.hosts["node1"].faults.errors["detach_volume"]
    detach(running, server["id"], volume)
    running.until(lambda: running.volume.status(volume) == "available")


def test_a_volume_grows(running: Cloud) -> None:
    server, volume = running.active(), running.volume.add(1)
    attached(running, server["id"], volume)
    running.volume.volumes[volume]["size"] = 3
    event = {"name": "volume-extended", "server_uuid": server["id"], "tag": volume}
    running.json("POST", "/v2.1/os-server-external-events", "nova", json={"events": [event]})
    running.until(lambda: running.hosts["node1"].volumes(server["id"])[volume].size_gb == 3)


def test_swapping_is_for_volume_only(running: Cloud) -> None:
    server, old, new = running.active(), running.volume.add(2), running.volume.add(2)
    attached(running, server["id"], old)
    path = f"/v2.1/servers/{server['id']}/os-volume_attachments"
    body = {"volumeAttachment": {"volumeId": new}}
    assert running.call("PUT", f"{path}/{old}", json=body).status == 403
    assert running.call("PUT", f"{path}/{old}", "nova", json=body).status == 409
    running.volume.volumes[old]["migration_status"] = "migrating"
    missing = {"volumeAttachment": {"volumeId": "44444444-4444-4444-8444-444444444444"}}
    assert running.call("PUT", f"{path}/{old}", "nova", json=missing).status == 400
    nowhere = f"{path}/44444444-4444-4444-8444-444444444444"
    assert running.call("PUT", nowhere, "nova", json=body).status == 404
    small = {"volumeAttachment": {"volumeId": running.volume.add(1)}}
    assert running.call("PUT", f"{path}/{old}", "nova", json=small).status == 400


def test_a_swap_that_the_host_cannot_do_is_taken_back(running: Cloud) -> None:
    server, old, new = running.active(), running.volume.add(2), running.volume.add(2)
    attached(running, server["id"], old)
    running.volume.volumes[old]["migration_status"] = "migrating"
    body = {"volumeAttachment": {"volumeId": new}}
    path = f"/v2.1/servers/{server['id']}/os-volume_attachments/{old}"
    running.hosts["node1"].faults.errors["swap_volume"] = "the disk cannot be read"
    running.json("PUT", path, "nova", status=202, json=body)
    running.until(lambda: running.volume.completed == [(old, {"new_volume": new, "error": True})])
    assert running.volume.status(new) == "available" and running.volume.status(old) == "in-use"
    assert [one["volumeId"] for one in listed(running, server["id"])] == [old]
    delete(running, server["id"])
    assert running.volume.attachments == {}
