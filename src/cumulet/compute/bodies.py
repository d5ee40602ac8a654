"""Bodies of requests as Structs; numbers and booleans may come as text, as the original's schemas allow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar

import msgspec

from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call

T = TypeVar("T")
Versions = Mapping[str, tuple[int, int]]
_AT: Final = re.compile(r"^(.*?) - at (`key` in )?`\$\.?(.*)`$", re.DOTALL)
_INSIDE: Final = re.compile(r"\[[^\]]*\]")
_MISSING: Final = re.compile(r"^Object missing required field `(.*)`$")
_UNKNOWN: Final = re.compile(r"^Object contains unknown field `(.*)`$")
_TYPE: Final = re.compile(r"^Expected `(.*)`, got `.*`$")
_LENGTH: Final = re.compile(r"^Expected `\w+` of length (>=|<=) \d+$")
_BOUND: Final = re.compile(r"^Expected `\w+` (>=|>|<=|<) (\S+)$")
_PATTERN: Final = re.compile(r"^Expected `str` matching regex (.*)$", re.DOTALL)
_LONGEST_SHOWN: Final = 1000
_TYPES: Final = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_OUTSIDE: Final = {
    ">=": "is less than the minimum of",
    ">": "is less than or equal to the minimum of",
    "<=": "is greater than the maximum of",
    "<": "is greater than or equal to the maximum of",
}


def read(call: Call[Compute], kind: type[T]) -> T:
    """The body as `kind`. Raises BadRequest: `Invalid input for field/attribute <name>. Value: <value>. …`"""
    return convert(call.raw_json(), kind)


def convert(value: Any, kind: type[T]) -> T:
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(explain(str(error), value)) from None


def explain(message: str, body: Any) -> str:
    """What msgspec refuses in `body`, in the words of the original's schemas, which clients know."""
    match = _AT.match(message)
    if match is None or not match[3]:
        return _reason(match[1] if match else message, body)
    names = _INSIDE.sub("", match[3]).strip(".").split(".")
    if match[2] or "[" in match[3]:
        # msgspec does not say which key or value of an object, or item of a list, it was.
        return f"Invalid input for field/attribute {names[-1]}. {match[1]}"
    for name in names:
        body = body[name]
    return f"Invalid input for field/attribute {names[-1]}. Value: {_short(body)}. {_reason(match[1], body)}"


def _reason(message: str, value: Any) -> str:
    shown = _short(repr(value))
    if match := _MISSING.match(message):
        return f"'{match[1]}' is a required property"
    if match := _UNKNOWN.match(message):
        return unexpected(match[1])
    if match := _TYPE.match(message):
        return f"{shown} is not of type {', '.join(repr(_TYPES.get(kind, kind)) for kind in match[1].split(' | '))}"
    if match := _LENGTH.match(message):
        few = "is too short" if value else "should be non-empty"
        return f"{shown} {few if match[1] == '>=' else 'is too long'}"
    if match := _BOUND.match(message):
        return f"{shown} {_OUTSIDE[match[1]]} {match[2]}"
    if match := _PATTERN.match(message):
        return f"{shown} does not match {match[1]}"
    return message


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def unexpected(*names: str) -> str:
    """`Additional properties are not allowed ('a', 'b' were unexpected)`"""
    return (
        f"Additional properties are not allowed ({', '.join(map(repr, names))} "
        f"{'was' if len(names) == 1 else 'were'} unexpected)"
    )


def require_version(call: Call[Compute], given: Any, since: Versions, until: Versions = MappingProxyType({})) -> None:
    """Raises BadRequest for a field that was given and that the request's microversion has not yet, or no longer."""
    for name in (*since, *until):
        if getattr(given, name) is msgspec.UNSET:
            continue
        if call.version < since.get(name, (0, 0)) or call.version > until.get(name, (99, 0)):
            kind = type(given)
            raise BadRequest(unexpected(kind.__struct_encode_fields__[kind.__struct_fields__.index(name)]))


def action(call: Call[Compute], names: dict[str, Any]) -> tuple[str, Any]:
    """The one action of an `…/action` body. Raises BadRequest when there is none that is known, or several."""
    body = call.raw_json()
    if not isinstance(body, dict) or not body:
        raise BadRequest("Malformed request body: an action is an object with one key.")
    known = [key for key in body if key in names]
    if len(body) != 1 or len(known) != 1:
        raise BadRequest(f"There is no such action: {', '.join(sorted(map(str, body)))}")
    return known[0], body[known[0]]
