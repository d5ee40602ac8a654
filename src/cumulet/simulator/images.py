"""How simulated hosts give an image its data: through Image's API, as the hosts' own agents do."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import msgspec

from cumulet.kernel.client import Session, Transport
from cumulet.kernel.settings import Settings
from cumulet.simulator.compute import Upload

_IDENTITY = (5000, "/identity")


def uploader(settings: Settings) -> Upload:
    """Raises RuntimeError when Image does not take the data. One that is active already stays as it is."""
    sessions: list[Session] = []  # made at the first upload: Identity may start after the agents

    def upload(image_id: str, content_of: Callable[[str], bytes]) -> None:
        session = sessions[0] if sessions else _session(settings)
        sessions[:] = [session]
        path = f"/v2/images/{quote(image_id, safe='')}"
        answer = session.request("GET", "image", path)
        if answer.status != 200:
            raise RuntimeError(f"Image answered {answer.status} when asked for image {image_id}")
        image = answer.json()
        if image["status"] == "active":
            return
        data = content_of(image["disk_format"])
        headers = {"Content-Type": "application/octet-stream"}
        answer = session.request("PUT", "image", f"{path}/file", headers=headers, data=data)
        if answer.status != 204:
            raise RuntimeError(f"Image answered {answer.status} to the data of image {image_id}")

    return upload


def _session(settings: Settings) -> Session:
    passwords = msgspec.json.decode((settings.paths.keys / "passwords.json").read_bytes(), type=dict[str, str])
    auth_url = settings.url(*_IDENTITY) + "/v3"
    return Session(Transport(), auth_url, "nova", passwords["nova"], region=settings.region)
