"""Volume, as jobs use it: volumes and their attachments (Block Storage API, Attachments, microversion 3.44).

A server's host gets at a volume in three steps, each of which may be repeated: an attachment is made, which reserves
the volume; it is told the host's connector, which exports the volume; it is completed once the guest has it.
"""

from __future__ import annotations

import json as texts
from typing import Any, Final
from urllib.parse import quote, urlencode

from cumulet.compute.clients.answers import ask, content
from cumulet.compute.peers import VOLUME_TYPES, volume_url
from cumulet.kernel.client import Response, Session, Unreachable
from cumulet.kernel.jobs import GiveUp, Retry

VERSION: Final = {"OpenStack-API-Version": "volume 3.60"}
_REIMAGE: Final = {"OpenStack-API-Version": "volume 3.68"}
MARK: Final = "compute_block_device"
"""The metadata of a volume made for a server, by which an interrupted job finds it again."""
_BUSY: Final = ("creating", "downloading", "attaching", "detaching", "reserved", "extending", "deleting", "backing-up")

Volume = dict[str, Any]
Attachment = dict[str, Any]


def kind(session: Session) -> str:
    """Under which type the catalog has it. Raises LookupError where there is no Volume service."""
    for name in VOLUME_TYPES:
        try:
            session.endpoint(name)
        except LookupError:
            continue
        return name
    raise LookupError("the catalog has no Volume service")


def _call(session: Session, method: str, path: str, json: Any = None, *, version: dict[str, str] = VERSION) -> Response:
    try:
        name = kind(session)
        # With a service's token beside its own: Volume lets nobody else undo what Compute relies on.
        headers = {**version, "X-Service-Token": session.token()}
    except (LookupError, Unreachable) as error:
        raise Retry(1.0, f"The volume service does not answer: {error}") from None
    return ask(session, method, name, path, headers=headers, json=json)


def _id(text: str) -> str:
    return quote(text, safe="")


def volume(session: Session, volume_id: str) -> Volume | None:
    """None when there is none."""
    answer = _call(session, "GET", f"/volumes/{_id(volume_id)}")
    if answer.status == 404:
        return None
    found: Volume = content(answer, "volume")["volume"]
    return found


def create(session: Session, token: str, project_id: str, mark: str, values: dict[str, Any]) -> Volume:
    """A volume of the user's own, asked for with the user's token. Raises GiveUp when it is refused."""
    try:
        url = f"{volume_url(session, project_id)}/volumes"
        body = {"volume": {**values, "metadata": {MARK: mark}}}
        answer = session.transport.request("POST", url, headers={**VERSION, "X-Auth-Token": token}, json=body)
    except (Unreachable, LookupError) as error:
        raise Retry(1.0, f"The volume service does not answer: {error}") from None
    if answer.status >= 500:
        raise Retry(1.0, f"The volume service answered {answer.status} to POST /volumes.")
    made: Volume = content(answer, "volume")["volume"]
    return made


def find(session: Session, mark: str) -> Volume | None:
    """The volume that was made under a mark."""
    query = urlencode({"all_tenants": "1", "metadata": texts.dumps({MARK: mark})})
    found = content(_call(session, "GET", f"/volumes/detail?{query}"), "volume")["volumes"]
    return next((one for one in found if one.get("metadata", {}).get(MARK) == mark), None)


def delete(session: Session, volume_id: str) -> str | None:
    """One that is gone is right too. Returns why it stays when somebody else has a use for it. Raises Retry."""
    answer = _call(session, "DELETE", f"/volumes/{_id(volume_id)}")
    if answer.status < 300 or answer.status == 404:
        return None
    found = volume(session, volume_id)
    if found is not None and found["status"] in _BUSY:
        raise Retry(0.5, f"Volume {volume_id} is {found['status']}.")
    return f"The volume service answered {answer.status}."


# -- attachments ---------------------------------------------------------------------------------------------------


