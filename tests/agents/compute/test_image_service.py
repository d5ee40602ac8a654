"""A host gets an image also from a service that dies and comes back meanwhile."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from typing import Any, ClassVar, cast

import pytest

from cumulet.agents.compute import image_service
from cumulet.agents.compute.image_service import Glance, ImageError
from cumulet.kernel.client import Session

DATA = bytes(range(256)) * 40_000


class _Images(http.server.BaseHTTPRequestHandler):
    """Image as the script has it: a status to answer with, or how many bytes until the connection breaks."""

    protocol_version = "HTTP/1.1"
    script: ClassVar[list[int]] = []
    ranges: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        step = self.script.pop(0) if self.script else len(DATA)
        self.close_connection = True
        if step in (404, 503):
            self.send_response(step)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        asked = self.headers.get("Range")
        self.ranges.append(asked)
        begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(DATA) - begin))
        self.end_headers()
        self.wfile.write(DATA[begin : begin + step])

    def log_message(self, *_: Any) -> None:
        """Nothing."""


class _Login:
    """What Glance uses of a session."""

    def __init__(self, port: int) -> None:
        self.transport = type("Transport", (), {"ca_file": None})
        self._port = port

    def token(self) -> str:
        return "good"

    def endpoint(self, service_type: str) -> str:
        return f"http://127.0.0.1:{self._port}"


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch) -> Iterator[Glance]:
    monkeypatch.setattr(image_service, "_AGAIN_S", 0.01)
    _Images.script, _Images.ranges = [], []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Images)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Glance(lambda: cast(Session, _Login(server.server_port)))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_service_that_is_started_again_is_waited_for(images: Glance) -> None:
    _Images.script[:] = [503, 503]
    assert b"".join(images.read("one")) == DATA


def test_a_download_that_breaks_off_goes_on(images: Glance) -> None:
    _Images.script[:] = [3_000_000, 503, 4_000_000]
    assert b"".join(images.read("one")) == DATA
    assert _Images.ranges[0] is None and len(_Images.ranges) == 3


def test_one_that_brings_nothing_more_ends(images: Glance) -> None:
    _Images.script[:] = [3_000_000, 0]
    with pytest.raises(ImageError, match="broke off"):
        b"".join(images.read("one"))


def test_an_image_that_is_not_there_is_not_waited_for(images: Glance) -> None:
    _Images.script[:] = [404]
    with pytest.raises(ImageError, match="could not be found"):
        images.show("one")
    assert _Images.script == []


def test_patience_ends(images: Glance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_service, "_PATIENCE_S", 0.05)
    _Images.script[:] = [503] * 1000
    with pytest.raises(ImageError, match="503"):
        images.show("one")
