"""Whoever dies while volumes are attached, the rest goes on."""

from __future__ import annotations

from typing import Any

import pytest

from cumulet.compute.jobs import work
from tests.compute.attaching import (
    attach,
    attached,
    blank_volume,
    boot_from,
    delete,
    detach,
    interrupt,
    listed,
    volume_root,
)
from tests.compute.support import Cloud


class Killed(BaseException):
    """As if the process had been killed here."""


STEPS = ("attach", "connect", "complete", "detach", "delete", "create")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_interrupted_job_goes_on(running: Cloud, monkeypatch: pytest.MonkeyPatch, step: str, after: bool) -> None:
    """At every call to Volume, before it and after it, the first run of the job ends for no reason of its own."""
    left = interrupt(monkeypatch, step, after=after)
    root = running.volume.add(4, bootable="true")
    server = running.settled(boot_from(running, volume_root(root), blank_volume())["id"])
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


def test_what_could_be_neither_plugged_in_nor_out_is_taken_back(
    running: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host refuses both for a while."""
    monkeypatch.setattr(work, "_AGAIN_S", 0.05)
    server, volume, faults = running.active(), running.volume.add(), running.hosts["node1"].faults
    faults.errors |= {"attach_volume": "no slot is free", "detach_volume": "the monitor does not answer"}
    assert attach(running, server["id"], volume).status == 200
    running.until(lambda: _actions(running, server["id"])[0]["message"])
    assert [one["volumeId"] for one in listed(running, server["id"])] == [volume]
    del faults.errors["detach_volume"]
    running.until(lambda: listed(running, server["id"]) == [])
    assert running.volume.attachments == {} and running.volume.status(volume) == "available"


def _actions(cloud: Cloud, server_id: str) -> Any:
    return cloud.json("GET", f"/v2.1/servers/{server_id}/os-instance-actions", "admin")["instanceActions"]
