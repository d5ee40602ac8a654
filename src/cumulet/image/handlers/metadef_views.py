"""How metadata definitions look: what was not given is left out, as the original does."""

from __future__ import annotations

from typing import Any

from cumulet.image.views import moment

_MOMENTS = ("created_at", "updated_at")


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """Without what is None, and with times as text."""
    return {name: moment(value) if name in _MOMENTS else value for name, value in values.items() if value is not None}


def namespace(row: Any) -> dict[str, Any]:
    names = ("namespace", "display_name", "description", "visibility", "protected", "owner", *_MOMENTS)
    view = _given({name: getattr(row, name) for name in names})
    view["self"] = f"/v2/metadefs/namespaces/{row.namespace}"
    view["schema"] = "/v2/schemas/metadefs/namespace"
    return view


def object_(namespace_name: str, one: dict[str, Any]) -> dict[str, Any]:
    return made_object(
        namespace_name, {**one, "required": one["required"] or [], "properties": one["properties"] or {}}
    )


def made_object(namespace_name: str, one: dict[str, Any]) -> dict[str, Any]:
    """As the answer to its creation shows it: without what was not given."""
    view = _given(one)
    view["self"] = f"/v2/metadefs/namespaces/{namespace_name}/objects/{one['name']}"
    view["schema"] = "/v2/schemas/metadefs/object"
    return view


def association(one: dict[str, Any]) -> dict[str, Any]:
    return _given(one)


def tag(one: dict[str, Any]) -> dict[str, Any]:
    return _given(one)
