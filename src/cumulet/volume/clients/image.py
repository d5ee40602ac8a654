"""Image, as Volume uses it: an image's facts with the caller's own rights, uploads by Volume's login."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote

import msgspec

from cumulet.kernel.client import Response, Session, Unreachable
from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest, Forbidden, NotFound, ServiceUnavailable
from cumulet.volume.service import Volume

Image = dict[str, Any]
_UUID: Final = re.compile(r"^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$")
_BASIC_NAMES: Final = """
    id name status visibility size disk_format container_format checksum min_disk min_ram created_at updated_at tags
    self file schema owner protected virtual_size os_hidden os_hash_algo os_hash_value direct_url locations stores
"""
BASIC: Final = frozenset(_BASIC_NAMES.split())
"""What is not a property of the image's own."""
_COPIED = ("container_format", "disk_format", "min_disk", "min_ram", "size", "checksum")


def show(volume: Volume, ctx: Context, image_id: str) -> Image:
    """An image that the caller may read. Raises BadRequest without one."""
    if _UUID.match(image_id) is None:
        raise BadRequest("Invalid image identifier or unable to access requested image.")
    answer = _as_caller(volume, ctx, "GET", f"/v2/images/{quote(image_id, safe='')}")
    if answer.status in (403, 404):
        raise BadRequest("Invalid image identifier or unable to access requested image.")
    if answer.status >= 300:
        raise ServiceUnavailable(f"The image service answered with {answer.status}.")
    image: Image = answer.json()
    return image


def show_or_missing(volume: Volume, ctx: Context, image_id: str) -> Image:
    """As `show`. Raises NotFound without one."""
    try:
        return show(volume, ctx, image_id)
    except BadRequest:
        raise NotFound(f"Image {image_id} could not be found.") from None


def boot_snapshot(image: Image) -> str | None:
    """The snapshot that a server made from this image starts from: Compute's images of servers on volumes have no data,
    only this. None for all other images."""
    try:
        devices = msgspec.json.decode(image.get("block_device_mapping") or "[]")
        found = [one for one in devices if one.get("source_type") == "snapshot" and one.get("boot_index") == 0]
        return str(found[0]["snapshot_id"]) if found else None
    except (msgspec.DecodeError, TypeError, AttributeError, KeyError):
        return None  # a property that anybody may write


def create(volume: Volume, ctx: Context, values: Image) -> Image:
    """A queued image of the caller's. Raises BadRequest, Forbidden with Image's own sentence."""
    answer = _as_caller(volume, ctx, "POST", "/v2/images", json=values)
    if answer.status == 201:
        image: Image = answer.json()
        return image
    if answer.status in (401, 403):
        raise Forbidden("The image service does not allow to create this image.")
    if answer.status < 500:
        raise BadRequest(f"The image service refused the image: {answer.body[:200].decode(errors='replace')}")
    raise ServiceUnavailable(f"The image service answered with {answer.status}.")


def _as_caller(volume: Volume, ctx: Context, method: str, path: str, json: Any = None) -> Response:
    try:
        url = volume.session.endpoint("image") + path
        return volume.env.transport.request(method, url, headers={"X-Auth-Token": ctx.auth_token or ""}, json=json)
    except (LookupError, Unreachable):
        raise ServiceUnavailable("The image service does not answer.") from None


def find(session: Session, image_id: str) -> Image | None:
    """An image as Volume's own user sees it; None when it is gone. Raises Unreachable, LookupError."""
    answer = session.request("GET", "image", f"/v2/images/{quote(image_id, safe='')}")
    if answer.status >= 500:
        raise Unreachable(f"the image service answered {answer.status}")
    return answer.json() if answer.status == 200 else None


def delete(session: Session, image_id: str) -> None:
    """What is gone already is deleted rightly. Raises Unreachable, LookupError."""
    answer = session.request("DELETE", "image", f"/v2/images/{quote(image_id, safe='')}")
    if answer.status >= 500:
        raise Unreachable(f"the image service answered {answer.status}")


def metadata_of(image: Image) -> dict[str, str]:
    """What a volume keeps of the image it was made from (`volume_image_metadata`)."""
    found = {"image_id": str(image["id"]), "image_name": str(image.get("name") or "")}
    for key in _COPIED:
        if image.get(key) is not None:
            found[key] = str(image[key])
    for key, value in image.items():
        if key not in BASIC and isinstance(value, str | int | float | bool):
            found[key] = str(value)
    if image.get("signature_verified") is None:
        found["signature_verified"] = "False"
    return found
