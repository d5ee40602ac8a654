"""Bodies of requests as Structs; numbers and booleans may come as text, as the original's schemas allow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call
from cumulet.volume.service import Volume

T = TypeVar("T")
_AT: Final = re.compile(r"^(.*?) - at `\$\.?(.*)`$")
_KEY_AT: Final = re.compile(r"^(.*?) - at `key` in `\$\.?(.*)`$")
_INSIDE: Final = re.compile(r"\[[^\]]*\]")
_UUID: Final = "^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$"
_TRUE: Final = frozenset(("1", "t", "true", "on", "y", "yes"))
_FALSE: Final = frozenset(("0", "f", "false", "off", "n", "no"))

Uuid = Annotated[str, Meta(pattern=_UUID)]
Name = Annotated[str, Meta(max_length=255)]
NonEmpty = Annotated[str, Meta(min_length=1, max_length=255)]
MetadataKey = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9\-_:. /]{1,255}$")]
Metadata = dict[MetadataKey, Annotated[str, Meta(max_length=255)]]
Size = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Boolean = bool | int | str | None  # read by `boolean`


def read(call: Call[Volume], kind: type[T]) -> T:
    """The body as `kind`. Raises BadRequest: `Invalid input for field/attribute <name>. …`"""
    return convert(call.raw_json(), kind)


def convert(value: Any, kind: type[T]) -> T:
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(explain(str(error))) from None


def explain(message: str) -> str:
    match = _KEY_AT.match(message)
    if match is not None:
        return f"Invalid input for field/attribute {match[2].rpartition('.')[2] or 'body'}. A key: {match[1]}"
    match = _AT.match(message)
    if match is None or not match[2]:
        return f"Invalid input for field/attribute body. {message}"
    name = _INSIDE.sub("", match[2]).rstrip(".").rpartition(".")[2]
    return f"Invalid input for field/attribute {name}. {match[1]}"


def refused(name: str, value: Any, why: str = "") -> BadRequest:
    """`Invalid input for field/attribute size. Value: x. It is not a number.`"""
    shown = str(value)
    return BadRequest(f"Invalid input for field/attribute {name}. Value: {shown[:200]}. {why}".rstrip())


def boolean(value: Any, name: str, *, default: bool = False) -> bool:
    """A flag in any of the spellings the original takes; None is the default. Raises BadRequest."""
    if value is None:
        return default
    text = str(value).strip().lower()
    if isinstance(value, bool | int | str) and text in _TRUE:
        return True
    if isinstance(value, bool | int | str) and text in _FALSE:
        return False
    raise refused(name, value, "It is not a boolean.")


def stripped(value: Any) -> Any:
    """A text without the spaces around it; anything else, None above all, as it is."""
    return value.strip() if isinstance(value, str) else value


def inner(body: Any, name: str) -> dict[str, Any]:
    """The object under the body's one key. Raises BadRequest."""
    if not isinstance(body, dict) or name not in body:
        raise BadRequest(f"'{name}' is a required property")
    extra = sorted(set(body) - {name})
    if extra:
        raise BadRequest(f"Additional properties are not allowed ({', '.join(map(repr, extra))} was unexpected)")
    value = body[name]
    if not isinstance(value, dict):
        raise refused(name, value, "It is not an object.")
    return value


def only_key(given: Mapping[str, Any], key: str) -> None:
    """The body of an update of one key has that key alone. Raises BadRequest."""
    if key not in given:
        raise BadRequest("Request body and URI mismatch")
    if len(given) != 1:
        raise BadRequest("Request body contains too many items")


def action(call: Call[Volume], names: dict[str, Any]) -> tuple[str, Any]:
    """The one action of an `…/action` body. Raises BadRequest when there is none that is known, or several."""
    body = call.raw_json()
    if not isinstance(body, dict) or not body:
        raise BadRequest("Malformed request body")
    if len(body) != 1:
        raise BadRequest("Malformed request body: there are several actions in it.")
    name = next(iter(body))
    if name not in names:
        raise BadRequest(
            f"There is no such action: {name[:200]}. Verify the request body and Content-Type header and try again."
        )
    return name, body[name]
