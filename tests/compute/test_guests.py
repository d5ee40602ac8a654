"""What is asked of guests at once, their consoles, and what hosts report of them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from cumulet.compute.domain import guest_passwords, guests
from tests.compute.support import Cloud


def test_a_password_reaches_the_guest_and_is_written_nowhere(running: Cloud) -> None:
    server_id = running.active()["id"]
    running.act(server_id, "changePassword", {"adminPass": "s3cr3t-of-mine"})
    assert running.hosts["node1"]._kept.guests[server_id].password == "s3cr3t-of-mine"
    with running.service.db.read() as connection:
        rows = connection.exec_driver_sql("select payload from jobs").scalars().all()
    assert not any("s3cr3t-of-mine" in row for row in rows)


def test_what_boots_are_told_in_confidence_is_forgotten(running: Cloud) -> None:
    server_id = running.active(adminPass="s3cr3t-of-mine")["id"]
    running.act(server_id, "rescue", {"adminPass": "s3cr3t-of-mine"}, status=200)
    running.settled(server_id)
    with running.service.db.read() as connection:
        rows = connection.exec_driver_sql("select payload from jobs").scalars().all()
    assert not any("s3cr3t-of-mine" in row for row in rows)


def test_the_password_a_guest_left_is_its_owners(running: Cloud) -> None:
    server_id = running.active()["id"]
    path = f"/v2.1/servers/{server_id}/os-server-password"
    assert running.json("GET", path) == {"password": ""}
    guest_passwords.store(running.service, server_id, "ZW5jcnlwdGVk")
    assert running.json("GET", path, "reader") == {"password": "ZW5jcnlwdGVk"}
    assert running.call("DELETE", path, "reader").status == 403
    running.json("DELETE", path, status=204)
    assert running.json("GET", path) == {"password": ""}


def test_a_refusing_guest_is_a_conflict_with_its_reason(running: Cloud) -> None:
    server_id = running.active()["id"]
    running.hosts["node1"].faults.errors["set_password"] = "the guest has no agent"
    error = running.act(server_id, "changePassword", {"adminPass": "x"}, status=409)
    assert "the guest has no agent" in error["conflictingRequest"]["message"]


def test_a_crash_dump_is_triggered_since_2_17(running: Cloud) -> None:
    server_id = running.active()["id"]
    running.act(server_id, "trigger_crash_dump")
    assert running.hosts["node1"]._kept.guests[server_id].dumps == 1
    body = {"trigger_crash_dump": None}
    running.json("POST", f"/v2.1/servers/{server_id}/action", json=body, version="2.16", status=404)


def test_diagnostics_have_the_form_of_their_microversion(running: Cloud) -> None:
    server_id = running.active()["id"]
    path = f"/v2.1/servers/{server_id}/diagnostics"
    new = running.json("GET", path, "admin")
    assert (new["state"], new["num_cpus"], len(new["nic_details"])) == ("running", 1, 1)
    assert running.json("GET", path, "admin", version="2.47")["cpu0_time"] == 0
    assert running.call("GET", path).status == 403
    running.act(server_id, "os-stop")
    running.settled(server_id)
    assert running.call("GET", path, "admin").status == 409


def _console(cloud: Cloud, server_id: str) -> Any:
    body = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
    return cloud.json("POST", f"/v2.1/servers/{server_id}/remote-consoles", json=body)["remote_console"]


def test_a_console_token_leads_to_one_server_until_it_expires(running: Cloud) -> None:
    server_id = running.active()["id"]
    url = urlsplit(_console(running, server_id)["url"])
    token = parse_qs(url.query)["path"][0].removeprefix("?token=")
    path = f"/v2.1/os-console-auth-tokens/{token}"
    shown = running.json("GET", path, "admin")["console"]
    assert (shown["instance_uuid"], shown["host"]) == (server_id, "127.0.0.1")
    assert running.call("GET", path).status == 403
    with running.service.db.read() as connection:
        hashes = connection.exec_driver_sql("select token_hash from console_tokens").scalars().all()
    assert token not in hashes
    now = running.service.now
    running.service.now = lambda: now() + 601_000_000
    assert running.call("GET", path, "admin").status == 404


def test_consoles_that_there_are_not_are_refused_by_name(running: Cloud) -> None:
    server_id = running.active()["id"]
    body = {"remote_console": {"protocol": "spice", "type": "spice-html5"}}
    error = running.json("POST", f"/v2.1/servers/{server_id}/remote-consoles", json=body, status=400)
    assert error["badRequest"]["message"] == "Unavailable console type spice-html5."
    old = {"os-getVNCConsole": {"type": "novnc"}}
    action = f"/v2.1/servers/{server_id}/action"
    assert running.json("POST", action, json=old, version="2.5")["console"]["type"] == "novnc"
    running.json("POST", action, json=old, version="2.6", status=404)


def _report(cloud: Cloud, found: dict[str, int], later_s: int = 60) -> list[str]:
    """What the engine answers to a report that comes after everything has settled."""
    now = cloud.service.now
    cloud.service.now = lambda: now() + later_s * 1_000_000
    try:
        return guests.reconcile(cloud.service, {"node1": found}).get("node1", [])
    finally:
        cloud.service.now = now


def test_a_guest_that_went_off_by_itself_is_shown_as_stopped(running: Cloud) -> None:
    server_id = running.active()["id"]
    assert _report(running, {server_id: 4}, later_s=0) == []
    assert running.show(server_id)["status"] == "ACTIVE"  # too fresh: the report may be older
    assert _report(running, {server_id: 4}) == []
    assert running.show(server_id)["status"] == "SHUTOFF"


def test_a_guest_whose_server_is_gone_is_to_go(running: Cloud) -> None:
    server_id = running.active()["id"]
    running.json("DELETE", f"/v2.1/servers/{server_id}", status=204)
    running.until(lambda: running.is_gone(server_id))
    assert _report(running, {server_id: 1}) == [server_id]


def test_a_guest_nobody_has_heard_of_is_left_alone(running: Cloud) -> None:
    assert _report(running, {"44444444-4444-4444-8444-444444444444": 1}) == []


def test_a_guest_on_its_way_is_left_alone(running: Cloud) -> None:
    running.add_host("node2")
    server = running.active()
    source = server["OS-EXT-SRV-ATTR:host"]
    running.act(server["id"], "migrate", token="admin")
    assert running.settled(server["id"])["status"] == "VERIFY_RESIZE"
    assert guests.reconcile(running.service, {source: {server["id"]: 4}}) == {}
    running.act(server["id"], "confirmResize", status=204)
    running.until(lambda: running.show(server["id"])["status"] == "ACTIVE")
    assert guests.reconcile(running.service, {source: {server["id"]: 4}}) == {source: [server["id"]]}


def test_a_move_that_ends_while_a_report_is_read_costs_no_guest(running: Cloud) -> None:
    """The server was elsewhere when the report was first looked at, and its move is over when moves are."""
    from cumulet.compute.domain import guests

    server = running.active()["id"]
    host = running.show(server)["OS-EXT-SRV-ATTR:host"]
    with running.service.db.read() as connection:
        assert guests._leftovers(connection, [(host, server), ("elsewhere", server)]) == {"elsewhere": [server]}
