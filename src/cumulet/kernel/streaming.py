"""A WSGI application behind Granian's ASGI interface, for services that take and give large bodies.

Granian's WSGI interface ends a body that broke off as if it were complete: with chunked transfer coding a client that
dies leaves the application with half an image and no way to tell. Its ASGI interface tells (`http.disconnect`), and
reading a body that broke off raises `bodies.BodyCut`.

No event loop runs here. Granian calls `Bridge` from one of its threads; a small request is answered by that thread
before it returns, as with the WSGI interface. Large bodies have threads of their own, so they never keep small ones
waiting. Granian's threads also tell that a message has come or gone, so nothing here makes one of them wait for that.
"""

from __future__ import annotations

import io
import logging
import queue
import sys
import threading
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from cumulet.kernel.bodies import BodyCut

LOG = logging.getLogger("cumulet.http")
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Receive = Callable[[], Any]
"""A message's awaitable, of Granian's own kind (see `_Coming`)."""

_SMALL = 64 << 10  # bytes of a body that is read before the application is asked, if it comes in one piece
_PIECE = 4 << 20  # bytes that a read gives at most; Granian's pieces are smaller
_MOST_BODIES = 256  # large bodies on their way in at once; more wait
_MOST_ANSWERS = 1024  # large bodies on their way out at once; more wait
_IDLE_S = 30.0
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


class Loop:
    """All that Granian's awaitables want of an event loop: to call back, here in whichever thread they are done."""

    def call_soon(self, callback: Callable[..., Any], *arguments: Any, context: Any = None) -> None:
        callback(*arguments)

    call_soon_threadsafe = call_soon


def _value(awaitable: Any) -> Any:
    """What an awaitable that is done returns, taken from it as `await` would."""
    try:
        next(awaitable)
    except StopIteration as end:
        return end.value
    raise RuntimeError("the awaitable is not done")


def _when_done(awaitable: Any, callback: Callable[[Any], None]) -> None:
    """Call back with the awaitable: at once when it is done already (such ones take no callbacks)."""
    add = getattr(awaitable, "add_done_callback", None)
    if add is None:
        callback(awaitable)
    else:
        add(callback, context=None)


class _Coming:
    """A message on its way, for a thread that waits for it."""

    __slots__ = ("_awaitable", "_here")

    def __init__(self, awaitable: Any) -> None:
        here = threading.Lock()
        here.acquire()
        self._here = here
        self._awaitable = awaitable
        # Not a method of this object: that would be a cycle through Granian's, which no garbage collector sees.
        _when_done(awaitable, lambda _: here.release())

    def result(self) -> Any:
        """To be asked once."""
        self._here.acquire()
        awaitable, self._awaitable = self._awaitable, None
        return _value(awaitable)


class Body:
    """A request's body, of which the next piece comes while the application works on one.

    `first` is a message that has come already.
    """

    def __init__(self, receive: Receive, first: dict[str, Any] | None = None) -> None:
        self._receive = receive
        self._coming: _Coming | None = None
        self._cut = False
        self._piece = b""
        self._at = 0  # how much of the piece has been read
        if first is None:
            self._coming = _Coming(receive())
        else:
            self._piece = self._take(first)

    def _take(self, message: dict[str, Any]) -> bytes:
        self._coming = None
        if message["type"] != "http.request":
            self._cut = True
            return b""
        if message.get("more_body", False):
            self._coming = _Coming(self._receive())
        piece: bytes = message.get("body", b"")
        return piece

    def read1(self, size: int = _PIECE) -> bytes:
        """What has come, up to `size` bytes; waits for some, none at the end. Raises BodyCut."""
        if not size:
            return b""
        while self._at == len(self._piece):
            if self._cut:
                raise BodyCut
            if self._coming is None:
                return b""
            self._piece, self._at = self._take(self._coming.result()), 0
        start, self._at = self._at, min(self._at + size, len(self._piece))
        if start == 0 and self._at == len(self._piece):
            whole, self._piece, self._at = self._piece, b"", 0
            return whole
        return self._piece[start : self._at]

    def read(self, size: int | None = None) -> bytes:
        """`size` bytes, fewer only at the end; all without a size. Raises BodyCut."""
        pieces: list[bytes] = []
        left = sys.maxsize if size is None or size < 0 else size
        while left and (piece := self.read1(left)):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)


class Threads:
    """Up to `most` threads, made when they are needed; what comes while all are busy waits."""

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._open = 0  # pieces of work that wait or are worked on

    def start(self, work: Callable[[], None]) -> None:
        """`work` must not raise."""
        with self._lock:
            self._open += 1
            self._work.put(work)
            if self._open <= self._threads or self._threads == self._most:
                return
            self._threads += 1
        threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                work = self._work.get(timeout=_IDLE_S)
            except queue.Empty:
                with self._lock:
                    if self._open < self._threads:
                        self._threads -= 1
                        return
                continue  # something has come meanwhile
            work()
            del work  # what it holds is not needed while the next is waited for
            with self._lock:
                self._open -= 1


class Bridge:
    """What Granian's ASGI worker is given as its scheduler's function: answers a request with a WSGI application."""

    def __init__(self, app: Wsgi) -> None:
        self.app = app
        self.bodies = Threads("http-body", _MOST_BODIES)
        self.answers = Threads("http-answer", _MOST_ANSWERS)

    def __call__(self, watcher: Any) -> None:
        """`watcher` is Granian's: `scope`, `proto` and `done()`, which is called when nothing more will be sent."""
        scope = watcher.scope
        environ = environ_of(scope)
        exchange = _Exchange(self, environ, watcher)
        length = environ.get("CONTENT_LENGTH")
        if length is None and "HTTP_TRANSFER_ENCODING" not in environ and not _may_have_body(scope):
            exchange.run(io.BytesIO())
        elif length is not None and _is_small(length):
            _when_done(watcher.proto.receive(), lambda come: exchange.run_small(_value(come), int(length)))
        else:
            self.bodies.start(exchange.run_large)


