"""Bodies of `POST /v2/images/{id}/import` and `POST /v2/tasks` (Image API v2, Interoperable image import, Tasks)."""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple

from cumulet.image.errors import schema_mismatch
from cumulet.kernel.errors import BadRequest


class ImportRequest(NamedTuple):
    """`stores` is None when the body names none. `body` is what the task shows."""

    method: str
    parameters: dict[str, Any]
    stores: list[str] | None
    all_stores: bool
    all_stores_must_succeed: bool
    body: dict[str, Any]


def parse_import(body: dict[str, Any], enabled: list[str]) -> ImportRequest:
    """Raises BadRequest with the original's sentences."""
    if "method" not in body:
        raise BadRequest("Import request requires a 'method' field.")
    method = body["method"]
    if not isinstance(method, dict) or "name" not in method:
        raise BadRequest("Import request requires a 'name' field.")
    name = method["name"]
    if name not in enabled:
        raise BadRequest(f"Unknown import method name '{name}'.")
    must_succeed = body.get("all_stores_must_succeed", True)
    if not isinstance(must_succeed, bool):
        raise BadRequest("'all_stores_must_succeed' must be boolean value only")
    all_stores = body.get("all_stores", False)
    if not isinstance(all_stores, bool):
        raise BadRequest("'all_stores' must be boolean value only")
    stores = body.get("stores")
    if stores is not None and not (isinstance(stores, list) and all(isinstance(one, str) for one in stores)):
        raise BadRequest("'stores' must be a list of names of stores")
    _check_parameters(name, method)
    return ImportRequest(name, method, stores, all_stores, must_succeed, body)


def _check_parameters(name: str, method: dict[str, Any]) -> None:
    if name == "web-download" and not isinstance(method.get("uri"), str):
        raise BadRequest(f"URI for web-download does not pass filtering: {method.get('uri')}")
    if name != "glance-download":
        return
    for parameter in ("glance_region", "glance_image_id"):
        if not isinstance(method.get(parameter), str):
            raise BadRequest(f"'{parameter}' needs to be set for glance-download import method")
    try:
        uuid.UUID(method["glance_image_id"])
    except ValueError:
        raise BadRequest(f"Remote image id does not look like a UUID: {method['glance_image_id']}") from None
    if not isinstance(method.setdefault("glance_service_interface", "public"), str):
        raise BadRequest("'glance_service_interface' must be the name of an interface")


class TaskRequest(NamedTuple):
    type: str
    input: dict[str, Any]


def parse_task(body: dict[str, Any]) -> TaskRequest:
    """A task of type `import`: `{"import_from", "import_from_format", "image_properties"}`. Raises BadRequest."""
    for name in ("type", "input"):
        if name not in body:
            raise BadRequest(f"Task '{name}' is required")
    unknown = set(body) - {"type", "input"}
    if unknown:
        raise schema_mismatch("task", f"Additional properties are not allowed ({', '.join(sorted(unknown))})")
    if body["type"] != "import":
        raise schema_mismatch("task", f"'{body['type']}' is not one of ['import'] in 'type'")
    if not isinstance(body["input"], dict):
        raise schema_mismatch("task", f"{body['input']!r} is not of type 'object' in 'input'")
    for name in ("import_from", "import_from_format", "image_properties"):
        if name not in body["input"]:
            raise BadRequest(f"Input does not contain '{name}' field")
    if not isinstance(body["input"]["import_from"], str) or not isinstance(body["input"]["image_properties"], dict):
        raise BadRequest("'import_from' must be a URL and 'image_properties' an object")
    return TaskRequest("import", body["input"])
