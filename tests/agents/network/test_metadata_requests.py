"""A guest's request to the metadata address: what is refused, and what of it reaches the service."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from cumulet.agents.network.metadata import http


def head(*lines: str) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def test_a_plain_request() -> None:
    request = http.parse(head("GET /openstack/latest HTTP/1.1", "Host: 169.254.169.254", "Accept: */*"))
    assert (request.method, request.target, request.body_length) == ("GET", "/openstack/latest", 0)
    sent = http.rewritten(request, "nova", [("X-Instance-ID", "i")], b"")
    assert sent == (
        b"GET /openstack/latest HTTP/1.1\r\nHost: nova\r\nAccept: */*\r\nX-Instance-ID: i\r\nConnection: close\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (head("GET / HTTP/2.0"), "400"),
        (head("GET  / HTTP/1.1"), "400"),
        (head("GET /a b HTTP/1.1"), "400"),
        (head("GET http://x/ HTTP/1.1"), "400"),
        (head("DELETE / HTTP/1.1"), "405"),
        (head("GET / HTTP/1.1", "no colon"), "400"),
        (head("GET / HTTP/1.1", "a b: c"), "400"),
        (head("GET / HTTP/1.1", "X-Instance-ID : x"), "400"),
        (head("GET / HTTP/1.1", " X-Instance-ID: x"), "400"),
        (head("GET / HTTP/1.1", "a: b\nX-Instance-ID: x"), "400"),
        (head("GET / HTTP/1.1", "a: b\x00"), "400"),
        (head("GET / HTTP/1.1", "Transfer-Encoding: chunked"), "411"),
        (head("GET / HTTP/1.1", "Content-Length: +1"), "400"),
        (head("GET / HTTP/1.1", "Content-Length: 1", "content-length: 2"), "400"),
        (head("PUT / HTTP/1.1", f"Content-Length: {http.BODY_LIMIT + 1}"), "413"),
        (b"\r\n\r\n", "400"),
    ],
)
def test_what_two_servers_might_read_differently_is_refused(data: bytes, status: str) -> None:
    with pytest.raises(http.Refused) as refused:
        http.parse(data)
    assert refused.value.status.startswith(status)


def test_headers_that_only_a_proxy_may_set_are_dropped_in_every_spelling() -> None:
    forged = [
        ("X-Instance-ID", "a"), ("x-instance-id", "a"), ("X_Instance_ID", "a"), ("X-Instance-ID-Signature", "a"),
        ("X-Tenant-ID", "a"), ("X-Forwarded-For", "a"), ("X-Forwarded-Host", "a"), ("X-Neutron-Router-ID", "a"),
        ("X-Metadata-Provider", "a"), ("X-Metadata-Provider-Signature", "a"), ("Forwarded", "a"), ("Host", "a"),
        ("Connection", "x"), ("Upgrade", "a"), ("Via", "a"), ("X-Real-IP", "a"),
    ]  # fmt: skip
    assert http.honest([*forged, ("User-Agent", "curl")]) == [("User-Agent", "curl")]


def test_the_signature_is_novas() -> None:
    wanted = hmac.new(b"secret", b"instance", hashlib.sha256).hexdigest()
    assert http.signature("secret", "instance") == wanted


def test_a_body_keeps_its_length() -> None:
    request = http.parse(head("POST /openstack/latest/password HTTP/1.1", "Content-Length: 3"))
    assert request.body_length == 3
    assert http.rewritten(request, "nova", [], b"abc").endswith(b"Content-Length: 3\r\n\r\nabc")
