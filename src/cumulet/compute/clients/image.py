"""Image, as jobs use it (Image API v2)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from cumulet.compute.clients.answers import ask, content
from cumulet.kernel.client import Session


def show(session: Session, image_id: str) -> dict[str, Any]:
    """An image as hosts are told of it: its plain properties. Raises GiveUp when there is none."""
    found = content(ask(session, "GET", "image", f"/v2/images/{quote(image_id, safe='')}"), "image")
    return {name: value for name, value in found.items() if isinstance(value, str | int | bool)}


def delete(session: Session, image_id: str) -> None:
    """One that is gone is right too."""
    answer = ask(session, "DELETE", "image", f"/v2/images/{quote(image_id, safe='')}")
    if answer.status != 404:
        content(answer, "image")


def backups(session: Session, server_id: str, backup_type: str) -> list[str]:
    """Ids of a server's backups of one type, newest first."""
    query = {"image_type": "backup", "backup_type": backup_type, "instance_uuid": server_id}
    order = {"sort_key": "created_at", "sort_dir": "desc", "limit": 1000}
    found = content(ask(session, "GET", "image", f"/v2/images?{urlencode({**query, **order})}"), "image")
    return [one["id"] for one in found["images"]]
