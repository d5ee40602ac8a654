"""A carrier within one process: for tests of what stands on the bus, and for thousands of simulated hosts."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from cumulet.kernel.bus.contract import CALL_TIMEOUT_S, CAST_LIFE_S, Method
from cumulet.kernel.bus.errors import CallTimeout, HostUnreachable
from cumulet.kernel.bus.responder import Responder
from cumulet.kernel.bus.wire import CALL, CAST, FANOUT, decode_reply, decode_request, encode, make_request, value_of
from cumulet.kernel.context import Context

_DRAIN_S = 5.0


class MemoryBus:
    """Carries requests to threads of this process, encoded as on every other carrier, so that nothing is shared."""

    def __init__(self, threads: int = 32) -> None:
        self._responders: dict[str, Responder] = {}
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="bus")

    def call(
        self,
        host: str,
        method: str,
        args: Mapping[str, Any] | None = None,
        *,
        timeout_s: float = CALL_TIMEOUT_S,
        ctx: Context | None = None,
        call_id: str | None = None,
    ) -> Any:
        data = encode(make_request(CALL, host, method, args, timeout_s, ctx, call_id))
        responder = self._responder(host)
        waiting = self._threads.submit(responder.run, decode_request(data), time.monotonic())
        try:
            reply = waiting.result(timeout_s)
        except FutureTimeout:
            reply = None
        if reply is None:
            raise CallTimeout(host, method, timeout_s)
        return value_of(decode_reply(reply))

    def cast(
        self, host: str, method: str, args: Mapping[str, Any] | None = None, *, ctx: Context | None = None
    ) -> None:
        data = encode(make_request(CAST, host, method, args, CAST_LIFE_S, ctx))
        self._threads.submit(self._responder(host).accept, decode_request(data))

    def fanout(self, method: str, args: Mapping[str, Any] | None = None, *, ctx: Context | None = None) -> None:
        data = encode(make_request(FANOUT, "", method, args, CAST_LIFE_S, ctx))
        with self._lock:
            responders = set(self._responders.values())
        for responder in responders:
            self._threads.submit(responder.accept, decode_request(data))

    def serve(
        self,
        host: str | Sequence[str],
        methods: Mapping[str, Method],
        stop: threading.Event,
        *,
        ready: threading.Event | None = None,
    ) -> None:
        responder = Responder([host] if isinstance(host, str) else host, methods)
        with self._lock:
            self._responders.update(dict.fromkeys(responder.hosts, responder))
        if ready is not None:
            ready.set()
        stop.wait()
        with self._lock:
            for name in responder.hosts:
                if self._responders.get(name) is responder:
                    del self._responders[name]
        responder.wait_idle(_DRAIN_S)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _responder(self, host: str) -> Responder:
        with self._lock:
            found = self._responders.get(host)
        if found is None:
            raise HostUnreachable(host, "nobody serves it")
        return found
