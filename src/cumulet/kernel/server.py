"""One process that answers on many ports with Granian's WSGI workers.

The worker classes are not Granian's documented interface (its documented server wants one process tree a port, and
takes the process's logging for itself), so all use of them is in this file, the version is pinned, and
`tests/kernel/test_server.py` holds what is relied on: several ports, ports shared with other processes, streaming both
ways, TLS, draining on SIGTERM.
"""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from granian._futures import _new_cbscheduler
from granian._granian import ASGIWorker, CallbackScheduler, WorkerSignal, WSGIWorker
from granian._loops import loops
from granian.constants import HTTPModes, SSLProtocols
from granian.net import SocketHolder
from granian.wsgi import Response, ResponseIterWrap

from cumulet.kernel.streaming import Bridge, Loop

LOG = logging.getLogger(__name__)
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_BACKLOG = 1024  # connections the kernel keeps for a port before they are accepted
_BACKPRESSURE = 1024  # requests of a port that wait for a thread
_IDLE_THREAD_S = 30
_MESSAGE_THREADS = 2  # of a streaming port: see _serve_streams
_RUNTIME_THREADS = 1  # of Granian's own, a port: they read and write the sockets
_RUNTIME_BLOCKING_THREADS = 512  # Granian's default


class CannotListen(Exception):
    """A port cannot be used."""


def serve(
    apps: Mapping[int, Wsgi],
    *,
    host: str,
    threads: int = 4,
    tls: tuple[Path, Path] | None = None,
    streaming: Collection[int] = (),
    optional: Collection[int] = (),
    ready: Callable[[], None] | None = None,
    drained: Callable[[], None] | None = None,
) -> None:
    """Answer on every port of `apps` until SIGTERM or SIGINT; requests under way are finished first.

    On the ports of `streaming` a body that breaks off is told from one that ends (see `kernel.streaming`); each of
    their requests costs about 20 microseconds more. `optional` ports are left out when they cannot be used.

    `threads` is how many requests of one port are worked on at once; `tls` the certificate and key files. Other
    processes may answer on the same ports. Raises CannotListen.
    """
    loop = loops.get("asyncio")
    sockets = _listening(host, apps, optional)
    # Granian calls a worker's callback when its last connection is done.
    done = _Countdown(len(sockets))
    stops: list[WorkerSignal] = []
    workers: list[Any] = []
    for number, (port, listening) in enumerate(sockets.items(), 1):
        app = apps[port]
        stop = WorkerSignal()
        stop.add_cb(done.one)
        stops.append(stop)
        if port in streaming:
            workers.append(_serve_streams(number, listening, app, threads, tls, stop))
            continue
        worker = _worker(WSGIWorker, number, listening, threads, tls)
        worker.serve_mtr(_new_cbscheduler(loop, _runner(app), impl_asyncio=True), loop, stop)
        workers.append(worker)

    def end(*_: object) -> None:
        for stop in stops:
            stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    if ready is not None:
        ready()
    done.wait()
    if drained is not None:
        drained()


def _listening(host: str, ports: Iterable[int], optional: Collection[int]) -> dict[int, socket.socket]:
    """Raises CannotListen for a port that is not optional."""
    found = {}
    for port in ports:
        try:
            found[port] = listen(host, port)
        except CannotListen as error:
            if port not in optional:
                raise
            LOG.warning("%s; the cloud does without it", error)
    return found


def listen(host: str, port: int) -> socket.socket:
    """A listening socket that other processes of this user may have for the same port too. Raises CannotListen.

    Made here because Granian ends the process when it cannot bind.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        made = socket.create_server(
            (host, port), family=family, backlog=_BACKLOG, reuse_port=True, dualstack_ipv6=host == "::"
        )
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CannotListen(f"port {port} on {host} cannot be used: {reason}") from None
    made.setblocking(False)
    return made


def _serve_streams(
    number: int, listening: socket.socket, app: Wsgi, threads: int, tls: tuple[Path, Path] | None, stop: WorkerSignal
) -> Any:
    """Serve one port through `streaming.Bridge`, which is called in `threads` threads of Granian's and a few more.

    The further ones tell of the progress of large bodies while applications keep the others.
    """
    worker = _worker(ASGIWorker, number, listening, threads + _MESSAGE_THREADS, tls)
    loop = Loop()
    worker.serve_mtr(_Scheduler(loop, Bridge(app)), loop, stop)
    return worker


class _Scheduler(CallbackScheduler):
    """Hands a request over as it is; Granian's own makes a task of an event loop of it."""

    def __new__(cls, loop: Loop, bridge: Bridge) -> _Scheduler:
        # Entering and leaving tasks is what there is nothing to do for. Granian's stubs leave out its `__new__`.
        return super().__new__(cls, loop, bridge, None, _nothing, _nothing)  # type: ignore[call-arg]

    def __init__(self, loop: Loop, bridge: Bridge) -> None:
        super().__init__()
        self._schedule_fn = bridge


def _nothing(*_: object) -> None:
    """Called around each step of a task, of which there are none."""


def _worker(kind: Any, number: int, listening: socket.socket, threads: int, tls: tuple[Path, Path] | None) -> Any:
    # The stubs are behind the extension they describe.
    make_holder: Any = SocketHolder
    websockets = (False,) if kind is ASGIWorker else ()
    return kind(
        number,
        (None, make_holder(listening.detach(), False, _BACKLOG)),
        None,  # no parent to talk to
        _RUNTIME_THREADS,
        _RUNTIME_BLOCKING_THREADS,
        threads,
        _IDLE_THREAD_S,
        _BACKPRESSURE,
        str(HTTPModes.auto),
        None,  # HTTP/1 settings: defaults
        None,  # HTTP/2 settings: defaults
        *websockets,
        None,  # static files
        *_tls_arguments(tls),
        (None, None),  # metrics
    )


def _tls_arguments(tls: tuple[Path, Path] | None) -> tuple[Any, ...]:
    """enabled, certificate, key, key's password, lowest version, clients' authority, revocations, ask clients."""
    lowest = str(SSLProtocols.tls12)
    if tls is None:
        return (False, None, None, None, lowest, None, [], False)
    certificate, key = tls
    return (True, str(certificate), str(key), None, lowest, None, [], False)


def _runner(app: Wsgi) -> Callable[[Any, dict[str, Any]], int]:
    """What Granian calls for a request. Its own adds the process's whole environment to each; this does not."""
    same_for_all: dict[str, Any] = {
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

    def run(protocol: Any, scope: dict[str, Any]) -> int:
        response = Response()
        body = app(same_for_all | scope, response)
        if isinstance(body, list):
            protocol.response_bytes(response.status, response.headers, b"".join(body))
        else:
            protocol.response_iter(response.status, response.headers, ResponseIterWrap(body))
        status: int = response.status
        return status

    return run


class _Countdown:
    """Waits until `one` was called `count` times."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._lock = threading.Lock()
        self._over = threading.Event()

    def one(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self._over.set()

    def wait(self) -> None:
        self._over.wait()
