"""Operations on a server's power, its lock and its state."""

from __future__ import annotations

from typing import Any

import pytest

from tests.compute.support import Cloud


@pytest.mark.parametrize(
    ("actions", "status", "power"),
    [
        ([("os-stop", None)], "SHUTOFF", 4),
        ([("os-stop", None), ("os-start", None)], "ACTIVE", 1),
        ([("reboot", {"type": "SOFT"})], "ACTIVE", 1),
        ([("os-stop", None), ("reboot", {"type": "HARD"})], "ACTIVE", 1),
        ([("pause", None)], "PAUSED", 3),
        ([("pause", None), ("unpause", None)], "ACTIVE", 1),
        ([("suspend", None)], "SUSPENDED", 7),
        ([("suspend", None), ("resume", None)], "ACTIVE", 1),
    ],
)
def test_power(running: Cloud, actions: list[tuple[str, Any]], status: str, power: int) -> None:
    server_id = running.active()["id"]
    for action, given in actions:
        running.act(server_id, action, given)
        server = running.settled(server_id)
    assert (server["status"], server["OS-EXT-STS:power_state"]) == (status, power)
    assert running.hosts["node1"].guests() == {server_id: power}


def test_an_operation_in_the_wrong_state_is_refused(running: Cloud) -> None:
    server_id = running.active()["id"]
    error = running.act(server_id, "os-start", status=409)["conflictingRequest"]
    assert error["message"] == f"Cannot 'start' instance {server_id} while it is in vm_state active"


def test_a_locked_server_is_left_alone_by_its_owner(running: Cloud) -> None:
    server_id = running.active()["id"]
    running.act(server_id, "lock", {"locked_reason": "audit"})
    assert running.show(server_id)["locked_reason"] == "audit"
    running.act(server_id, "os-stop", status=409)
    assert running.call("DELETE", f"/v2.1/servers/{server_id}").status == 409
    running.act(server_id, "unlock")
    running.act(server_id, "os-stop")


def test_a_locked_server_is_copied_all_the_same(running: Cloud) -> None:
    server_id = running.active()["id"]
    running.act(server_id, "lock", token="admin")
    running.act(server_id, "createImage", {"name": "copy"})
    running.settled(server_id)
    running.act(server_id, "createBackup", {"name": "backup", "backup_type": "daily", "rotation": 1})
    running.settled(server_id)


def test_what_an_administrator_locked_only_one_unlocks(running: Cloud) -> None:
    server_id = running.active()["id"]
    running.act(server_id, "lock", token="admin")
    running.act(server_id, "unlock", status=403)
    running.act(server_id, "unlock", token="admin")


def test_a_host_that_fails_is_the_fault(running: Cloud) -> None:
    server_id = running.active()["id"]
    running.hosts["node1"].faults.errors["pause"] = "the guest does not answer"
    running.act(server_id, "pause")
    server = running.settled(server_id)
    assert server["status"] == "ERROR" and "the guest does not answer" in server["fault"]["message"]
    running.act(server_id, "os-resetState", {"state": "active"}, status=403)
    running.act(server_id, "os-resetState", {"state": "active"}, token="admin")
    assert running.show(server_id)["status"] == "ACTIVE"


def test_console_output(running: Cloud) -> None:
    server_id = running.active(name="guest")["id"]
    answer = running.act(server_id, "os-getConsoleOutput", {"length": 1}, status=200)
    assert answer == {"output": "guest login:"}
    assert len(running.act(server_id, "os-getConsoleOutput", {}, status=200)["output"].splitlines()) == 13
    running.act(server_id, "os-getConsoleOutput", {"length": "x"}, status=400)


@pytest.mark.parametrize("body", [{}, {"fly": None}, {"os-stop": None, "os-start": None}, [], {"reboot": {}}])
def test_what_is_no_action_is_refused(cloud: Cloud, body: Any) -> None:
    server_id = cloud.boot()["id"]
    assert cloud.call("POST", f"/v2.1/servers/{server_id}/action", json=body).status == 400
