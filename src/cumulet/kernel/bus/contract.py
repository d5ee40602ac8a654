"""What every carrier offers, and what a served method gets to know about its call.

Promises, kept by each carrier (tests/kernel/test_bus_contract.py):

- A call ends: with the method's value, RemoteError, CallTimeout or HostUnreachable, at its deadline at the latest.
- Within a window of ten minutes a call id is run at most once by a serving process; a repeated delivery, also while
  the first still runs, is answered with the same reply. A process that was killed has forgotten its ids, so methods
  are idempotent like jobs.
- A cast or fanout may be lost: it is a wake-up, never the only record of a wish.
- Arguments and values are what msgpack can say: None, bool, int (64 bits), float, str, bytes, datetime, lists, dicts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from cumulet.kernel.context import Context

CALL_TIMEOUT_S = 60.0
CAST_LIFE_S = 60.0
"""Seconds after which a cast that nobody took is dropped."""


class Call(msgspec.Struct, frozen=True):
    """One delivery, the first argument of every served method."""

    id: str
    host: str  # the name it was sent to: one server may serve several
    method: str
    deadline: float  # of time.monotonic()
    request_id: str = ""
    global_request_id: str | None = None
    project_id: str | None = None
    user_id: str | None = None

    def remaining_s(self) -> float:
        """Seconds until the caller stops waiting, never below 0."""
        return max(0.0, self.deadline - time.monotonic())

    def context(self) -> Context:
        """The request the call belongs to, to pass on. It carries no rights."""
        return Context(
            request_id=self.request_id,
            global_request_id=self.global_request_id,
            project_id=self.project_id,
            user_id=self.user_id,
        )


Method = Callable[..., Any]
"""`method(call: Call, **args)`; what it returns or raises goes back to the caller."""


class Bus(Protocol):
    """The way between engine and agents. Thread-safe; make one after a fork, `close` it at the end."""

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
        """Run `method(**args)` at `host` and return its value.

        `call_id` names the wish: a caller that repeats one (a job that is retried) gives the same id again, and the
        method is not run a second time if it was run already. Raises RemoteError, HostUnreachable, CallTimeout.
        """

    def cast(
        self, host: str, method: str, args: Mapping[str, Any] | None = None, *, ctx: Context | None = None
    ) -> None:
        """Have `method(**args)` run at `host` without waiting for it. Raises HostUnreachable if nobody is there."""

    def fanout(self, method: str, args: Mapping[str, Any] | None = None, *, ctx: Context | None = None) -> None:
        """Have `method(**args)` run at every host that serves and knows it. Raises HostUnreachable without a broker."""

    def serve(
        self,
        host: str | Sequence[str],
        methods: Mapping[str, Method],
        stop: threading.Event,
        *,
        ready: threading.Event | None = None,
    ) -> None:
        """Serve until `stop` is set, then let running methods finish and return. Sets `ready` once it can be reached.

        Several names may be served at once (simulated hosts); `call.host` tells which was meant.
        """

    def close(self) -> None:
        """Give back connections and threads of the calling side."""
