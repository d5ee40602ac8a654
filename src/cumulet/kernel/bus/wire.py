"""What goes over every carrier: msgpack arrays, so that the fields' names cost nothing."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from cumulet.kernel.bus.errors import RemoteError
from cumulet.kernel.context import Context, current_request

CALL = "call"
CAST = "cast"
FANOUT = "fanout"

LONGEST_FRAME = 64 * 1024 * 1024
"""Bytes; larger things (images, volumes) have roads of their own."""


class Request(msgspec.Struct, array_like=True):
    """`timeout_s` is relative, since the clocks of two hosts differ. New fields go to the end, with a default."""

    kind: str
    id: str
    host: str
    method: str
    args: dict[str, Any]
    timeout_s: float
    request_id: str = ""
    global_request_id: str | None = None
    project_id: str | None = None
    user_id: str | None = None


class Reply(msgspec.Struct, array_like=True):
    """Either `value`, or the exception's class name and text."""

    id: str
    value: Any = None
    error_type: str | None = None
    error_message: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode_request = msgspec.msgpack.Decoder(Request).decode
_decode_reply = msgspec.msgpack.Decoder(Reply).decode


def make_request(
    kind: str,
    host: str,
    method: str,
    args: Mapping[str, Any] | None,
    timeout_s: float,
    ctx: Context | None,
    call_id: str | None = None,
) -> Request:
    """A request that carries the ids of `ctx`, or of the request this thread works for."""
    request = Request(kind, call_id or uuid.uuid4().hex, host, method, dict(args or {}), timeout_s)
    if ctx is not None:
        request.request_id = ctx.request_id
        request.global_request_id = ctx.global_request_id
        request.project_id = ctx.project_id
        request.user_id = ctx.user_id
    else:
        request_id, request.global_request_id = current_request.get() or ("", None)
        request.request_id = request_id
    return request


def encode(message: Request | Reply) -> bytes:
    """Raises TypeError for what msgpack cannot say, OverflowError for an integer beyond 64 bits."""
    return _encode(message)


def decode_request(data: bytes | bytearray | memoryview) -> Request:
    """Raises msgspec.DecodeError (a ValueError) for anything else than a request."""
    return _decode_request(data)


def decode_reply(data: bytes | bytearray | memoryview) -> Reply:
    return _decode_reply(data)


def value_of(reply: Reply) -> Any:
    """The reply's value; raises the RemoteError that it says."""
    if reply.error_type is not None:
        raise RemoteError(reply.error_type, reply.error_message)
    return reply.value
