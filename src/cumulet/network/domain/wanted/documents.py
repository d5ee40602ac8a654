"""Wanted states on the wire: whole ones, and what makes one of another."""

from __future__ import annotations

from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode
_SETS = "address_sets"
State = dict[str, Any]


def whole(state: State, kinds: tuple[str, ...]) -> bytes:
    """A state as a document: objects of a kind are a list."""
    document = {"host": state["host"], "generation": state["generation"]}
    return _encode({**document, **{kind: list(state[kind].values()) for kind in kinds}})


def difference(old: State, new: State, kinds: tuple[str, ...]) -> bytes | None:
    """What makes `new` of `old`, which the host has; None when nothing does."""
    changed: dict[str, list[Any]] = {}
    removed: dict[str, list[str]] = {}
    for kind in kinds:
        before, after = old[kind], new[kind]
        gone = [identifier for identifier in before if identifier not in after]
        fresh = [thing for identifier, thing in after.items() if before.get(identifier) != thing]
        if gone:
            removed[kind] = gone
        if fresh:
            changed[kind] = fresh
    members = _members(old[_SETS], changed.pop(_SETS, []))
    if not changed and not removed and not members:
        return None
    document = {"host": new["host"], "base_generation": old["generation"], "generation": new["generation"]}
    return _encode({**document, **changed, "removed": removed, "address_changes": members})


def _members(before: dict[str, Any], changed: list[Any]) -> list[dict[str, Any]]:
    """Who joined and left each address set: a large one need not be sent again."""
    found = []
    for thing in changed:
        old = set(before.get(thing["id"], {}).get("addresses", ()))
        new = set(thing["addresses"])
        found.append({"id": thing["id"], "add": sorted(new - old), "remove": sorted(old - new)})
    return found
