"""Compute, as Volume uses it: whether a server really has a volume, and telling it of a new size."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from cumulet.kernel.client import Response, Session, Unreachable

_ATTACHMENT_IDS: Final = {"OpenStack-API-Version": "compute 2.89"}
_RESIZE_EVENTS: Final = {"OpenStack-API-Version": "compute 2.51"}
_REIMAGE_EVENTS: Final = {"OpenStack-API-Version": "compute 2.93"}


def attachment_of(session: Session, server_id: str, volume_id: str) -> str | None:
    """The attachment by which a server has a volume; None when it has none. Raises Unreachable, LookupError."""
    path = f"/servers/{quote(server_id, safe='')}/os-volume_attachments/{quote(volume_id, safe='')}"
    answer = session.request("GET", "compute", path, headers=_ATTACHMENT_IDS)
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise Unreachable(f"the compute service answered {answer.status}")
    found: str | None = answer.json()["volumeAttachment"].get("attachment_id")
    return found


def host_of(session: Session, server_id: str) -> str | None:
    """None: there is no such server, or it is on no host. Raises Unreachable, LookupError."""
    answer = session.request("GET", "compute", f"/servers/{quote(server_id, safe='')}")
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise Unreachable(f"the compute service answered {answer.status}")
    found: str | None = answer.json()["server"].get("OS-EXT-SRV-ATTR:host")
    return found


def swap(session: Session, server_id: str, old_id: str, new_id: str) -> Response:
    """Have a server use another volume in one's place. 202: it will be told when that is done. Raises as above."""
    path = f"/servers/{quote(server_id, safe='')}/os-volume_attachments/{quote(old_id, safe='')}"
    answer = session.request("PUT", "compute", path, json={"volumeAttachment": {"volumeId": new_id}})
    if answer.status >= 500:
        raise Unreachable(f"the compute service answered {answer.status}")
    return answer


def tell_extended(session: Session, server_ids: list[str], volume_id: str) -> bool:
    """Have guests see a volume's new size. Whether Compute took all events. Raises Unreachable, LookupError."""
    return _tell(session, "volume-extended", server_ids, volume_id, _RESIZE_EVENTS)


def tell_reimaged(session: Session, server_ids: list[str], volume_id: str) -> bool:
    return _tell(session, "volume-reimaged", server_ids, volume_id, _REIMAGE_EVENTS)


def _tell(session: Session, name: str, server_ids: list[str], volume_id: str, headers: dict[str, str]) -> bool:
    events = [{"name": name, "server_uuid": server_id, "tag": volume_id} for server_id in server_ids]
    answer: Response = session.request(
        "POST", "compute", "/os-server-external-events", headers=headers, json={"events": events}
    )
    if answer.status >= 500:
        raise Unreachable(f"the compute service answered {answer.status}")
    if answer.status not in (200, 207):
        return False
    told: list[dict[str, Any]] = answer.json()["events"]
    return all(event.get("code", 200) < 300 for event in told)
