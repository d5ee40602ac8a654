"""Bodies of requests as Structs; numbers and booleans may come as text, as the original's schemas allow."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call

T = TypeVar("T")
_AT = re.compile(r"^(.*?) - at `\$\.?(.*)`$")
_INSIDE = re.compile(r"\[[^\]]*\]")


def read(call: Call[Compute], kind: type[T], renamed: dict[str, str] | None = None) -> T:
    """The body as `kind`. Raises BadRequest: `Invalid input for field/attribute <name>. …`"""
    return convert(call.raw_json(), kind)


def convert(value: Any, kind: type[T]) -> T:
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(explain(str(error))) from None


def explain(message: str) -> str:
    match = _AT.match(message)
    if match is None or not match[2]:
        return f"Invalid input for field/attribute body. {message}"
    name = _INSIDE.sub("", match[2]).rstrip(".").rpartition(".")[2]
    return f"Invalid input for field/attribute {name}. {match[1]}"


def action(call: Call[Compute], names: dict[str, Any]) -> tuple[str, Any]:
    """The one action of an `…/action` body. Raises BadRequest when there is none that is known, or several."""
    body = call.raw_json()
    if not isinstance(body, dict) or not body:
        raise BadRequest("Malformed request body: an action is an object with one key.")
    known = [key for key in body if key in names]
    if len(body) != 1 or len(known) != 1:
        raise BadRequest(f"There is no such action: {', '.join(sorted(map(str, body)))}")
    return known[0], body[known[0]]
