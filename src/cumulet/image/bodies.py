"""Reading request bodies as Image's clients send them: JSON whatever the Content-Type says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import falcon
import msgspec

from cumulet.image.service import ImageService
from cumulet.kernel.errors import BadRequest, PayloadTooLarge
from cumulet.kernel.http import Call, Reply

_decode = msgspec.json.Decoder().decode
MAX_BODY = 4 << 20
"""Bytes of a JSON body; a namespace of metadata definitions may be large."""
Handler = Callable[..., Reply]


def bodiless(handler: Handler) -> Handler:
    """The handler of a change that takes no body. One that comes with it is refused, not passed over."""

    def checked(call: Call[ImageService], **params: str) -> Reply:
        if call.req.content_length or call.req.get_header("Transfer-Encoding"):
            raise BadRequest("A body is not expected with this request.")
        return handler(call, **params)

    return checked


def read_json(call: Call[ImageService]) -> Any:
    """Raises BadRequest for a body that is absent or not JSON, PayloadTooLarge."""
    data = _read(call.req)
    if not data:
        raise BadRequest("Body expected in request.")
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest("Malformed JSON in request body.") from None


def _read(req: falcon.Request) -> bytes:
    """Kept with the request: a handler whose transaction was lost runs again."""
    known: bytes | None = getattr(req.context, "image_body", None)
    if known is not None:
        return known
    if (req.content_length or 0) > MAX_BODY:
        raise PayloadTooLarge(f"Request is too large: at most {MAX_BODY} bytes are accepted.")
    stream = req.bounded_stream if req.content_length is not None else req.stream
    data: bytes = stream.read(MAX_BODY + 1)
    if len(data) > MAX_BODY:
        raise PayloadTooLarge(f"Request is too large: at most {MAX_BODY} bytes are accepted.")
    req.context.image_body = data
    return data


def read_object(call: Call[ImageService]) -> dict[str, Any]:
    body = read_json(call)
    if not isinstance(body, dict):
        raise BadRequest("The request body must be a JSON object.")
    return body
