"""Bodies of `PATCH /v2/images/{id}`: JSON patches of drafts 4 and 10 (Image API v2, Update image)."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from cumulet.image.schemas.images import (
    ATTRIBUTES,
    READ_ONLY,
    RESERVED_NAMESPACE,
    ImageSchema,
    check_property,
    check_property_name,
)
from cumulet.image.schemas.locations import check_location
from cumulet.kernel.errors import BadRequest, Forbidden, UnsupportedMediaType

MEDIA_TYPES = {
    "application/openstack-images-v2.0-json-patch": 4,
    "application/openstack-images-v2.1-json-patch": 10,
}
_OPERATIONS = ("add", "remove", "replace")
_RESERVED = ("location", "deleted", "deleted_at")
_DEPTHS = {"add": 2, "remove": 2, "replace": 1}  # of paths into `locations`; every other attribute is one level


class Change(NamedTuple):
    """`operation` on attribute or property `name`; `position` is that in `locations`, as the client wrote it."""

    operation: str
    name: str
    position: str | None
    value: Any
    strict_add: bool  # draft 4: adding what is there already is a conflict


def draft_of(content_type: str | None) -> int:
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        allowed = ", ".join(sorted(MEDIA_TYPES))
        raise UnsupportedMediaType(
            f"Image PATCH expects Content-Type one of: {allowed}", headers={"Accept-Patch": allowed}
        )
    return MEDIA_TYPES[media_type]


def parse(body: Any, draft: int, schema: ImageSchema) -> list[Change]:
    """Raises BadRequest for a malformed change, Forbidden for one of what only the service changes."""
    if not isinstance(body, list):
        raise BadRequest("Request body must be a JSON array of operation objects.")
    return [_change(one, draft, schema) for one in body]


def _change(given: Any, draft: int, schema: ImageSchema) -> Change:
    if not isinstance(given, dict):
        raise BadRequest("Operations must be JSON objects.")
    operation = _operation(given) if draft == 10 else _member(given)
    pointer = given.get("path") if draft == 10 else given[operation]
    if pointer is None:
        raise BadRequest("Unable to find 'path' in JSON Schema change")
    path = _decode_pointer(pointer)
    if len(path) != (_DEPTHS[operation] if path[0] == "locations" else 1):
        raise BadRequest(f"Invalid JSON pointer for this resource: '/{'/'.join(path)}'")
    value = None
    if operation != "remove":
        if "value" not in given:
            raise BadRequest(f'Operation "{operation}" requires a member named "value".')
        value = given["value"]
    name = path[0]
    _check_settable(name)
    if operation != "remove":
        value = _checked(name, value, schema, is_item=len(path) == 2)
    return Change(operation, name, path[1] if len(path) == 2 else None, value, draft == 4)


def _operation(given: dict[str, Any]) -> str:
    available = ", ".join(_OPERATIONS)
    if "op" not in given:
        raise BadRequest(f"Unable to find `op` in JSON Schema change. It must be one of the following: {available}.")
    if given["op"] not in _OPERATIONS:
        raise BadRequest(f"Invalid operation: `{given['op']}`. It must be one of the following: {available}.")
    return str(given["op"])


def _member(given: dict[str, Any]) -> str:
    found = [name for name in _OPERATIONS if name in given]
    if len(found) > 1:
        raise BadRequest('Operation objects must contain only one member named "add", "remove", or "replace".')
    if not found:
        raise BadRequest('Operation objects must contain exactly one member named "add", "remove", or "replace".')
    return found[0]


def _decode_pointer(pointer: Any) -> list[str]:
    if not isinstance(pointer, str) or not pointer.startswith("/"):
        raise BadRequest(f'Pointer `{pointer}` does not start with "/".')
    if re.search(r"/\s*?/", pointer[1:]):
        raise BadRequest(f'Pointer `{pointer}` contains adjacent "/".')
    if len(pointer) > 1 and pointer.endswith("/"):
        raise BadRequest(f'Pointer `{pointer}` end with "/".')
    if re.search("~[^01]", pointer) or pointer.endswith("~"):
        raise BadRequest(f'Pointer `{pointer}` contains "~" not part of a recognized escape sequence.')
    parts = [part.replace("~1", "/").replace("~0", "~").strip() for part in pointer.lstrip("/").split("/")]
    if not parts[0]:
        raise BadRequest(f"Pointer `{pointer}` does not contains valid token.")
    return parts


def _check_settable(name: str) -> None:
    if name in READ_ONLY or name == "stores":
        raise Forbidden(f"Attribute '{name}' is read-only.")
    if name in _RESERVED or name.startswith(RESERVED_NAMESPACE):
        raise Forbidden(f"Attribute '{name}' is reserved.")


def _checked(name: str, value: Any, schema: ImageSchema, *, is_item: bool) -> Any:
    if name == "locations":
        places = [value] if is_item else value
        if not isinstance(places, list):
            raise BadRequest("Invalid locations: a list of objects is expected.")
        for place in places:
            check_location(place)
        return value
    if name in ATTRIBUTES:
        return schema.attributes({name: value})[name]
    check_property_name(name)
    check_property(name, value)
    return value