def attach(session: Session, volume_id: str, server_id: str) -> Attachment:
    """Reserve a volume for a server. Raises GiveUp for one that cannot be had."""
    body = {"attachment": {"volume_uuid": volume_id, "instance_uuid": server_id}}
    made: Attachment = content(_call(session, "POST", "/attachments", body), "volume")["attachment"]
    return made


def attachments(session: Session, server_id: str, volume_id: str | None = None) -> list[Attachment]:
    """A server's, of all projects."""
    query = {"all_tenants": "1", "instance_id": server_id} | ({"volume_id": volume_id} if volume_id else {})
    found: list[Attachment] = content(_call(session, "GET", f"/attachments?{urlencode(query)}"), "volume")[
        "attachments"
    ]
    return [one for one in found if one.get("instance", server_id) == server_id]


def connect(session: Session, attachment_id: str, connector: dict[str, Any]) -> dict[str, Any]:
    """Have the volume exported to a host; returns `{"driver_volume_type", "data"}`. Raises GiveUp."""
    path = f"/attachments/{_id(attachment_id)}"
    known: dict[str, Any] = content(_call(session, "GET", path), "volume")["attachment"].get("connection_info") or {}
    if known:
        return _nested(known)
    answer = _call(session, "PUT", path, {"attachment": {"connector": connector}})
    if answer.status == 409:
        # Told already: the answer to that was lost.
        answer = _call(session, "GET", path)
    made: dict[str, Any] = content(answer, "volume")["attachment"].get("connection_info") or {}
    if not made:
        raise GiveUp(f"The volume service has no connection for attachment {attachment_id}.")
    return _nested(made)


def _nested(shown: dict[str, Any]) -> dict[str, Any]:
    """A connection as hosts take it; attachments show everything on one level."""
    kind = shown["driver_volume_type"]
    return {
        "driver_volume_type": kind,
        "data": {name: value for name, value in shown.items() if name != "driver_volume_type"},
    }


def complete(session: Session, attachment_id: str) -> None:
    """The guest has it."""
    content(_call(session, "POST", f"/attachments/{_id(attachment_id)}/action", {"os-complete": None}), "volume")


def detach(session: Session, attachment_id: str) -> None:
    """End an attachment; one that is gone is right too."""
    answer = _call(session, "DELETE", f"/attachments/{_id(attachment_id)}")
    if answer.status == 409:
        raise Retry(1.0, "The volume service is at work on the attachment.")
    if answer.status != 404:
        content(answer, "volume")


def act(session: Session, volume_id: str, action: str, **arguments: Any) -> bool:
    """One of a volume's actions; whether it was taken."""
    return _call(session, "POST", f"/volumes/{_id(volume_id)}/action", {action: arguments}).status < 300


def reimage(session: Session, volume_id: str, image_id: str) -> None:
    """Have a reserved volume filled anew from an image. Raises GiveUp with Volume's reason, Retry."""
    body = {"os-reimage": {"image_id": image_id, "reimage_reserved": True}}
    content(_call(session, "POST", f"/volumes/{_id(volume_id)}/action", body, version=_REIMAGE), "volume")


def swapped(session: Session, old_id: str, new_id: str, *, failed: bool = False) -> bool:
    """Tell Volume how a swap ended; whether it waited for that."""
    return act(session, old_id, "os-migrate_volume_completion", new_volume=new_id, error=failed)


# -- snapshots that a host helps with ------------------------------------------------------------------------------


def snapshot(session: Session, snapshot_id: str) -> dict[str, Any] | None:
    """None when there is none."""
    answer = _call(session, "GET", f"/snapshots/{_id(snapshot_id)}")
    if answer.status == 404:
        return None
    found: dict[str, Any] = content(answer, "volume")["snapshot"]
    return found


def tell_of_snapshot(session: Session, snapshot_id: str, status: str) -> bool:
    """What became of a host's help; whether Volume waited for that. The rest is Volume's own to do."""
    body = {"os-update_snapshot_status": {"status": status, "progress": "90%"}}
    return _call(session, "POST", f"/snapshots/{_id(snapshot_id)}/action", body).status < 300
