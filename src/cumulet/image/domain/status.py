"""The statuses of images, and what an image needs to go from one to another."""

from __future__ import annotations

from cumulet.image.domain.records import Image
from cumulet.kernel.errors import BadRequest, Conflict

_FORMATS = ("disk_format", "container_format")


def check_transition(image: Image, wanted: str, allowed: tuple[str, ...]) -> None:
    """Raises Conflict for a status that cannot become the wanted one."""
    if image.status not in allowed:
        raise Conflict(f"Image status transition from {image.status} to {wanted} is not allowed")


def check_formats(image: Image) -> None:
    """Raises BadRequest: data needs to be told what it is."""
    missing = [name for name in _FORMATS if not getattr(image, name)]
    if missing:
        kind = "Property" if len(missing) == 1 else "Properties"
        raise BadRequest(f"{kind} {', '.join(missing)} must be set prior to saving data.")
