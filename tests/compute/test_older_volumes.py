"""Volume's things in Compute's older form."""

from __future__ import annotations

from typing import Any

from tests.compute.support import Cloud


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
