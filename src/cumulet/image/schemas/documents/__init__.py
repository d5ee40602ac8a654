"""The JSON Schema documents that clients read at `/v2/schemas`."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]
UUID_PATTERN = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"
READ_ONLY_TEXT: Document = {"type": "string", "readOnly": True}


def text(description: str, **more: Any) -> Document:
    return {"type": "string", "description": description, **more}


def collection(name: str, item: Document, *, paged: bool) -> Document:
    """A list of `item`; one that has pages also has links to them."""
    properties: Document = {name: {"type": "array", "items": item}}
    links = [{"rel": "describedby", "href": "{schema}"}]
    if paged:
        properties.update({"first": {"type": "string"}, "next": {"type": "string"}})
        links[:0] = [{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"}]
    properties["schema"] = {"type": "string"}
    return {"name": name, "properties": properties, "links": links}
