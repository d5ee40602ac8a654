"""What a new server and a rebuilt one have in common: image, flavor, key pair, files, password."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Collection
from typing import Any, Final

from msgspec import UNSET, UnsetType
from sqlalchemy.engine import Connection, Row

from cumulet.agents.compute import numa
from cumulet.compute import peers
from cumulet.compute.domain import flavors, key_pairs, quotas
from cumulet.compute.schemas.servers import File
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest, Forbidden, NotFound
from cumulet.kernel.http import Call

UUID: Final = re.compile(r"^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$")
_PASSWORD: Final = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # noqa: S105 - its letters, no look-alikes
_GB: Final = 1 << 30
_LABEL: Final = re.compile(r"^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$")
_LABEL_MOST: Final = 63


def new_password() -> str:
    return "".join(secrets.choice(_PASSWORD) for _ in range(12))


def decoded(name: str, text: str) -> bytes:
    """Raises BadRequest that names the field."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest(f"Invalid input for field/attribute {name}. Value is not base64 encoded.") from None


def require_hostname(call: Call[Compute], name: str | UnsetType) -> None:
    """Raises BadRequest for a name that has dots, before 2.94 allows it."""
    if name is not UNSET and call.version < (2, 94) and not (len(name) <= _LABEL_MOST and _LABEL.match(name)):
        raise BadRequest(f"Invalid input for field/attribute hostname. Value: {name}. It is no host name.")


def require_distinct(certificates: list[str] | UnsetType | None) -> None:
    """Raises BadRequest for a trusted certificate that is there twice."""
    if certificates and len(set(certificates)) < len(certificates):
        raise BadRequest(
            f"Invalid input for field/attribute trusted_image_certificates. Value: {certificates}. {certificates} has "
            "non-unique elements"
        )


def key_pair(connection: Connection, user_id: str, name: str | None) -> Row[Any] | None:
    """Raises BadRequest for one the user does not have."""
    if name is None:
        return None
    try:
        return key_pairs.load(connection, user_id, name)
    except NotFound:
        raise BadRequest("Invalid key_name provided.") from None


def pairs_of(key: Row[Any] | None) -> list[dict[str, str]]:
    """The key pair as the server's row keeps it."""
    return [] if key is None else [{"name": key.name, "type": key.type, "public_key": key.public_key}]


def require_quota(
    call: Call[Compute],
    connection: Connection,
    metadata: Collection[str] | UnsetType,
    personality: list[File] | UnsetType,
) -> None:
    """Raises Forbidden for more metadata or larger files than the project may give a server."""
    limits = quotas.limits(call.service, connection, str(call.ctx.project_id))
    allowed = limits["metadata_items"]
    if metadata is not UNSET and 0 <= allowed < len(metadata):
        raise Forbidden(f"Maximum number of metadata items exceeds {allowed}")
    files = [] if personality is UNSET else personality
    if 0 <= limits["injected_files"] < len(files):
        raise Forbidden("Personality file limit exceeded")
    for file in files:
        if 0 <= limits["injected_file_path_bytes"] < len(file.path.encode()):
            raise Forbidden("Personality file path exceeds maximum length")
        if 0 <= limits["injected_file_content_bytes"] < len(decoded("personality", file.contents)):
            raise Forbidden("Personality file content exceeds maximum length")


def image(
    call: Call[Compute], image_id: str, *, ram_mb: int, root_gb: int, missing: str | None = None
) -> dict[str, Any]:
    """An image that a server of this size can start from. Raises BadRequest, for none with `missing`."""
    if not UUID.match(image_id):
        raise BadRequest("Invalid imageRef provided.")
    answer = peers.ask(call, "image", "GET", f"/v2/images/{image_id}")
    if answer.status in (403, 404):
        raise BadRequest(missing or f"Can not find requested image {image_id}")
    found: dict[str, Any] = peers.require(answer)
    require_fit(found, ram_mb=ram_mb, root_gb=root_gb)
    return found


def require_fit(image: dict[str, Any], *, ram_mb: int, root_gb: int) -> None:
    """Raises BadRequest for an image that is not active, or larger than the flavor."""
    if image["status"] != "active":
        raise BadRequest(f"Image {image['id']} is not active.")
    if ram_mb < (image.get("min_ram") or 0):
        raise BadRequest("Flavor's memory is too small for requested image.")
    needed = max((image.get("min_disk") or 0) * _GB, image.get("size") or 0)
    if 0 < root_gb * _GB < needed:
        raise BadRequest(
            f"Flavor's disk is too small for requested image. Flavor disk is {root_gb * _GB} bytes, image is "
            f"{needed} bytes."
        )


def properties_of(image: dict[str, Any]) -> dict[str, Any]:
    """The image as the server's row keeps it."""
    return {name: value for name, value in image.items() if isinstance(value, str | int | bool)}


def require_sense(size: dict[str, Any], image: dict[str, Any]) -> None:
    """Raises BadRequest for NUMA nodes, pages or processors that no host could be asked for."""
    try:
        numa.wish_of(size, image)
    except ValueError as error:
        raise BadRequest(str(error)) from None


def size_of(flavor: Row[Any]) -> dict[str, Any]:
    """The flavor as the server's row keeps it."""
    return {
        "id": flavor.id,
        "name": flavor.name,
        "vcpus": flavor.vcpus,
        "ram": flavor.memory_mb,
        "disk": flavor.root_gb,
        "ephemeral": flavor.ephemeral_gb,
        "swap": flavor.swap_mb,
        "extra_specs": flavors.extra_specs(flavor),
    }
