"""Options of projects, roles and users that a client sets one by one: what is not named stays, None takes one away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cumulet.kernel.errors import Forbidden

IMMUTABLE = "immutable"


def merged(stored: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The options after a client set `given`."""
    return {name: value for name, value in {**stored, **given}.items() if value is not None}


def check_update(kind: str, thing_id: str, stored: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    """Raise Forbidden when an immutable thing would change in anything but ceasing to be immutable."""
    if not stored.get(IMMUTABLE):
        return
    given = changes.get("options") or {}
    if set(changes) == {"options"} and set(given) == {IMMUTABLE} and not given[IMMUTABLE]:
        return
    raise Forbidden(_refusal("update", kind, thing_id))


def check_delete(kind: str, thing_id: str, stored: Mapping[str, Any]) -> None:
    """Raise Forbidden when the thing is immutable."""
    if stored.get(IMMUTABLE):
        raise Forbidden(_refusal("delete", kind, thing_id))


def _refusal(verb: str, kind: str, thing_id: str) -> str:
    return f'Unable to {verb} immutable {kind} resource: `{thing_id}. Set resource option "immutable" to false first.'
