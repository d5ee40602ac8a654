"""A WSGI application behind Granian's ASGI interface, for services that take and give large bodies.

Granian's WSGI interface ends a body that broke off as if it were complete: with chunked transfer coding a client that
dies leaves the application with half an image and no way to tell. Its ASGI interface tells (`http.disconnect`). This
bridge hands a request to a thread and its body to the thread as it comes; reading a body that broke off raises
`bodies.BodyCut`. Requests with large bodies have threads of their own, so they never keep small ones waiting.
"""

from __future__ import annotations

import asyncio
import io
import logging
import queue
import sys
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

from cumulet.kernel.bodies import BodyCut

LOG = logging.getLogger("cumulet.http")
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_SMALL = 64 << 10  # bytes of a body that is read before a thread is asked
_HIGH, _LOW = 4 << 20, 2 << 20  # bytes of a body that wait for the application: at most, and when more is fetched
_MOST_STREAMS = 256  # large bodies on their way at once; more wait
_ENVIRON: dict[str, Any] = {
    "GATEWAY_INTERFACE": "CGI/1.1",
    "SCRIPT_NAME": "",
    "SERVER_SOFTWARE": "Cumulet",
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multiprocess": True,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
}


class Body:
    """A request's body on its way from the event loop to the thread that reads it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._ended = self._cut = self._unwanted = False
        self._changed = threading.Condition()
        self._room = asyncio.Event()
        self._room.set()

    async def fetch(self, receive: Receive) -> None:
        """In the event loop: take the body in as fast as it is read."""
        while not self._unwanted:
            message = await receive()
            if message["type"] != "http.request":
                self._end(cut=True)
                return
            self._add(message.get("body", b""))
            if not message.get("more_body", False):
                self._end(cut=False)
                return
            await self._room.wait()

    def _add(self, piece: bytes) -> None:
        if not piece:
            return
        with self._changed:
            self._pieces.append(piece)
            self._size += len(piece)
            if self._size >= _HIGH:
                self._room.clear()
            self._changed.notify()

    def _end(self, *, cut: bool) -> None:
        with self._changed:
            self._ended, self._cut = True, cut
            self._changed.notify()

    def abandon(self) -> None:
        """In the event loop: the application wants no more."""
        self._unwanted = True
        self._room.set()

    def read1(self, size: int = _HIGH) -> bytes:
        """What has come, up to `size` bytes; waits for some, none at the end. Raises BodyCut."""
        with self._changed:
            while not self._pieces:
                if self._cut:
                    raise BodyCut
                if self._ended:
                    return b""
                self._changed.wait()
            piece = self._pieces.popleft()
            if len(piece) > size:
                self._pieces.appendleft(piece[size:])
                piece = piece[:size]
            was_full = self._size >= _LOW
            self._size -= len(piece)
            if was_full and self._size < _LOW:
                self._loop.call_soon_threadsafe(self._room.set)
            return piece

    def read(self, size: int | None = None) -> bytes:
        """`size` bytes, fewer only at the end; all without a size. Raises BodyCut."""
        pieces: list[bytes] = []
        left = sys.maxsize if size is None or size < 0 else size
        while left and (piece := self.read1(left)):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)


class _Answer:
    """What an application's start_response was told."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: list[tuple[str, str]] = []

    def __call__(self, status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
        self.status = int(status.split(" ", 1)[0])
        self.headers = headers

    def message(self) -> dict[str, Any]:
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self.headers]
        return {"type": "http.response.start", "status": self.status, "headers": headers}


