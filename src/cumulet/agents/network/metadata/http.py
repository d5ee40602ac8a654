"""A guest's HTTP request, read with suspicion, and the request that the metadata service gets instead.

Nothing a guest writes may reach the service as if we had said it. Our headers are removed whatever their spelling (a
WSGI server takes `X_Instance_ID` for `X-Instance-ID`), and what two parsers might read differently is refused.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable

from msgspec import Struct

HEAD_LIMIT = 16 * 1024
BODY_LIMIT = 64 * 1024

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_TARGET = re.compile(r"/[\x21-\x7e]*\Z")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*\Z")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT"})
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
     "transfer-encoding", "upgrade", "expect", "host", "content-length", "forwarded", "via"}
)  # fmt: skip
_OURS = ("x-forwarded-", "x-neutron-", "x-instance-id", "x-tenant-id", "x-metadata-provider", "x-real-ip", "x-ovn-")


class Refused(Exception):
    """A request that is answered here; `status` with its reason phrase."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


class Request(Struct, frozen=True):
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body_length: int


def parse(head: bytes) -> Request:
    """A request's head, up to and with its empty line. Refused says how to answer what is not a plain request."""
    lines = head.decode("latin-1").split("\r\n")[:-2]
    parts = lines[0].split(" ") if lines else []
    if len(parts) != 3 or parts[2] not in ("HTTP/1.0", "HTTP/1.1"):
        raise Refused("400 Bad Request")
    method, target = parts[0], parts[1]
    if method not in _METHODS:
        raise Refused("405 Method Not Allowed")
    if not _TARGET.match(target):
        raise Refused("400 Bad Request")
    headers = [_header(line) for line in lines[1:]]
    lengths = {value for name, value in headers if name.lower() == "content-length"}
    if any(name.lower() == "transfer-encoding" for name, _ in headers):
        raise Refused("411 Length Required")
    if len(lengths) > 1 or any(not (v.isascii() and v.isdigit()) for v in lengths):
        raise Refused("400 Bad Request")
    length = int(lengths.pop()) if lengths else 0
    if length > BODY_LIMIT:
        raise Refused("413 Content Too Large")
    return Request(method, target, tuple(headers), length)


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    value = value.strip(" \t")
    if not colon or not _TOKEN.match(name) or not _VALUE.match(value):
        raise Refused("400 Bad Request")
    return name, value


def honest(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """A guest's headers without those that only a proxy may set."""
    return [
        (name, value)
        for name, value in headers
        if name.lower() not in _HOP_BY_HOP and not name.lower().startswith(_OURS) and "_" not in name
    ]


def rewritten(request: Request, host: str, added: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """The request as the service gets it: one on a connection."""
    headers = [("Host", host), *honest(request.headers), *added, ("Connection", "close")]
    if body or request.method in ("POST", "PUT"):
        headers.append(("Content-Length", str(len(body))))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{request.method} {request.target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body


def signature(secret: str, instance_id: str) -> str:
    """HMAC-SHA256 in hexadecimal, as Nova's `metadata_proxy_shared_secret` has it."""
    return hmac.new(secret.encode(), instance_id.encode(), hashlib.sha256).hexdigest()


def answer(status: str) -> bytes:
    body = f"{status}\n".encode()
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode() + body