def _is_small(length: str) -> bool:
    return length.isdecimal() and int(length) <= _SMALL


def _may_have_body(scope: dict[str, Any]) -> bool:
    """HTTP/2 has bodies without either header."""
    return str(scope.get("http_version", "")).startswith("2") and scope["method"] in ("POST", "PUT", "PATCH")


@lru_cache(maxsize=1024)
def _variable(name: bytes) -> str:
    """A header's name in the WSGI environment."""
    upper = name.decode("latin-1").upper().replace("-", "_")
    return upper if upper in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{upper}"


@lru_cache(maxsize=1024)
def _header(name: str) -> bytes:
    return name.lower().encode("latin-1")


def environ_of(scope: dict[str, Any]) -> dict[str, Any]:
    """The WSGI environment of a request (PEP 3333), without `wsgi.input`."""
    server, client = scope.get("server") or ("", 0), scope.get("client") or ("", 0)
    path: bytes = scope["raw_path"].partition(b"?")[0]
    environ = _ENVIRON | {
        "REQUEST_METHOD": scope["method"],
        "PATH_INFO": (unquote_to_bytes(path) if b"%" in path else path).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope.get('http_version', '1.1')}",
        "SERVER_NAME": str(server[0]),
        "SERVER_PORT": str(server[1]),
        "REMOTE_ADDR": str(client[0]),
        "wsgi.url_scheme": scope["scheme"],
    }
    for raw_name, raw_value in scope["headers"]:
        name, value = _variable(raw_name), raw_value.decode("latin-1")
        environ[name] = f"{environ[name]},{value}" if name in environ else value
    return environ


class _Answer:
    """What an application's start_response was told."""

    __slots__ = ("headers", "status")

    def __init__(self) -> None:
        self.status = 200
        self.headers: list[tuple[str, str]] = []

    def __call__(self, status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
        self.status = int(status.split(" ", 1)[0])
        self.headers = headers

    def message(self) -> dict[str, Any]:
        headers = [(_header(name), value.encode("latin-1")) for name, value in self.headers]
        return {"type": "http.response.start", "status": self.status, "headers": headers}


class _Departure:
    """Whether the client is gone. To be made when the request's body has been read: it asks for what comes next."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.seen = False
        self._ask()

    def _ask(self) -> None:
        _when_done(self._receive(), self._come)

    def _come(self, awaitable: Any) -> None:
        message = _value(awaitable)
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._ask()  # the end of the body
        else:
            self.seen = message["type"] != "http.request"


class _Exchange:
    """One request and its answer."""

    __slots__ = ("_bridge", "_environ", "_protocol", "_watcher")

    def __init__(self, bridge: Bridge, environ: dict[str, Any], watcher: Any) -> None:
        self._bridge = bridge
        self._environ = environ
        self._watcher = watcher
        self._protocol = watcher.proto

    def run_small(self, message: dict[str, Any], length: int) -> None:
        """`message` is the first of a body of `length` bytes, and mostly all of it."""
        if message["type"] != "http.request":
            self._watcher.done()  # the client is gone
        elif len(message["body"]) == length or not message.get("more_body", False):
            self.run(io.BytesIO(message["body"]))
        else:
            # It may take long, which none of Granian's threads waits for.
            self._bridge.bodies.start(lambda: self.run(Body(self._protocol.receive, message)))

    def run_large(self) -> None:
        self.run(Body(self._protocol.receive))

    def run(self, body: io.BytesIO | Body) -> None:
        answer = _Answer()
        self._environ["wsgi.input"] = body
        try:
            given = self._bridge.app(self._environ, answer)
            if isinstance(given, list):
                self._send(answer.message())
                data = given[0] if len(given) == 1 else b"".join(given)
                self._send({"type": "http.response.body", "body": data})
                self._watcher.done()
                return
        except Exception:
            LOG.exception("the application failed")
            self._crash()
            return
        # Whoever answers small requests does not wait for a slow reader of a large one.
        departure = _Departure(self._protocol.receive) if isinstance(body, io.BytesIO) else None
        self._bridge.answers.start(lambda: self._give(answer, given, departure))

    def _send(self, message: dict[str, Any]) -> None:
        """What is sent without waiting: the beginning of an answer, and its end."""
        self._protocol.send(message)

    def _give(self, answer: _Answer, body: Iterable[bytes], departure: _Departure | None) -> None:
        """Send a body piece by piece: the next one is fetched while one is sent."""
        try:
            try:
                self._send(answer.message())
                sending: _Coming | None = None
                for piece in body:
                    if sending is not None:
                        sending.result()
                    if departure is not None and departure.seen:
                        return
                    sending = _Coming(
                        self._protocol.send({"type": "http.response.body", "body": piece, "more_body": True})
                    )
                if sending is not None:
                    sending.result()
                self._send({"type": "http.response.body", "body": b""})
            finally:
                close = getattr(body, "close", None)
                if close is not None:
                    close()
        except Exception:
            # The answer has begun: ending it short of its length tells the client.
            LOG.exception("an answer broke off")
        finally:
            self._watcher.done()

    def _crash(self) -> None:
        try:
            self._send({"type": "http.response.start", "status": 500, "headers": []})
            self._send({"type": "http.response.body", "body": b""})
        except RuntimeError:
            LOG.debug("the answer had begun when the application failed")
        self._watcher.done()
