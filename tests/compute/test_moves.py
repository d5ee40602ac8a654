"""Resize, migration, evacuation and live migration: what moves with a server, and the way back."""

from __future__ import annotations

from typing import Any

import pytest

from cumulet.compute.clients import network
from cumulet.compute.domain import tasks
from tests.compute.support import Cloud


@pytest.fixture
def pair(running: Cloud) -> Cloud:
    """Two hosts."""
    running.add_host("node2")
    return running


def _other(host: str) -> str:
    return "node2" if host == "node1" else "node1"


def _provider(cloud: Cloud, host: str) -> str:
    answer = cloud.service.session.request("GET", "placement", f"/resource_providers?name={host}").json()
    return str(answer["resource_providers"][0]["uuid"])


def _usage(cloud: Cloud, host: str) -> int:
    path = f"/resource_providers/{_provider(cloud, host)}/usages"
    return int(cloud.service.session.request("GET", "placement", path).json()["usages"]["MEMORY_MB"])


def _moves(cloud: Cloud, server_id: str) -> list[Any]:
    found = cloud.json("GET", f"/v2.1/os-migrations?instance_uuid={server_id}", "admin")["migrations"]
    return [(one["migration_type"], one["status"]) for one in found]


def _require_at(cloud: Cloud, server_id: str, host: str) -> None:
    """Its guest, its port and its room are there and nowhere else."""
    assert cloud.show(server_id)["OS-EXT-SRV-ATTR:host"] == host
    assert [port["binding:host_id"] for port in cloud.network.ports.values()] == [host]
    assert list(cloud.allocations(server_id)) == [_provider(cloud, host)]
    assert server_id in cloud.hosts[host].guests()
    assert server_id not in cloud.hosts[_other(host)].guests()


def _resized(cloud: Cloud) -> tuple[str, str]:
    """A server between its resize and what follows: (id, the host it came from)."""
    server = cloud.active(flavorRef=cloud.flavor(ram=128))
    cloud.act(server["id"], "resize", {"flavorRef": cloud.flavor(ram=256)})
    assert cloud.settled(server["id"])["status"] == "VERIFY_RESIZE", cloud.show(server["id"]).get("fault")
    return server["id"], server["OS-EXT-SRV-ATTR:host"]


def test_a_resize_holds_both_hosts_until_it_is_confirmed(pair: Cloud) -> None:
    server_id, source = _resized(pair)
    assert (_usage(pair, source), _usage(pair, _other(source))) == (128, 256)
    assert pair.show(server_id)["flavor"]["ram"] == 256
    pair.act(server_id, "confirmResize", status=204)
    pair.until(lambda: pair.show(server_id)["status"] == "ACTIVE")
    _require_at(pair, server_id, _other(source))
    assert _usage(pair, source) == 0
    assert _moves(pair, server_id) == [("resize", "confirmed")]


def test_a_resize_that_cannot_be_confirmed_now_can_be_taken_back(pair: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "CONFIRM", tasks.CONFIRM._replace(deadline_s=2.0))
    server_id, source = _resized(pair)
    pair.hosts[source].faults.errors["confirm_resize"] = "the disk is read-only"
    pair.act(server_id, "confirmResize", status=204)
    pair.until(lambda: pair.json("GET", _actions(server_id), "admin")["instanceActions"][0]["message"])
    assert pair.settled(server_id)["status"] == "VERIFY_RESIZE"
    pair.act(server_id, "revertResize")
    assert pair.settled(server_id)["status"] == "ACTIVE"
    _require_at(pair, server_id, source)


def _actions(server_id: str) -> str:
    return f"/v2.1/servers/{server_id}/os-instance-actions"


def test_a_reverted_resize_is_as_if_it_had_not_been(pair: Cloud) -> None:
    server_id, source = _resized(pair)
    pair.act(server_id, "revertResize")
    assert pair.settled(server_id)["status"] == "ACTIVE"
    _require_at(pair, server_id, source)
    assert pair.show(server_id)["flavor"]["ram"] == 128
    assert (_usage(pair, source), _usage(pair, _other(source))) == (128, 0)
    assert _moves(pair, server_id) == [("resize", "reverted")]


