"""One process that answers on many ports with Granian's WSGI workers.

The worker classes are not Granian's documented interface (its documented server wants one process tree a port), so all
use of them is in this file, the version is pinned, and `tests/kernel/test_server.py` holds what is relied on: several
ports, ports shared with other processes, streaming both ways, TLS, draining on SIGTERM.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from granian import Granian
from granian._futures import _new_cbscheduler
from granian._granian import WorkerSignal, WSGIWorker
from granian._loops import loops
from granian.constants import Interfaces
from granian.net import SocketSpec
from granian.wsgi import _callback_wrapper

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def serve(
    apps: Mapping[int, Wsgi],
    *,
    host: str,
    threads: int = 4,
    tls: tuple[Path, Path] | None = None,
    ready: Callable[[], None] | None = None,
    drained: Callable[[], None] | None = None,
) -> None:
    """Answer on every port of `apps` until SIGTERM or SIGINT; requests under way are finished first.

    `threads` is how many requests of one port are worked on at once; `tls` the certificate and key files.
    """
    defaults: Any = Granian(
        "unused:app",
        interface=Interfaces.WSGI,
        websockets=False,
        log_enabled=False,
        ssl_cert=tls[0] if tls else None,
        ssl_key=tls[1] if tls else None,
    )
    loop = loops.get("asyncio")
    # Granian calls a worker's callback when its last connection is done.
    done = _Countdown(len(apps))
    stops: list[WorkerSignal] = []
    workers: list[Any] = []
    for number, (port, app) in enumerate(apps.items(), 1):
        stop = WorkerSignal()
        stop.add_cb(done.one)
        stops.append(stop)
        make_worker: Any = WSGIWorker  # its stub is behind the extension it describes
        worker = make_worker(
            number,
            (SocketSpec(host, port, 1024), None),
            None,
            1,  # runtime threads
            defaults.runtime_blocking_threads,
            threads,
            30,  # seconds an idle thread is kept
            1024,  # backpressure: requests waiting for a thread
            defaults.http,
            defaults.http1_settings,
            defaults.http2_settings,
            None,  # static files
            *defaults.ssl_ctx,
            (None, None),  # metrics
        )
        callback = _callback_wrapper(app, {"url_path_prefix": None}, None)
        worker.serve_mtr(_new_cbscheduler(loop, callback, impl_asyncio=True), loop, stop)
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
