"""Volumes of servers that move: exported to the host that the guest is on, and to no other once it has arrived."""

from __future__ import annotations

from typing import Any

import pytest

from cumulet.compute import peers
from cumulet.compute.domain import attachments
from tests.compute.attaching import attach, delete, detach, listed
from tests.compute.support import Cloud


@pytest.fixture
def pair(running: Cloud) -> Cloud:
    """Two hosts."""
    running.add_host("node2")
    return running


def _with_volume(cloud: Cloud) -> tuple[str, str, str, str]:
    """A server on its host with a volume: (id, host, the other host, volume)."""
    server, volume = cloud.active(), cloud.volume.add()
    host = server["OS-EXT-SRV-ATTR:host"]
    _plug(cloud, server["id"], volume)
    return server["id"], host, "node2" if host == "node1" else "node1", volume


def _plug(cloud: Cloud, server_id: str, volume: str) -> None:
    answer = attach(cloud, server_id, volume)
    assert answer.status == 200, answer.body
    cloud.until(lambda: cloud.volume.status(volume) == "in-use")


def _exports(cloud: Cloud, volume: str) -> list[tuple[str, str]]:
    """(host, status) of each attachment."""
    return sorted((cloud.volume.connectors[one["id"]]["host"], one["status"]) for one in cloud.volume.of(volume))


def _has(cloud: Cloud, server_id: str) -> dict[str, set[str]]:
    """The volumes of the server's guest, by host, each through an attachment that Volume has."""
    found: dict[str, set[str]] = {}
    for host, driver in cloud.hosts.items():
        if server_id in driver.guests():
            plugged = driver.volumes(server_id)
            assert all(
                disk.connection["data"]["attachment_id"] in cloud.volume.attachments for disk in plugged.values()
            )
            found[host] = set(plugged)
    return found


def _resized(cloud: Cloud, server_id: str) -> None:
    cloud.act(server_id, "resize", {"flavorRef": cloud.flavor(ram=256)})
    assert cloud.settled(server_id)["status"] == "VERIFY_RESIZE", cloud.show(server_id).get("fault")


def test_one_that_waits_for_its_confirmation_has_it_where_it_is(pair: Cloud) -> None:
    server_id, _, dest, volume = _with_volume(pair)
    _resized(pair, server_id)
    assert _exports(pair, volume) == [(dest, "attached")]
    pair.act(server_id, "confirmResize", status=204)
    pair.until(lambda: pair.show(server_id)["status"] == "ACTIVE")
    assert _exports(pair, volume) == [(dest, "attached")]
    assert _has(pair, server_id) == {dest: {volume}}
    delete(pair, server_id)
    assert pair.volume.attachments == {}


@pytest.mark.parametrize("same_host", [True, False], ids=["on the same host", "on another"])
def test_a_return_takes_what_was_plugged_in_and_out_since(cloud: Cloud, same_host: bool) -> None:
    cloud.service.conf.set_override("allow_resize_to_same_host", same_host)
    cloud.add_host("node1")
    cloud.start_engine()
    if not same_host:
        cloud.add_host("node2")
    server_id, source, _, kept = _with_volume(cloud)
    out, later = cloud.volume.add(), cloud.volume.add()
    _plug(cloud, server_id, out)
    _resized(cloud, server_id)
    detach(cloud, server_id, out)
    cloud.until(lambda: cloud.volume.status(out) == "available")
    _plug(cloud, server_id, later)
    cloud.act(server_id, "revertResize")
    assert cloud.settled(server_id)["status"] == "ACTIVE"
    assert _has(cloud, server_id) == {source: {kept, later}}
    assert _exports(cloud, kept) == _exports(cloud, later) == [(source, "attached")]
    delete(cloud, server_id)
    assert cloud.volume.attachments == {}


def test_a_guest_that_stayed_keeps_the_connection_it_has_open(pair: Cloud) -> None:
    """Another attachment to the same host would have its export ended under a running guest."""
    server_id, source, dest, volume = _with_volume(pair)
    before = [one["id"] for one in pair.volume.of(volume)]
    pair.hosts[dest].faults.errors["prepare_live"] = "no room"
    body: dict[str, Any] = {"host": dest, "block_migration": "auto"}
    pair.act(server_id, "os-migrateLive", body, "admin")
    assert pair.settled(server_id)["status"] == "ACTIVE"
    assert [one["id"] for one in pair.volume.of(volume)] == before
    assert _exports(pair, volume) == [(source, "attached")]
    assert _has(pair, server_id) == {source: {volume}}


def _slowly(cloud: Cloud, server_id: str, host: str, volume: str, seconds: float) -> None:
    """Ask for the volume, which the host takes so long to plug in, and do not wait for that."""
    cloud.hosts[host].faults.delays["attach_volume"] = seconds
    assert attach(cloud, server_id, volume).status == 200


def test_a_move_waits_for_what_is_being_plugged_in(pair: Cloud) -> None:
    server = pair.active()
    source, volume = server["OS-EXT-SRV-ATTR:host"], pair.volume.add()
    _slowly(pair, server["id"], source, volume, 0.7)
    pair.act(server["id"], "migrate", token="admin")
    assert pair.settled(server["id"])["status"] == "VERIFY_RESIZE"
    dest = "node2" if source == "node1" else "node1"
    assert _has(pair, server["id"]) == {dest: {volume}}
    assert _exports(pair, volume) == [(dest, "attached")]


def test_what_could_not_be_plugged_in_is_taken_back_after_the_move_that_waited(pair: Cloud) -> None:
    server = pair.active()
    source, volume = server["OS-EXT-SRV-ATTR:host"], pair.volume.add()
    pair.hosts[source].faults.errors["attach_volume"] = "no slot is free"
    _slowly(pair, server["id"], source, volume, 0.7)
    pair.act(server["id"], "migrate", token="admin")
    assert pair.settled(server["id"])["status"] == "VERIFY_RESIZE"
    pair.until(lambda: listed(pair, server["id"]) == [])
    assert pair.volume.status(volume) == "available" and not pair.volume.attachments
    assert _has(pair, server["id"]) == {"node2" if source == "node1" else "node1": set()}


def test_a_move_leaves_alone_what_is_being_reserved(pair: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Confirming is no task, so a volume may be asked for meanwhile. Nobody ends what is not entered yet."""
    server_id, source, dest, _ = _with_volume(pair)
    _resized(pair, server_id)
    pair.hosts[source].faults.delays["confirm_resize"] = 0.7
    volume, entered = pair.volume.add(), attachments.reserved

    def late(*given: Any) -> bool:
        pair.until(lambda: pair.show(server_id)["status"] == "ACTIVE")
        return entered(*given)

    monkeypatch.setattr(attachments, "reserved", late)
    pair.act(server_id, "confirmResize", status=204)
    _plug(pair, server_id, volume)
    assert _exports(pair, volume) == [(dest, "attached")]
    assert volume in _has(pair, server_id)[dest]


def test_an_attachment_that_came_too_late_is_ended(pair: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Volume took longer than the attachment was waited for."""
    server, volume = pair.active(), pair.volume.add()
    monkeypatch.setattr(attachments, "_RESERVED_S", 0)
    real = peers.ask

    def slow(call: Any, service: str, method: str, path: str, **rest: Any) -> Any:
        if (method, path) == ("POST", "/attachments"):
            pair.until(lambda: listed(pair, server["id"], "2.1") == [])
        return real(call, service, method, path, **rest)

    monkeypatch.setattr(peers, "ask", slow)
    assert attach(pair, server["id"], volume).status == 409
    assert pair.volume.attachments == {} and pair.volume.status(volume) == "available"
