"""Image's errors, in the forms its clients know: HTML unless JSON is preferred, plain text for who accepts neither or
does not say.
"""

from __future__ import annotations

import html
from typing import Any

import falcon
import msgspec

from cumulet.kernel.errors import ApiError, BadRequest, NotFound

_encode = msgspec.json.Encoder().encode
_HTML, _JSON = "text/html", "application/json"


def error_body(error: ApiError, request_id: str) -> dict[str, Any]:
    """The JSON form; the line breaks in the message are the original's (WebOb's template)."""
    return {
        "message": f"{error.message}<br /><br />\n\n\n",
        "code": f"{error.status} {error.title}",
        "title": error.title,
    }


def error_form(req: falcon.Request, error: ApiError) -> tuple[str, bytes]:
    accept = req.get_header("Accept") or ""
    as_html, as_json = _quality(accept, _HTML), _quality(accept, _JSON)
    if as_html and as_html >= as_json:
        return "text/html; charset=UTF-8", _page(error)
    if as_json:
        return _JSON, _encode(error_body(error, ""))
    return "text/plain; charset=UTF-8", f"{error.status} {error.title}\n\n{error.message}\n\n   ".encode()


def _page(error: ApiError) -> bytes:
    status = f"{error.status} {error.title}"
    message = html.escape(error.message)
    return (
        f"<html>\n <head>\n  <title>{status}</title>\n </head>\n <body>\n  <h1>{status}</h1>\n"
        f"  {message}<br /><br />\n\n\n\n </body>\n</html>"
    ).encode()


def _quality(accept: str, offer: str) -> float:
    """How much an Accept header wants a media type (RFC 9110, 12.5.1): the most specific range decides."""
    best = (-1, 0.0)
    for part in accept.split(","):
        media, *parameters = (piece.strip() for piece in part.lower().split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                quality = _number(parameter[2:])
        specific = {offer: 2, f"{offer.partition('/')[0]}/*": 1, "*/*": 0}.get(media)
        if specific is not None:
            best = max(best, (specific, quality))
    return best[1]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def image_not_found(image_id: str) -> NotFound:
    return NotFound(f"No image found with ID {image_id}")


def schema_mismatch(schema: str, reason: str) -> BadRequest:
    return BadRequest(f"Provided object does not match schema '{schema}': {reason}")
