"""`/v2.1/images` up to microversion 2.35: Image's own images in Compute's older form (Compute API, Images)."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote, urlencode

from cumulet.compute import peers, views
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.http import NO_CONTENT, Call, Reply

_STATUS: Final = {
    "active": ("ACTIVE", 100),
    "queued": ("SAVING", 25),
    "saving": ("SAVING", 50),
    "deleted": ("DELETED", 0),
    "pending_delete": ("DELETED", 0),
    "killed": ("ERROR", 0),
}
_KNOWN: Final = frozenset(
    {
        "id", "name", "status", "visibility", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value",
        "created_at", "updated_at", "min_disk", "min_ram", "protected", "os_hidden", "owner", "tags", "self", "file",
        "schema", "container_format", "disk_format", "locations", "direct_url",
        "stores", "owner_specified.openstack.md5",
    }
)  # fmt: skip
_PATCH: Final = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
_FILTERS: Final = {"name": "name", "status": "status", "minRam": "min_ram", "minDisk": "min_disk", "type": "image_type"}


def _metadata(image: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in image.items() if key not in _KNOWN and value is not None}


def _links(call: Call[Compute], image_id: str) -> list[dict[str, str]]:
    alternate = {
        "rel": "alternate",
        "type": "application/vnd.openstack.image",
        "href": f"{peers.endpoint(call, 'image')}/images/{image_id}",
    }
    return [*views.links(call, f"images/{image_id}"), alternate]


def _view(call: Call[Compute], image: dict[str, Any]) -> dict[str, Any]:
    status, progress = _STATUS.get(image["status"], ("UNKNOWN", 0))
    metadata = _metadata(image)
    shown = {
        "id": image["id"],
        "name": image.get("name"),
        "minRam": image.get("min_ram") or 0,
        "minDisk": image.get("min_disk") or 0,
        "metadata": metadata,
        "created": image["created_at"],
        "updated": image["updated_at"],
        "status": status,
        "progress": progress,
        "OS-EXT-IMG-SIZE:size": image.get("size") or 0,
        "links": _links(call, image["id"]),
    }
    if "auto_disk_config" in metadata:
        shown["OS-DCF:diskConfig"] = "AUTO" if str(metadata["auto_disk_config"]).lower() == "true" else "MANUAL"
    server = metadata.get("instance_uuid")
    if server is not None:
        shown["server"] = {"id": server, "links": views.links(call, f"servers/{server}")}
    return shown


def load(call: Call[Compute], image_id: str) -> dict[str, Any]:
    """The image as Image shows it. Raises the 404."""
    if not image_id.strip():
        raise NotFound("Image not found.")
    answer = peers.ask(call, "image", "GET", f"/v2/images/{quote(image_id, safe='')}")
    if answer.status in (400, 404):
        raise NotFound("Image not found.")
    image: dict[str, Any] = peers.require(answer)
    return image


def _find(call: Call[Compute]) -> list[dict[str, Any]]:
    query = call.query()
    limit, marker = views.page(call)
    asked: list[tuple[str, str]] = [("limit", str(limit))]
    if marker:
        asked.append(("marker", marker))
    for key, name in _FILTERS.items():
        if key in query:
            value = query[key][-1]
            asked.append((name, value.lower() if key == "status" else value))
    for key in query:
        if key.startswith("property-"):
            asked.append((key.removeprefix("property-"), query[key][-1]))
    if "changes-since" in query:
        asked.append(("updated_at", f"gte:{query['changes-since'][-1]}"))
    answer = peers.ask(call, "image", "GET", f"/v2/images?{urlencode(asked)}")
    if answer.status == 400:
        raise BadRequest(f"marker [{marker}] not found" if marker else peers.message_of(answer))
    images: list[dict[str, Any]] = peers.require(answer)["images"]
    wanted = (query.get("server") or [""])[-1].rpartition("/")[2]
    return [image for image in images if not wanted or image.get("instance_uuid") == wanted]


def index(call: Call[Compute]) -> Reply:
    found = _find(call)
    shown = [{"id": one["id"], "name": one.get("name"), "links": _links(call, one["id"])} for one in found]
    return _page(call, "images", shown)


def detail(call: Call[Compute]) -> Reply:
    return _page(call, "images/detail", [_view(call, image) for image in _find(call)])


def _page(call: Call[Compute], path: str, shown: list[dict[str, Any]]) -> Reply:
    body: dict[str, Any] = {"images": shown}
    limit, _ = views.page(call)
    if call.query().get("limit") and shown and len(shown) == limit:
        body["images_links"] = views.next_links(call, path, shown[-1]["id"])
    return Reply(body)


def show(call: Call[Compute], image_id: str) -> Reply:
    return Reply({"image": _view(call, load(call, image_id))})


def delete(call: Call[Compute], image_id: str) -> Reply:
    load(call, image_id)
    answer = peers.ask(call, "image", "DELETE", f"/v2/images/{quote(image_id, safe='')}")
    peers.require(answer, missing="Image not found.")
    return NO_CONTENT


def metadata(call: Call[Compute], image_id: str) -> Reply:
    return Reply({"metadata": _metadata(load(call, image_id))})


def metadata_item(call: Call[Compute], image_id: str, key: str) -> Reply:
    found = _metadata(load(call, image_id))
    if key not in found:
        raise NotFound("Metadata item was not found")
    return Reply({"meta": {key: found[key]}})


def _given(call: Call[Compute], name: str) -> dict[str, str]:
    body = call.raw_json()
    inner = body.get(name) if isinstance(body, dict) and set(body) == {name} else None
    if not isinstance(inner, dict) or (name == "meta" and len(inner) != 1):
        raise BadRequest(f"Invalid input for field/attribute {name}. It is an object of keys and values.")
    for key, value in inner.items():
        if not 1 <= len(key) <= 255 or not isinstance(value, str) or len(value) > 255:
            raise BadRequest(f"Invalid input for field/attribute {key}. Value: {value}.")
    return inner


def _change(call: Call[Compute], image_id: str, add: dict[str, str], remove: list[str]) -> dict[str, Any]:
    image = load(call, image_id)
    steps = [{"op": "remove", "path": f"/{_pointer(key)}"} for key in remove]
    steps += [
        {"op": "replace" if key in image else "add", "path": f"/{_pointer(key)}", "value": value}
        for key, value in add.items()
    ]
    if not steps:
        return image
    answer = peers.ask(call, "image", "PATCH", f"/v2/images/{quote(image_id, safe='')}", json=steps, headers=_PATCH)
    changed: dict[str, Any] = peers.require(answer, missing="Image not found.")
    return changed


def _pointer(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def add_metadata(call: Call[Compute], image_id: str) -> Reply:
    return Reply({"metadata": _metadata(_change(call, image_id, _given(call, "metadata"), []))})


def replace_metadata(call: Call[Compute], image_id: str) -> Reply:
    given = _given(call, "metadata")
    old = [key for key in _metadata(load(call, image_id)) if key not in given]
    return Reply({"metadata": _metadata(_change(call, image_id, given, old))})


def set_metadata_item(call: Call[Compute], image_id: str, key: str) -> Reply:
    given = _given(call, "meta")
    if key not in given:
        raise BadRequest("Request body and URI mismatch")
    _change(call, image_id, given, [])
    return Reply({"meta": given})


def delete_metadata_item(call: Call[Compute], image_id: str, key: str) -> Reply:
    if key not in _metadata(load(call, image_id)):
        raise NotFound("Invalid metadata key")
    _change(call, image_id, {}, [key])
    return NO_CONTENT
