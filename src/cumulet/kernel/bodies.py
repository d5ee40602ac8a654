"""Request bodies and query strings into msgspec Structs; what is wrong is refused with the field's name."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl

import falcon
import msgspec

from cumulet.kernel.errors import BadRequest, PayloadTooLarge, UnsupportedMediaType

T = TypeVar("T")
_decode = msgspec.json.Decoder().decode
_AT = re.compile(r"^(.*?) - at `\$\.?(.*)`$")


class BodyCut(BadRequest):
    """A request's body that broke off: the client is gone, or sent what is no chunk."""

    def __init__(self) -> None:
        super().__init__("The request body ended before its end.")


def read_json(req: falcon.Request) -> Any:
    """The body, bounded by the service's limit (`Api.max_body`, bytes). An absent body is an error too."""
    content_type = (req.content_type or "application/json").partition(";")[0].strip().lower()
    if content_type != "application/json" and not content_type.endswith("+json"):
        raise UnsupportedMediaType(f"Unsupported Content-Type: {content_type}. Use application/json.")
    limit = getattr(req.context, "max_body", 1 << 20)
    if (req.content_length or 0) > limit:
        raise PayloadTooLarge(f"Request is too large: at most {limit} bytes are accepted.")
    data = req.bounded_stream.read(limit + 1) if req.content_length is not None else req.stream.read(limit + 1)
    if len(data) > limit:
        raise PayloadTooLarge(f"Request is too large: at most {limit} bytes are accepted.")
    if not data:
        raise BadRequest("The request needs a JSON body and has none.")
    try:
        value = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"The request body is not valid JSON: {error}") from None
    return value


def convert(value: Any, kind: type[T]) -> T:
    """A decoded value as `kind`. Raises BadRequest: what is wrong, and where."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise BadRequest(explain(str(error))) from None


def explain(message: str) -> str:
    """msgspec's sentence with the field first: `user.name: Expected \\`str\\`, got \\`int\\``."""
    match = _AT.match(message)
    return f"Invalid input for field '{match[2]}': {match[1]}" if match and match[2] else message


def query_values(query_string: str) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    if "%00" in query_string:
        raise BadRequest("The query string has a NUL character.")  # which PostgreSQL takes in no text
    try:
        for key, value in parse_qsl(query_string, keep_blank_values=True, errors="strict"):
            values.setdefault(key, []).append(value)
    except (UnicodeDecodeError, ValueError):
        raise BadRequest("The query string is not valid UTF-8.") from None
    return values


def query_struct(values: dict[str, list[str]], kind: type[T]) -> T:
    """Query values as a Struct: list fields take every value, others the last one; text becomes number or bool."""
    repeated = _repeated(cast(Any, kind))
    plain: dict[str, Any] = {key: given if key in repeated else given[-1] for key, given in values.items()}
    try:
        return msgspec.convert(plain, kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(explain(str(error))) from None


@cache
def _repeated(kind: type[Any]) -> frozenset[str]:
    """The keys that a query may give several times."""
    fields = msgspec.structs.fields(kind)
    return frozenset(field.encode_name for field in fields if _is_list(field.type))


def _is_list(annotation: Any) -> bool:
    origin = getattr(annotation, "__origin__", annotation)
    if origin in (list, tuple, set):
        return True
    return any(_is_list(part) for part in getattr(annotation, "__args__", ()))