def test_a_stopped_server_stays_stopped_through_a_migration(pair: Cloud) -> None:
    server = pair.active()
    source = server["OS-EXT-SRV-ATTR:host"]
    pair.act(server["id"], "os-stop")
    pair.settled(server["id"])
    pair.act(server["id"], "migrate", token="admin")
    assert pair.settled(server["id"])["status"] == "VERIFY_RESIZE"
    pair.act(server["id"], "confirmResize", status=204)
    pair.until(lambda: pair.show(server["id"])["status"] == "SHUTOFF")
    _require_at(pair, server["id"], _other(source))
    assert pair.hosts[_other(source)].guests() == {server["id"]: 4}


def test_a_port_that_goes_while_its_server_moves_is_no_failure(pair: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was made for an interface that is then refused, for example."""
    server = pair.active(flavorRef=pair.flavor(ram=128))
    seen = network.ports_of
    gone = {"id": "99999999-9999-4999-8999-999999999999", "binding:host_id": ""}
    monkeypatch.setattr(network, "ports_of", lambda session, server_id: [gone, *seen(session, server_id)])
    pair.act(server["id"], "resize", {"flavorRef": pair.flavor(ram=256)})
    assert pair.settled(server["id"])["status"] == "VERIFY_RESIZE", pair.show(server["id"]).get("fault")


@pytest.mark.parametrize("method", ["send", "receive"])
def test_a_failed_resize_leaves_the_server_as_it_was(pair: Cloud, method: str) -> None:
    server = pair.active(flavorRef=pair.flavor(ram=128))
    source = server["OS-EXT-SRV-ATTR:host"]
    for host in pair.hosts.values():
        host.faults.errors[method] = "the disk is full"
    pair.act(server["id"], "resize", {"flavorRef": pair.flavor(ram=256)})
    assert pair.settled(server["id"])["status"] == "ACTIVE"
    _require_at(pair, server["id"], source)
    assert (_usage(pair, source), _usage(pair, _other(source))) == (128, 0)
    assert _moves(pair, server["id"]) == [("resize", "error")]
    action = pair.json("GET", f"/v2.1/servers/{server['id']}/os-instance-actions", "admin")["instanceActions"][0]
    assert (action["action"], action["message"]) == ("resize", "Error")


def test_a_resize_that_fits_nowhere_says_why_and_changes_nothing(pair: Cloud) -> None:
    server = pair.active(flavorRef=pair.flavor(ram=128))
    pair.act(server["id"], "resize", {"flavorRef": pair.flavor(ram=128, disk=9000)})
    assert pair.settled(server["id"])["status"] == "ACTIVE"
    _require_at(pair, server["id"], server["OS-EXT-SRV-ATTR:host"])


def test_a_resize_counts_against_the_quota(pair: Cloud) -> None:
    server = pair.active(flavorRef=pair.flavor(vcpus=1))
    error = pair.act(server["id"], "resize", {"flavorRef": pair.flavor(vcpus=21)}, status=403)
    assert "Quota exceeded for cores" in error["forbidden"]["message"]


def test_a_server_that_is_deleted_while_resized_leaves_nothing(pair: Cloud) -> None:
    server_id, source = _resized(pair)
    pair.json("DELETE", f"/v2.1/servers/{server_id}", status=204)
    pair.until(lambda: pair.is_gone(server_id))
    assert (_usage(pair, source), _usage(pair, _other(source))) == (0, 0)
    assert all(host.guests() == {} for host in pair.hosts.values())
    assert pair.network.ports == {}


def test_live_migration_moves_a_running_server(pair: Cloud) -> None:
    server = pair.active()
    source = server["OS-EXT-SRV-ATTR:host"]
    pair.act(server["id"], "os-migrateLive", {"host": None, "block_migration": "auto"}, token="admin")
    assert pair.settled(server["id"])["status"] == "ACTIVE"
    _require_at(pair, server["id"], _other(source))
    assert (_usage(pair, source), _usage(pair, _other(source))) == (0, 128)
    assert _moves(pair, server["id"]) == [("live-migration", "completed")]


def test_a_failed_live_migration_leaves_the_server_running(pair: Cloud) -> None:
    server = pair.active()
    source = server["OS-EXT-SRV-ATTR:host"]
    pair.hosts[source].faults.errors["live_migrate"] = "the line is dead"
    pair.act(server["id"], "os-migrateLive", {"host": None, "block_migration": "auto"}, token="admin")
    assert pair.settled(server["id"])["status"] == "ACTIVE"
    _require_at(pair, server["id"], source)
    assert pair.hosts[source].guests() == {server["id"]: 1}
    assert _moves(pair, server["id"]) == [("live-migration", "error")]


def test_a_live_migration_shows_its_progress_and_can_be_aborted(pair: Cloud) -> None:
    server = pair.active()
    source = server["OS-EXT-SRV-ATTR:host"]
    pair.hosts[source].faults.delays["live_migrate"] = 60.0
    pair.act(server["id"], "os-migrateLive", {"host": None, "block_migration": "auto"}, token="admin")
    path = f"/v2.1/servers/{server['id']}/migrations"

    def running() -> Any:
        found = pair.json("GET", path, "admin")["migrations"]
        return found[0] if found and found[0]["memory_total_bytes"] else None

    move = pair.until(running)
    assert move["memory_total_bytes"] == 128 << 20
    assert pair.show(server["id"])["status"] == "MIGRATING"
    pair.json("DELETE", f"{path}/{move['id']}", "admin", status=202)
    assert pair.settled(server["id"])["status"] == "ACTIVE"
    _require_at(pair, server["id"], source)
    assert _moves(pair, server["id"]) == [("live-migration", "cancelled")]
    assert pair.call("GET", f"{path}/{move['id']}", "admin").status == 404


def test_a_live_migration_can_be_forced_to_its_end(pair: Cloud) -> None:
    server = pair.active()
    source = server["OS-EXT-SRV-ATTR:host"]
    pair.hosts[source].faults.delays["live_migrate"] = 60.0
    pair.act(server["id"], "os-migrateLive", {"host": None, "block_migration": "auto"}, token="admin")
    path = f"/v2.1/servers/{server['id']}/migrations"

    def running() -> Any:
        found = pair.json("GET", path, "admin")["migrations"]
        return found and found[0]["memory_total_bytes"] and found[0]["id"]

    number = pair.until(running)
    pair.json("POST", f"{path}/{number}/action", "admin", json={"force_complete": None}, status=202)
    assert pair.settled(server["id"])["status"] == "ACTIVE"
    _require_at(pair, server["id"], _other(source))


def test_a_server_can_be_deleted_while_it_migrates(pair: Cloud) -> None:
    server = pair.active()
    for host in pair.hosts.values():
        host.faults.delays["live_migrate"] = 60.0
    pair.act(server["id"], "os-migrateLive", {"host": None, "block_migration": "auto"}, token="admin")
    path = f"/v2.1/servers/{server['id']}/migrations"
    pair.until(lambda: pair.json("GET", path, "admin")["migrations"])
    pair.json("DELETE", f"/v2.1/servers/{server['id']}", status=204)
    pair.until(lambda: pair.is_gone(server["id"]), 50.0)
    assert (pair.network.ports, _usage(pair, "node1"), _usage(pair, "node2")) == ({}, 0, 0)
    assert all(host.guests() == {} for host in pair.hosts.values())


def test_evacuation_builds_the_server_of_a_dead_host_elsewhere(pair: Cloud) -> None:
    server = pair.active()
    source = server["OS-EXT-SRV-ATTR:host"]
    pair.act(server["id"], "evacuate", {}, token="admin", status=400)
    services = pair.json("GET", f"/v2.1/os-services?host={source}", "admin")["services"]
    pair.json("PUT", f"/v2.1/os-services/{services[0]['id']}", "admin", json={"forced_down": True})
    pair.act(server["id"], "evacuate", {}, token="admin", status=200)
    shown = pair.settled(server["id"])
    assert (shown["status"], shown["OS-EXT-SRV-ATTR:host"]) == ("SHUTOFF", _other(source))  # since 2.95
    assert list(pair.allocations(server["id"])) == [_provider(pair, _other(source))]
    assert _usage(pair, source) == 0
    assert _moves(pair, server["id"]) == [("evacuation", "done")]


def test_a_move_to_a_host_that_is_not_there_is_refused(pair: Cloud) -> None:
    server = pair.active()
    live = {"host": "nohost", "block_migration": "auto"}
    for action, given in (("migrate", {"host": "nohost"}), ("os-migrateLive", live)):
        error = pair.act(server["id"], action, given, token="admin", status=400)
        assert error["badRequest"]["message"] == "Compute host nohost could not be found."


# -- a state that is reset meanwhile ---------------------------------------------------------------------------------


def _reset(cloud: Cloud, server_id: str) -> None:
    cloud.act(server_id, "os-resetState", {"state": "active"}, token="admin")


def _require_healed(cloud: Cloud, server_id: str, kind: str, host: str, ram: int) -> None:
    """The move is over, and what it held is given back."""
    cloud.until(lambda: _moves(cloud, server_id) == [(kind, "error")], 40.0)
    cloud.until(lambda: server_id in cloud.hosts[host].guests())
    _require_at(cloud, server_id, host)
    assert (_usage(cloud, host), _usage(cloud, _other(host))) == (ram, 0)
    assert all(not driver._kept.old for driver in cloud.hosts.values())
    assert cloud.show(server_id)["flavor"]["ram"] == ram
    cloud.json("DELETE", f"/v2.1/servers/{server_id}", status=204)
    cloud.until(lambda: cloud.is_gone(server_id))
    assert (_usage(cloud, host), _usage(cloud, _other(host))) == (0, 0)


def test_a_reset_while_it_waits_for_confirmation_is_one(pair: Cloud) -> None:
    server_id, source = _resized(pair)
    _reset(pair, server_id)
    _require_healed(pair, server_id, "resize", _other(source), 256)


@pytest.mark.parametrize("method", ["send", "receive"])
def test_a_reset_in_the_middle_of_a_migration_takes_it_back(pair: Cloud, method: str) -> None:
    server = pair.active(flavorRef=pair.flavor(ram=128))
    source = server["OS-EXT-SRV-ATTR:host"]
    host = pair.hosts[source if method == "send" else _other(source)]
    host.faults.delays[method] = 1.0
    pair.act(server["id"], "migrate", token="admin")
    wanted = "resize_migrating" if method == "send" else "resize_finish"
    pair.until(lambda: pair.show(server["id"])["OS-EXT-STS:task_state"] == wanted)
    _reset(pair, server["id"])
    _require_healed(pair, server["id"], "migration", source, 128)


@pytest.mark.parametrize("arrived", [False, True])
def test_a_reset_in_the_middle_of_a_live_migration(pair: Cloud, arrived: bool) -> None:
    server = pair.active(flavorRef=pair.flavor(ram=128))
    source = server["OS-EXT-SRV-ATTR:host"]
    driver: Any = pair.hosts[source]
    if arrived:
        really = driver.live_migrate

        def late(*args: Any, **rest: Any) -> None:
            really(*args, **rest)
            _reset(pair, server["id"])

        driver.live_migrate = late
    else:
        driver.faults.delays["live_migrate"] = 60.0
    pair.act(server["id"], "os-migrateLive", {"host": None, "block_migration": "auto"}, token="admin")
    if not arrived:
        pair.until(lambda: server["id"] in driver._live)
        _reset(pair, server["id"])
    _require_healed(pair, server["id"], "live-migration", _other(source) if arrived else source, 128)


def test_a_move_that_everybody_forgot_is_found(pair: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    from cumulet.compute.domain import moves
    from cumulet.compute.jobs import healing

    server_id, source = _resized(pair)
    with monkeypatch.context() as patch:
        patch.setattr(moves, "enqueue_heal", lambda *_: None)
        _reset(pair, server_id)
    assert _moves(pair, server_id) == [("resize", "finished")]
    monkeypatch.setattr(healing, "_FORGOTTEN_US", 0)

    class Always:
        def check(self) -> None:
            """The job stays ours."""

    healing.find_forgotten(Always(), pair.service)  # type: ignore[arg-type]
    pair.service.wake()
    _require_healed(pair, server_id, "resize", _other(source), 256)