class Bridge:
    """An ASGI application that runs a WSGI application in `threads` threads, large bodies in further ones."""

    def __init__(self, app: Wsgi, threads: int) -> None:
        self._app = app
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._streams: asyncio.Semaphore | None = None
        for number in range(threads):
            threading.Thread(target=self._run, name=f"http-{number}", daemon=True).start()

    def _run(self) -> None:
        while True:
            self._work.get()()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        environ = environ_of(scope)
        length = environ.get("CONTENT_LENGTH")
        chunked = "HTTP_TRANSFER_ENCODING" in environ or (length is None and _may_have_body(scope))
        if chunked or (length is not None and not _is_small(length)):
            await self._stream(environ, receive, send)
            return
        data = await _read_small(receive) if length not in (None, "0") else b""
        if data is None:
            return  # the client is gone
        environ["wsgi.input"] = io.BytesIO(data)
        await _Exchange(self._app, environ, send).run(self._work.put)

    async def _stream(self, environ: dict[str, Any], receive: Receive, send: Send) -> None:
        if self._streams is None:
            self._streams = asyncio.Semaphore(_MOST_STREAMS)
        async with self._streams:
            body = Body(asyncio.get_running_loop())
            environ["wsgi.input"] = body
            fetching = asyncio.ensure_future(body.fetch(receive))
            try:
                await _Exchange(self._app, environ, send).run(_in_thread_of_its_own)
            finally:
                body.abandon()
                fetching.cancel()


def _in_thread_of_its_own(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="http-stream", daemon=True).start()


def _is_small(length: str) -> bool:
    return length.isdecimal() and int(length) <= _SMALL


def _may_have_body(scope: dict[str, Any]) -> bool:
    """HTTP/2 has bodies without either header."""
    return str(scope.get("http_version", "")).startswith("2") and scope["method"] in ("POST", "PUT", "PATCH")


async def _read_small(receive: Receive) -> bytes | None:
    pieces: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)


def environ_of(scope: dict[str, Any]) -> dict[str, Any]:
    """The WSGI environment of a request (PEP 3333), without `wsgi.input`."""
    server, client = scope.get("server") or ("", 0), scope.get("client") or ("", 0)
    environ = _ENVIRON | {
        "REQUEST_METHOD": scope["method"],
        "PATH_INFO": unquote_to_bytes(scope["raw_path"].partition(b"?")[0]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope.get('http_version', '1.1')}",
        "SERVER_NAME": str(server[0]),
        "SERVER_PORT": str(server[1]),
        "REMOTE_ADDR": str(client[0]),
        "wsgi.url_scheme": scope["scheme"],
    }
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").upper().replace("-", "_"), raw_value.decode("latin-1")
        if name not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            name = f"HTTP_{name}"
        environ[name] = f"{environ[name]},{value}" if name in environ else value
    return environ


class _Exchange:
    """One request: the application in a thread, its answer sent from the event loop."""

    def __init__(self, app: Wsgi, environ: dict[str, Any], send: Send) -> None:
        self._app = app
        self._environ = environ
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[list[dict[str, Any]]] = self._loop.create_future()

    async def run(self, start: Callable[[Callable[[], None]], None]) -> None:
        start(self._work)
        for message in await self._done:
            await self._send(message)

    def _work(self) -> None:
        answer = _Answer()
        try:
            body = self._app(self._environ, answer)
            if isinstance(body, list):
                self._finish([answer.message(), {"type": "http.response.body", "body": b"".join(body)}])
            else:
                # Whoever answers small requests does not wait for a slow reader of a large one.
                _in_thread_of_its_own(lambda: self._give(answer, body))
        except Exception:
            LOG.exception("the application failed")
            self._crash()

    def _give(self, answer: _Answer, body: Iterable[bytes]) -> None:
        """Send a body piece by piece: the next one is fetched while one is sent."""
        try:
            sending = self._later(answer.message())
            try:
                for piece in body:
                    sending.result()
                    sending = self._later({"type": "http.response.body", "body": piece, "more_body": True})
                sending.result()
            finally:
                close = getattr(body, "close", None)
                if close is not None:
                    close()
            self._finish([{"type": "http.response.body", "body": b""}])
        except Exception:
            # The answer has begun: ending it short of its length tells the client.
            LOG.exception("an answer broke off")
            self._finish([])

    def _later(self, message: dict[str, Any]) -> Any:
        async def send() -> None:
            await self._send(message)

        return asyncio.run_coroutine_threadsafe(send(), self._loop)

    def _crash(self) -> None:
        answer = _Answer()
        answer.status = 500
        self._finish([answer.message(), {"type": "http.response.body", "body": b""}])

    def _finish(self, messages: list[dict[str, Any]]) -> None:
        def finish() -> None:
            if not self._done.done():
                self._done.set_result(messages)

        self._loop.call_soon_threadsafe(finish)
