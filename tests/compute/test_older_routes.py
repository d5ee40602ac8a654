"""Addresses that the original still answers under, and what is said of what is gone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.compute.images import IMAGE_ID
from tests.compute.support import NETWORK_ID, Cloud

NOBODY = "44444444-4444-4444-8444-444444444444"


def test_volumes_boot_is_another_name_of_servers(running: Cloud) -> None:
    body = {"name": "s", "imageRef": IMAGE_ID, "flavorRef": running.flavor(), "networks": [{"uuid": NETWORK_ID}]}
    alias = "/v2.1/os-volumes_boot"
    last: dict[str, Any] = {"version": "2.102"}
    made = running.json("POST", alias, status=202, json={"server": body}, **last)["server"]
    assert running.settled(made["id"])["status"] == "ACTIVE"
    path = f"{alias}/{made['id']}"
    assert running.json("GET", path, **last)["server"] == running.show(made["id"], "member", **last)
    assert [one["id"] for one in running.json("GET", alias, **last)["servers"]] == [made["id"]]
    assert [one["id"] for one in running.json("GET", f"{alias}/detail", **last)["servers"]] == [made["id"]]
    assert running.json("PUT", path, json={"server": {"name": "other"}}, **last)["server"]["name"] == "other"
    running.json("POST", f"{path}/action", status=202, json={"os-stop": None}, **last)
    assert running.settled(made["id"])["status"] == "SHUTOFF"
    running.json("DELETE", path, status=204, **last)
    running.until(lambda: running.is_gone(made["id"]))


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "os-cells/capacities", None, 410),
        ("POST", "os-cells/sync_instances", {}, 410),
        ("GET", "os-cells/one/capacities", None, 410),
        ("GET", "os-fixed-ips/10.0.0.1", None, 410),
        ("POST", "os-fixed-ips/10.0.0.1/action", {"reserve": None}, 410),
        ("POST", "os-fixed-ips/10.0.0.1/action", {"nonsense": None}, 400),
        ("PUT", "os-floating-ip-dns/domain/entries/one", {}, 410),
        ("POST", "os-networks", {}, 410),
        ("POST", "os-networks/add", {}, 410),
        ("DELETE", f"os-networks/{NOBODY}", None, 410),
        ("POST", f"os-networks/{NOBODY}/action", {"disassociate": None}, 410),
        ("POST", f"os-networks/{NOBODY}/action", {}, 400),
        ("POST", "os-tenant-networks", {}, 410),
        ("DELETE", f"os-tenant-networks/{NOBODY}", None, 410),
        ("GET", f"servers/{NOBODY}/consoles", None, 410),
        ("DELETE", f"servers/{NOBODY}/consoles/1", None, 410),
        ("GET", "os-baremetal-nodes", None, 501),
        ("GET", "os-baremetal-nodes/1", None, 501),
        ("POST", "os-baremetal-nodes", {}, 400),
        ("DELETE", "os-baremetal-nodes/1", None, 400),
        ("POST", "os-baremetal-nodes/1/action", {"add_interface": {}}, 400),
    ],
)
def test_what_is_gone(cloud: Cloud, method: str, path: str, body: Any, status: int) -> None:
    assert cloud.call(method, f"/v2.1/{path}", "admin", "2.35", json=body).status == status


def test_bare_metal_ends_with_2_35(cloud: Cloud) -> None:
    assert cloud.call("GET", "/v2.1/os-baremetal-nodes", "admin", "2.36").status == 404


# -- shares ----------------------------------------------------------------------------------------------------------


def test_no_server_has_a_share(running: Cloud) -> None:
    server = running.active()["id"]
    path = f"/v2.1/servers/{server}/shares"
    body = {"share": {"share_id": NOBODY}}
    assert running.call("GET", path, version="2.96").status == 404
    assert running.json("GET", path, version="2.97") == {"shares": []}
    running.json("GET", f"/v2.1/servers/{NOBODY}/shares", status=404)
    assert (
        "while it is in vm_state active"
        in running.json("POST", path, status=409, json=body)["conflictingRequest"]["message"]
    )
    running.json("DELETE", f"{path}/{NOBODY}", status=409)
    running.act(server, "os-stop")
    running.settled(server)
    bodies: list[Any] = [{}, {"share": {}}, {"share": {"share_id": "x"}}, {"share": {"share_id": NOBODY, "tag": ""}}]
    for wrong in bodies:
        running.json("POST", path, status=400, json=wrong)
    running.json("POST", path, status=404, json=body)
    running.json("GET", f"{path}/{NOBODY}", status=404)
    running.json("DELETE", f"{path}/{NOBODY}", status=404)


# -- images of aggregates ------------------------------------------------------------------------------------------


def test_hosts_of_an_aggregate_fetch_images(running: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    running.add_host("node2")
    made = running.json("POST", "/v2.1/os-aggregates", "admin", json={"aggregate": {"name": "a"}})["aggregate"]["id"]
    running.json("POST", f"/v2.1/os-aggregates/{made}/action", "admin", json={"add_host": {"host": "node2"}})
    fetched: list[tuple[str, str]] = []
    for name, host in running.hosts.items():
        monkeypatch.setattr(host, "cache_image", lambda image_id, name=name: fetched.append((name, image_id)))
    path = f"/v2.1/os-aggregates/{made}/images"

    def ask(*ids: str, status: int, at: str = path, **rest: Any) -> Any:
        body = {"cache": [{"id": one} for one in ids]}
        return running.json("POST", at, rest.pop("token", "admin"), status=status, json=body, **rest)

    ask(IMAGE_ID, status=202)
    running.until(lambda: fetched == [("node2", IMAGE_ID)])
    ask(IMAGE_ID, status=403, token="member")
    ask(IMAGE_ID, status=404, version="2.80")
    ask(IMAGE_ID, IMAGE_ID, status=400)
    ask(status=400)
    ask("x", status=400)
    assert "could not be found" in ask(NOBODY, status=400)["badRequest"]["message"]
    ask(IMAGE_ID, status=404, at="/v2.1/os-aggregates/99/images")
    ask(IMAGE_ID, status=400, at="/v2.1/os-aggregates/x/images")
    assert fetched == [("node2", IMAGE_ID)]
