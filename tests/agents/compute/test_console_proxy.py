"""The console proxy: tokens, origins, and bytes both ways."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from cumulet.agents.compute.consoles.proxy import ConsoleProxy
from cumulet.agents.compute.consoles.tokens import Client, Reach, Refused, Tokens
from cumulet.kernel.client import Response

TOKEN = "11111111-2222-3333-4444-555555555555"


class Compute:
    """What Compute answers about tokens."""

    def __init__(self, reach: dict[str, Any]) -> None:
        self.reach = reach
        self.expired = False

    def request(self, method: str, service: str, path: str, **rest: Any) -> Response:
        assert (method, service) == ("GET", "compute")
        if self.expired or path != f"/os-console-auth-tokens/{TOKEN}":
            return Response(404, {}, b"")
        return Response(200, {}, b'{"console": %s}' % json.dumps(self.reach).encode())


@dataclass
class Lab:
    port: int
    compute: Compute
    tokens: Tokens

    def url(self, token: str = TOKEN) -> str:
        return f"ws://127.0.0.1:{self.port}/?token={token}"

    def refused(self, token: str = TOKEN, **options: Any) -> str:
        with pytest.raises(InvalidStatus) as caught:
            connect(self.url(token), **options).close()
        assert caught.value.response.status_code == 403
        return (caught.value.response.body or b"").decode()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A guest's line that says hello and then repeats what it hears, a proxy in front of it."""
    line = socket.socket(socket.AF_UNIX)
    line.bind(str(tmp_path / "line"))
    line.listen()

    def guest() -> None:
        while True:
            try:
                client, _ = line.accept()
            except OSError:
                return
            client.sendall(b"hello")
            while data := client.recv(1000):
                client.sendall(data.upper())
            client.close()

    threading.Thread(target=guest, daemon=True).start()
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "vnc.html").write_text("<title>a console</title>")
    (tmp_path / "secret").write_text("not for everybody")
    reach = {"instance_uuid": "x", "host": "h", "port": 0, "internal_access_path": str(tmp_path / "line")}
    compute = Compute(reach)
    tokens = Tokens(lambda: compute)  # type: ignore[arg-type,return-value]
    server = ConsoleProxy(tokens, pages=pages, allowed_origins=["dashboard.example"]).listen("127.0.0.1", 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Lab(server.socket.getsockname()[1], compute, tokens)
    finally:
        server.shutdown()
        line.shutdown(socket.SHUT_RDWR)
        line.close()


def test_bytes_go_both_ways(lab: Lab) -> None:
    with connect(lab.url(), subprotocols=["binary"]) as console:  # type: ignore[list-item]
        assert console.subprotocol == "binary"
        assert console.recv(timeout=30) == b"hello"
        console.send(b"typed")
        assert console.recv(timeout=30) == b"TYPED"


def test_without_a_good_token_there_is_no_console(lab: Lab) -> None:
    assert "unknown or has expired" in lab.refused("no-such-token")
    assert "no token" in lab.refused("")
    lab.compute.expired = True
    assert "unknown or has expired" in lab.refused()


def test_pages_of_other_sites_are_refused(lab: Lab) -> None:
    """CVE-2015-0259."""
    assert "Origin" in lab.refused(origin="http://evil.example")
    assert "Origin" in lab.refused(origin=f"http://evil.example:{lab.port}")
    assert "Origin" in lab.refused(origin="null")
    for own in ("https://dashboard.example", f"http://127.0.0.1:{lab.port}"):
        with connect(lab.url(), origin=own) as console:  # type: ignore[arg-type]
            assert console.recv(timeout=30) == b"hello"


def test_a_token_is_of_its_first_client(lab: Lab) -> None:
    first = Client("192.0.2.1")
    assert lab.tokens.redeem(TOKEN, first) == (Reach("x", "h", 0, lab.compute.reach["internal_access_path"]), "")
    assert lab.tokens.redeem(TOKEN, first)[0].server_id == "x"
    for other in (Client("192.0.2.2"), Client("192.0.2.1", proof="guessed")):
        with pytest.raises(Refused, match="somebody else"):
            lab.tokens.redeem(TOKEN, other)
    assert "somebody else" in lab.refused()


def test_a_token_is_of_one_browser_among_many_at_an_address(lab: Lab) -> None:
    ours = f"http://127.0.0.1:{lab.port}"
    with connect(lab.url(), origin=ours) as console:  # type: ignore[arg-type]
        assert console.response is not None
        given = console.response.headers["Set-Cookie"]
    cookie, *rest = given.split("; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(rest)
    assert TOKEN not in given
    assert "somebody else" in lab.refused(origin=ours)
    assert "somebody else" in lab.refused(origin=ours, additional_headers={"Cookie": cookie + "x"})
    for kept in (cookie, f"theme=dark; {cookie}"):
        with connect(lab.url(), origin=ours, additional_headers={"Cookie": kept}) as console:  # type: ignore[arg-type]
            assert console.recv(timeout=30) == b"hello"


def test_a_browser_gets_the_pages_and_nothing_else(lab: Lab) -> None:
    with urllib3.PoolManager() as pool:
        for path, status in (("/vnc.html", 200), ("/", 200), ("/../secret", 404), ("/%2e%2e/secret", 404), ("/x", 404)):
            answer = pool.request("GET", f"http://127.0.0.1:{lab.port}{path}", retries=False, timeout=30)
            assert answer.status == status, path
            assert (b"a console" in answer.data) == (status == 200)
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_address_compute_gives_opens_a_page_that_connects_at_once(lab: Lab) -> None:
    address = f"http://127.0.0.1:{lab.port}/vnc_auto.html?path=%3Ftoken%3Dx"
    with urllib3.PoolManager() as pool:
        answer = pool.request("GET", address, redirect=False, timeout=30)
        assert answer.status == 302
        assert answer.headers["Location"] == "/vnc.html?autoconnect=true&resize=scale&path=%3Ftoken%3Dx"
        assert b"a console" in pool.request("GET", address, timeout=30).data
