"""What an engine can run: the handler of each kind of job, and the tasks that come back periodically."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from cumulet.kernel.jobs.job import Job

Handler = Callable[["Job", Any], None]
"""`handler(job, container)`. It may be run more than once for one job, so doing it twice must equal doing it once."""

OnFailure = Callable[["Job", Any, "Connection", str], None]
"""`on_failure(job, container, connection, reason)`: writes into the transaction that marks the job as failed."""

F = TypeVar("F", bound=Handler)

PERIODIC_PREFIX = "periodic:"


class Retry(Exception):
    """Raised by a handler that has to wait: run the job again in `after_s` seconds.

    Waiting is no failure: it does not count against `max_attempts`, only the deadline ends it.
    """

    def __init__(self, after_s: float, reason: str) -> None:
        super().__init__(reason)
        self.after_s = after_s
        self.reason = reason


class GiveUp(Exception):
    """Raised by a handler for which trying again is of no use; `reason` is a sentence the user may read."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Backoff(NamedTuple):
    """How long to wait after a failed attempt: doubling from `base_s` up to `cap_s`, less a random half."""

    base_s: float = 1.0
    cap_s: float = 60.0

    def delay_s(self, attempts: int) -> float:
        longest = min(self.cap_s, self.base_s * 2 ** min(max(attempts - 1, 0), 30))
        return longest * random.uniform(0.5, 1.0)


class JobSpec(NamedTuple):
    """How to run one kind. `every_s` is set for a periodic task, whose single run may last `timeout_s`."""

    kind: str
    handler: Handler
    on_failure: OnFailure | None = None
    backoff: Backoff = Backoff()
    every_s: float | None = None
    first_after_s: float = 0.0
    timeout_s: float = 600.0


class JobRegistry:
    """The kinds of job of one service. Filled while the service is put together, only read afterwards."""

    def __init__(self) -> None:
        self._specs: dict[str, JobSpec] = {}

    def register(
        self,
        kind: str,
        handler: Handler,
        *,
        on_failure: OnFailure | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        """Let `handler` run the jobs of `kind`; `on_failure` tells the resource when one is given up."""
        self._add(JobSpec(kind, handler, on_failure, backoff or Backoff()))

    def handler(
        self, kind: str, *, on_failure: OnFailure | None = None, backoff: Backoff | None = None
    ) -> Callable[[F], F]:
        """`register` as a decorator."""

        def remember(function: F) -> F:
            self.register(kind, function, on_failure=on_failure, backoff=backoff)
            return function

        return remember

    def periodic(
        self,
        name: str,
        every_s: float,
        handler: Handler,
        *,
        first_after_s: float | None = None,
        timeout_s: float = 600.0,
    ) -> None:
        """Run `handler` once every `every_s` seconds in one of all engines.

        The task is one row of the table, leased like any job: whoever claims it runs that period. A run that fails
        is tried again after a back-off of at most one period. The very first run comes after `first_after_s`, by
        default a moment (up to 5 s) chosen at random, so that a fresh cloud does not do everything in its first second.
        """
        if every_s <= 0:
            raise ValueError(f"periodic task {name!r}: every_s must be positive")
        if first_after_s is None:
            first_after_s = random.uniform(0, min(every_s, 5.0))
        backoff = Backoff(min(1.0, every_s), every_s)
        self._add(JobSpec(PERIODIC_PREFIX + name, handler, None, backoff, every_s, first_after_s, timeout_s=timeout_s))

    def _add(self, spec: JobSpec) -> None:
        if spec.kind in self._specs:
            raise ValueError(f"two handlers for jobs of kind {spec.kind!r}")
        self._specs[spec.kind] = spec

    def get(self, kind: str) -> JobSpec | None:
        return self._specs.get(kind)

    def kinds(self) -> tuple[str, ...]:
        return tuple(self._specs)

    def periodic_specs(self) -> Iterator[JobSpec]:
        return (spec for spec in self._specs.values() if spec.every_s is not None)
