"""The serving side that all carriers share: from a request to an encoded reply."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping

from cumulet.kernel.bus.contract import Call, Method
from cumulet.kernel.bus.replies import Replies
from cumulet.kernel.bus.wire import FANOUT, Reply, Request, encode
from cumulet.kernel.context import current_request

log = logging.getLogger(__name__)


class Responder:
    """Runs requests against `methods`, each call id once. `run` may be called by any number of threads."""

    def __init__(self, hosts: Iterable[str], methods: Mapping[str, Method]) -> None:
        self.hosts = frozenset(hosts)
        self._methods = methods
        self._replies = Replies()
        self._idle = threading.Condition()
        self._running = 0

    def run(self, request: Request, received: float | None = None) -> bytes | None:
        """Run the request, or wait for its first delivery's end; the encoded reply.

        `received` is when it arrived, by time.monotonic(). None is returned when the deadline has passed: nobody
        waits for a reply any more.
        """
        deadline = (time.monotonic() if received is None else received) + request.timeout_s
        entry, is_new = self._replies.begin(request.id)
        if is_new:
            self._enter(1)
            try:
                data = self._answer(request, deadline)
                self._replies.finish(entry, data)
            finally:
                self._enter(-1)
            return data
        log.info("call %s (%s) was delivered again", request.id, request.method)
        if not entry.done.wait(max(0.0, deadline - time.monotonic())):
            return None
        return entry.data

    def run_everywhere(self, request: Request) -> None:
        """Run a fanout once for every served host; a method that this server does not have is no error."""
        if request.method not in self._methods:
            return
        for host in self.hosts:
            one = Request(*(getattr(request, name) for name in request.__struct_fields__))
            one.host = host
            one.id = f"{request.id}/{host}"
            self.run(one)

    def accept(self, request: Request) -> None:
        """Run a cast or a fanout."""
        if request.kind == FANOUT:
            self.run_everywhere(request)
        else:
            self.run(request)

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until no method runs; False when some still do after `timeout_s`."""
        with self._idle:
            return self._idle.wait_for(lambda: self._running == 0, timeout_s)

    def _enter(self, change: int) -> None:
        with self._idle:
            self._running += change
            if not self._running:
                self._idle.notify_all()

    def _answer(self, request: Request, deadline: float) -> bytes:
        reply = self._execute(request, deadline)
        try:
            return encode(reply)
        except (TypeError, ValueError, OverflowError) as error:
            log.error("%s returned what cannot be sent: %s", request.method, error)
            problem = f"{request.method} returned what cannot be sent: {error}"
            return encode(Reply(request.id, None, type(error).__name__, problem))

    def _execute(self, request: Request, deadline: float) -> Reply:
        if request.host not in self.hosts:
            return Reply(request.id, None, "NoSuchHost", f"{request.host} is not served here")
        method = self._methods.get(request.method)
        if method is None:
            return Reply(request.id, None, "NoSuchMethod", f"{request.host} has no method {request.method}")
        if time.monotonic() >= deadline:
            return Reply(request.id, None, "DeadlineExceeded", f"{request.method} arrived after its deadline")
        call = Call(
            request.id,
            request.host,
            request.method,
            deadline,
            request.request_id,
            request.global_request_id,
            request.project_id,
            request.user_id,
        )
        mark = current_request.set((request.request_id, request.global_request_id) if request.request_id else None)
        try:
            return Reply(request.id, method(call, **request.args))
        except BaseException as error:
            log.warning("%s raised", request.method, exc_info=True)
            return Reply(request.id, None, type(error).__name__, str(error))
        finally:
            current_request.reset(mark)
