"""Messages: what a user learns of work that failed."""

from __future__ import annotations

from tests.volume.support import MISSING, Cloud


def test_no_room_is_told_in_published_words(running: Cloud) -> None:
    running.json(
        "POST", "/types", "admin", json={"volume_type": {"name": "t", "extra_specs": {"volume_backend_name": "x"}}}
    )
    volume_id = running.create(volume_type="t")["id"]
    assert running.settled(volume_id)["status"] == "error"
    [message] = running.json("GET", "/messages")["messages"]
    assert message["event_id"] == "VOLUME_VOLUME_001_003"
    assert message["user_message"] == "schedule allocate volume: Could not find any available weighted backend."
    assert (message["resource_type"], message["resource_uuid"]) == ("VOLUME", volume_id)
    assert message["message_level"] == "ERROR"
    assert message["request_id"].startswith("req-")
    path = f"/messages/{message['id']}"
    assert running.json("GET", path)["message"] == message
    assert running.call("GET", path, "other").status == 404
    assert running.call("DELETE", path, "reader").status == 403
    assert running.json("GET", "/messages", "other") == {"messages": []}
    assert len(running.json("GET", f"/messages?resource_uuid={volume_id}&limit=1")["messages"]) == 1
    assert running.json("GET", f"/messages?resource_uuid={MISSING}") == {"messages": []}
    running.json("DELETE", path, status=204)
    assert (
        running.json("GET", path, status=404)["itemNotFound"]["message"]
        == f"Message {message['id']} could not be found."
    )


def test_before_their_version(cloud: Cloud) -> None:
    assert cloud.call("GET", "/messages", version="3.2").status == 404
    assert cloud.json("GET", "/messages", version="3.3") == {"messages": []}
