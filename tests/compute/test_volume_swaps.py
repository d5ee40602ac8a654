"""Volumes that Volume moves or retypes while a server has them: swapped on the host, whoever dies in between."""

from __future__ import annotations

from typing import Any

import pytest

from tests.compute.attaching import attached, delete, interrupt, listed
from tests.compute.support import Cloud


def prepared(cloud: Cloud, *, moves: bool = False) -> tuple[str, str, str]:
    """(server, its volume, the one to come): Volume is moving the first."""
    server, old, new = cloud.active()["id"], cloud.volume.add(2), cloud.volume.add(2)
    attached(cloud, server, old)
    cloud.volume.volumes[old]["migration_status"] = "migrating"
    cloud.volume.volumes[new]["migration_status"] = f"target:{old}" if moves else None
    return server, old, new


def swap(cloud: Cloud, server: str, old: str, new: str, *, status: int = 202) -> None:
    path = f"/v2.1/servers/{server}/os-volume_attachments/{old}"
    cloud.json("PUT", path, "nova", status=status, json={"volumeAttachment": {"volumeId": new}})


def newest_action(cloud: Cloud, server: str) -> Any:
    listed = cloud.json("GET", f"/v2.1/servers/{server}/os-instance-actions")["instanceActions"]
    return cloud.json("GET", f"/v2.1/servers/{server}/os-instance-actions/{listed[0]['request_id']}")["instanceAction"]


def test_the_new_volume_is_the_servers(running: Cloud) -> None:
    server, old, new = prepared(running)
    before = listed(running, server)[0]
    swap(running, server, old, new)
    running.until(lambda: running.volume.completed == [(old, {"new_volume": new, "error": False})])
    [one] = listed(running, server)
    [attachment] = running.volume.of(new)
    assert one == before | {"volumeId": new, "attachment_id": attachment["id"]}
    assert attachment["status"] == "attached"
    assert running.volume.of(old) == [] and running.volume.status(old) == "available"
    disk = running.hosts["node1"].volumes(server)[new]
    assert disk.serial == old and disk.connection["data"] == {"attachment_id": attachment["id"]}
    running.until(lambda: newest_action(running, server)["action"] == "swap_volume")
    running.until(lambda: [one["result"] for one in newest_action(running, server)["events"]] == ["Success"])
    delete(running, server)
    assert running.volume.attachments == {}


def test_a_volume_that_moves_keeps_its_id(running: Cloud) -> None:
    server, old, new = prepared(running, moves=True)
    swap(running, server, old, new)
    running.until(lambda: running.volume.completed == [(old, {"new_volume": new, "error": False})])
    [attachment] = running.volume.attachments.values()
    assert attachment["volume_id"] == new  # until Volume gives the new place the old id
    assert [one["volumeId"] for one in listed(running, server)] == [old]
    disk = running.hosts["node1"].volumes(server)[old]
    assert disk.connection["data"] == {"attachment_id": attachment["id"]}


def test_a_host_that_took_over_and_was_not_heard(running: Cloud) -> None:
    """The guest writes to the new volume: there is no way back, whatever became of the first job."""
    server, old, new = prepared(running)
    driver: Any = running.hosts["node1"]
    really = driver.swap_volume

    def unheard(*args: Any, **rest: Any) -> None:
        really(*args, **rest)
        raise RuntimeError("the answer was lost")

    driver.swap_volume = unheard
    swap(running, server, old, new)
    running.until(lambda: running.volume.completed == [(old, {"new_volume": new, "error": False})])
    assert [one["volumeId"] for one in listed(running, server)] == [new]
    assert [one["volume_id"] for one in running.volume.attachments.values()] == [new]


@pytest.mark.parametrize("step", ["attach", "connect", "complete", "detach", "swapped"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_interrupted_swap_goes_on(running: Cloud, monkeypatch: pytest.MonkeyPatch, step: str, after: bool) -> None:
    server, old, new = prepared(running)
    left = interrupt(monkeypatch, step, after=after)
    swap(running, server, old, new)
    running.until(lambda: not left and (old, {"new_volume": new, "error": False}) in running.volume.completed)
    assert [one["volumeId"] for one in listed(running, server)] == [new]
    assert [(one["volume_id"], one["status"]) for one in running.volume.attachments.values()] == [(new, "attached")]
    assert list(running.hosts["node1"].volumes(server)) == [new]
    delete(running, server)
    assert running.volume.attachments == {}


def test_a_server_that_is_deleted_meanwhile(running: Cloud) -> None:
    server, old, new = prepared(running)
    running.hosts["node1"].faults.delays["swap_volume"] = 1.0
    swap(running, server, old, new)
    delete(running, server)
    running.until(lambda: bool(running.volume.completed))
    running.until(lambda: running.volume.attachments == {})
