"""Images of simulated hosts: inspected before use and given data through Image's API, as real hosts do it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cumulet.agents import login
from cumulet.kernel import config
from cumulet.kernel.client import Session
from cumulet.kernel.settings import Settings
from cumulet.simulator.compute import Inspect, Upload

if TYPE_CHECKING:
    from cumulet.agents.compute.image_service import Glance

_LOOK = 32 << 20  # bytes that tell every format and what makes it unsafe


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


def inspector(settings: Settings) -> Inspect:
    """Refuses an image as a real host would: ImageError says why. One that was good is not looked at again."""
    accepted: set[str] = set()
    services: list[Glance] = []  # made at the first look: Identity may start after the agents

    def inspect(image: dict[str, Any]) -> None:
        image_id = image.get("id")
        if not image_id or image_id in accepted:
            return
        from cumulet.agents.compute.image_service import Glance
        from cumulet.agents.compute.images import format_of

        service = services[0] if services else Glance(lambda: _session(settings))
        services[:] = [service]
        with tempfile.NamedTemporaryFile(prefix="cumulet-image-") as file:
            for piece in service.read(image_id):
                file.write(piece)
                if file.tell() >= _LOOK:
                    break
            file.flush()
            format_of(image, Path(file.name))
        accepted.add(image_id)

    return inspect


def _session(settings: Settings) -> Session:
    """As a real host logs in: Compute's user, with the password of nova.conf or the one that the cloud made."""
    return login.session(settings, config.load("nova", settings.files_of("nova")), "nova")
