"""Volumes attached to servers, and servers that start from volumes."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from cumulet.kernel.client import Response
from tests.compute.support import IMAGE_ID, Cloud
from tests.compute.test_metadata_service import spawned_on


def attach(cloud: Cloud, server_id: str, volume_id: str, token: str = "member", **given: Any) -> Response:
    version = given.pop("version", "2.100")
    body = {"volumeAttachment": {"volumeId": volume_id, **given}}
    path = f"/v2.1/servers/{server_id}/os-volume_attachments"
    return cloud.call("POST", path, token, version, json=body)


def attached(cloud: Cloud, server_id: str, volume_id: str, **given: Any) -> Any:
    """A volume that the guest has."""
    answer = attach(cloud, server_id, volume_id, **given)
    assert answer.status == 200, answer.body
    cloud.until(lambda: cloud.volume.status(volume_id) == "in-use")
    cloud.until(lambda: volume_id in cloud.hosts["node1"].volumes(server_id))
    return answer.json()["volumeAttachment"]


def detach(cloud: Cloud, server_id: str, volume_id: str, *, status: int = 202) -> Any:
    return cloud.json("DELETE", f"/v2.1/servers/{server_id}/os-volume_attachments/{volume_id}", status=status)


def listed(cloud: Cloud, server_id: str, version: str = "2.100") -> Any:
    path = f"/v2.1/servers/{server_id}/os-volume_attachments"
    return cloud.json("GET", path, version=version)["volumeAttachments"]


def delete(cloud: Cloud, server_id: str) -> None:
    cloud.json("DELETE", f"/v2.1/servers/{server_id}", status=204)
    cloud.until(lambda: cloud.is_gone(server_id))


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


# -- servers on volumes --------------------------------------------------------------------------------------------


def boot_from(cloud: Cloud, *devices: dict[str, Any], **fields: Any) -> Any:
    given = {"imageRef": None, "block_device_mapping_v2": list(devices), **fields}
    return cloud.boot(**given)


def volume_root(volume: str, **rest: Any) -> dict[str, Any]:
    return {"source_type": "volume", "destination_type": "volume", "uuid": volume, "boot_index": 0, **rest}


def test_boot_from_a_volume(running: Cloud) -> None:
    facts = {"min_ram": "64", "min_disk": "0", "hw_firmware_type": "uefi", "disk_format": "qcow2"}
    root = running.volume.add(4, bootable="true", volume_image_metadata=facts)
    spawned = spawned_on(running)
    server = running.settled(boot_from(running, volume_root(root))["id"])
    assert spawned[0].image == {"min_ram": 64, "min_disk": 0, "hw_firmware_type": "uefi"}
    assert server["status"] == "ACTIVE" and server["image"] == ""
    assert running.volume.status(root) == "in-use"
    disk = running.hosts["node1"].volumes(server["id"])[root]
    assert (disk.boot_index, disk.device) == (0, "/dev/vda")
    [resources] = [one["resources"] for one in running.allocations(server["id"]).values()]
    assert "DISK_GB" not in resources
    detach(running, server["id"], root, status=400)
    delete(running, server["id"])
    assert running.volume.status(root) == "available"


def test_volumes_are_made_from_images_and_snapshots_for_their_owner(running: Cloud) -> None:
    source = running.volume.add(3)
    snapshot = "55555555-5555-4555-8555-555555555555"
    running.volume.snapshots[snapshot] = {"id": snapshot, "size": 3, "volume_id": source}
    running.volume.slow = 2
    server = running.settled(
        boot_from(
            running,
            {
                "source_type": "image",
                "destination_type": "volume",
                "uuid": IMAGE_ID,
                "boot_index": 0,
                "volume_size": 5,
                "delete_on_termination": True,
                "tag": "root",
                "volume_type": "simulated",
            },
            {"source_type": "snapshot", "destination_type": "volume", "uuid": snapshot, "boot_index": -1},
            {"source_type": "blank", "destination_type": "volume", "volume_size": 1, "boot_index": None},
        )["id"]
    )
    assert server["status"] == "ACTIVE", server.get("fault")
    disks = running.hosts["node1"].volumes(server["id"])
    assert [(one.size_gb, one.boot_index, one.device, one.tag) for one in disks.values()] == [
        (5, 0, "/dev/vda", "root"),
        (3, -1, "/dev/vdb", None),
        (1, None, "/dev/vdc", None),
    ]
    assert running.volume.tokens == ["member"] * 3
    shown = server["os-extended-volumes:volumes_attached"]
    assert {one["id"] for one in shown} == set(disks)
    with running.service.db.read() as connection:
        kept = connection.exec_driver_sql("SELECT payload FROM jobs").scalars().all()
    assert not any('"token":"member"' in payload for payload in kept)
    delete(running, server["id"])
    assert len(running.volume.volumes) == 3 and running.volume.attachments == {}


def test_an_image_as_root_disk_with_volumes_beside(running: Cloud) -> None:
    data = running.volume.add(bootable="false")
    image = {"source_type": "image", "destination_type": "local", "uuid": IMAGE_ID, "boot_index": 0}
    given = {"source_type": "volume", "destination_type": "volume", "uuid": data, "boot_index": -1}
    server = running.settled(running.boot(block_device_mapping_v2=[image, given])["id"])
    assert server["status"] == "ACTIVE" and server["image"]["id"] == IMAGE_ID
    assert list(running.hosts["node1"].volumes(server["id"])) == [data]


def test_the_first_syntax(running: Cloud) -> None:
    root = running.volume.add(4, bootable="true")
    mapping = [{"device_name": "vda", "volume_id": root, "delete_on_termination": "1"}]
    server = running.settled(running.boot(imageRef="", block_device_mapping=mapping)["id"])
    assert server["status"] == "ACTIVE"
    delete(running, server["id"])
    assert root not in running.volume.volumes


def test_a_failed_boot_gives_all_back(running: Cloud) -> None:
    running.hosts["node1"].faults.errors["spawn"] = "it does not want to"
    root = running.volume.add(4, bootable="true")
    made = {
        "source_type": "blank",
        "destination_type": "volume",
        "volume_size": 1,
        "boot_index": -1,
        "delete_on_termination": True,
    }
    server = running.settled(boot_from(running, volume_root(root), made)["id"])
    assert server["status"] == "ERROR"
    running.until(lambda: running.volume.attachments == {} and list(running.volume.volumes) == [root])
    assert running.volume.status(root) == "available"
    delete(running, server["id"])


@pytest.mark.parametrize(
    ("devices", "says"),
    [
        ([volume_root("44444444-4444-4444-8444-444444444444")], "failed to get volume"),
        ([{"source_type": "image", "destination_type": "volume", "uuid": IMAGE_ID, "boot_index": 0}], "non-zero size"),
        ([{"source_type": "blank", "destination_type": "volume", "boot_index": 0}], "non-zero size"),
        ([{"source_type": "image", "uuid": IMAGE_ID, "boot_index": 1}], "Boot sequence"),
        ([{"source_type": "image", "uuid": IMAGE_ID}], "Boot sequence"),
        ([{"source_type": "volume", "destination_type": "volume", "boot_index": 0}], "Missing device UUID"),
        ([{"source_type": "tape", "uuid": "x", "boot_index": 0}], "source_type"),
        ([{"source_type": "blank", "destination_type": "volume", "volume_size": 0, "boot_index": 0}], "volume_size"),
        (
            [
                {"source_type": "image", "uuid": IMAGE_ID, "boot_index": 0},
                {"source_type": "blank", "guest_format": "swap", "volume_size": 9, "boot_index": -1},
            ],
            "Swap drive",
        ),
        (
            [
                {"source_type": "image", "uuid": IMAGE_ID, "boot_index": 0},
                {"source_type": "blank", "volume_size": 9, "boot_index": -1},
            ],
            "Ephemeral",
        ),
        (
            [
                {
                    "source_type": "blank",
                    "destination_type": "volume",
                    "volume_size": 1,
                    "boot_index": 0,
                    "volume_type": "gold",
                }
            ],
            "gold",
        ),
        ([{"source_type": "image", "uuid": IMAGE_ID, "boot_index": 0, "disk_bus": "punched-card"}], "disk_bus"),
    ],
)
def test_disks_that_cannot_be_had(cloud: Cloud, devices: list[dict[str, Any]], says: str) -> None:
    assert says in cloud.boot(status=400, imageRef=None, block_device_mapping_v2=devices)["message"]


def test_volumes_a_server_cannot_start_from(cloud: Cloud) -> None:
    def refusal(volume: str, **fields: Any) -> str:
        given = {"imageRef": None, "block_device_mapping_v2": [volume_root(volume)], **fields}
        return str(cloud.boot(status=400, **given)["message"])

    assert "not bootable" in refusal(cloud.volume.add())
    assert "smaller than" in refusal(cloud.volume.add(1, bootable="true", volume_image_metadata={"min_disk": "2"}))
    assert "memory" in refusal(cloud.volume.add(1, bootable="true", volume_image_metadata={"min_ram": "4096"}))
    assert "multiple instances" in refusal(cloud.volume.add(1, bootable="true"), min_count=2)
    assert "status must be" in refusal(cloud.volume.add(1, bootable="true", status="error"))


# -- whoever dies in between -----------------------------------------------------------------------------------------


class Killed(BaseException):
    """As if the process had been killed here."""


STEPS = ("attach", "connect", "complete", "detach", "delete", "create")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_interrupted_job_goes_on(running: Cloud, monkeypatch: pytest.MonkeyPatch, step: str, after: bool) -> None:
    """At every call to Volume, before it and after it, the first run of the job ends for no reason of its own."""
    from cumulet.compute.clients import volume as client

    original, left = getattr(client, step), [1]

    def interrupted(*args: Any, **rest: Any) -> Any:
        if not left:
            return original(*args, **rest)
        if after:
            original(*args, **rest)
        left.pop()
        raise RuntimeError("interrupted")

    monkeypatch.setattr(client, step, interrupted)
    root = running.volume.add(4, bootable="true")
    made = {
        "source_type": "blank",
        "destination_type": "volume",
        "volume_size": 1,
        "boot_index": -1,
        "delete_on_termination": True,
    }
    server = running.settled(boot_from(running, volume_root(root), made)["id"])
    assert server["status"] == "ACTIVE", server.get("fault")
    data = running.volume.add()
    attached(running, server["id"], data)
    detach(running, server["id"], data)
    running.until(lambda: running.volume.status(data) == "available")
    assert len(running.hosts["node1"].volumes(server["id"])) == 2
    delete(running, server["id"])
    assert not left
    assert {key: one["status"] for key, one in running.volume.volumes.items()} == {root: "available", data: "available"}
    assert running.volume.attachments == {}


@pytest.mark.parametrize("reserved", [False, True], ids=["before the reservation", "after it"])
def test_an_api_that_dies_while_attaching(running: Cloud, monkeypatch: pytest.MonkeyPatch, reserved: bool) -> None:
    """Nobody says that the volume was reserved: it is given back, and the server has nothing."""
    from cumulet.compute.domain import attachments
    from cumulet.compute.handlers import volume_attachments

    monkeypatch.setattr(attachments, "_RESERVED_S", 1)
    if reserved:
        monkeypatch.setattr(attachments, "reserved", _die)
    else:
        monkeypatch.setattr(volume_attachments.peers, "ask", _die_at_reservation(volume_attachments.peers.ask))
    server, volume = running.active(), running.volume.add()
    with pytest.raises(Killed):
        attach(running, server["id"], volume)
    assert bool(running.volume.attachments) is reserved
    running.until(lambda: listed(running, server["id"], "2.1") == [])
    running.until(lambda: running.volume.status(volume) == "available" and running.volume.attachments == {})
    delete(running, server["id"])


def _die(*_: Any, **__: Any) -> Any:
    raise Killed


def _die_at_reservation(ask: Any) -> Any:
    def run(call: Any, service: str, method: str, path: str, **rest: Any) -> Any:
        if (method, path) == ("POST", "/attachments"):
            raise Killed
        return ask(call, service, method, path, **rest)

    return run


# -- Volume's things in their older form -----------------------------------------------------------------------------


def test_volumes_and_snapshots_of_old_microversions(cloud: Cloud) -> None:
    def ask(method: str, path: str, *, status: int = 200, body: Any = None) -> Any:
        return cloud.json(method, f"/v2.1/{path}", status=status, version="2.35", json=body)

    made = ask("POST", "os-volumes", body={"volume": {"size": "2", "display_name": "old"}})["volume"]
    assert (made["displayName"], made["size"], made["attachments"]) == ("old", 2, [{}])
    assert ask("GET", f"os-volumes/{made['id']}")["volume"] == made
    cloud.volume.add()
    assert len(ask("GET", "os-volumes")["volumes"]) == 2
    assert [one["id"] for one in ask("GET", "os-volumes/detail?limit=1")["volumes"]] == [made["id"]]
    assert len(ask("GET", "os-volumes/detail?limit=5&offset=1")["volumes"]) == 1
    for wrong in ({}, {"size": 0}, {"size": "two"}, {"size": 1, "colour": "red"}):
        ask("POST", "os-volumes", status=400, body={"volume": wrong})
    snapshot = ask("POST", "os-snapshots", body={"snapshot": {"volume_id": made["id"], "display_name": "s"}})
    assert snapshot["snapshot"]["displayName"] == "s"
    path = f"os-snapshots/{snapshot['snapshot']['id']}"
    assert ask("GET", path)["snapshot"]["volumeId"] == made["id"]
    assert len(ask("GET", "os-snapshots")["snapshots"]) == len(ask("GET", "os-snapshots/detail")["snapshots"]) == 1
    ask("DELETE", path, status=202)
    ask("GET", path, status=404)
    ask("DELETE", f"os-volumes/{made['id']}", status=202)
    ask("GET", f"os-volumes/{made['id']}", status=404)
    assert cloud.call("GET", "/v2.1/os-volumes", version="2.36").status == 404


def test_assisted_snapshots_are_for_services(cloud: Cloud) -> None:
    info = {"snapshot_id": "s", "type": "qcow2", "new_file": "f"}
    body = {"snapshot": {"volume_id": "v", "create_info": info}}
    path = "/v2.1/os-assisted-volume-snapshots"
    assert cloud.call("POST", path, json=body).status == 403
    assert "No volume Block Device" in cloud.call("POST", path, "nova", json=body).json()["badRequest"]["message"]
    assert cloud.call("POST", path, "nova", json={"snapshot": {}}).status == 400
    assert cloud.call("DELETE", f"{path}/s?delete_info=nonsense", "nova").status == 400
