"""Network (Neutron): what its handlers, domain and jobs are handed."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from oslo_config import cfg

from cumulet.kernel.bus import Bus, make_bus
from cumulet.kernel.client import Session
from cumulet.kernel.clock import Clock
from cumulet.kernel.db import Database
from cumulet.kernel.environment import Environment
from cumulet.kernel.jobs import wake
from cumulet.kernel.policy import Policy

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

Topic = tuple[str, str]
"""(kind, id) of what a change is about: `("network", id)`, `("host", name)`; see `domain.generations`."""


class _Touched(threading.local):
    """What the transaction of this thread has changed so far."""

    def __init__(self) -> None:
        self.topics: set[Topic] = set()
        self.has_jobs = False


@dataclass
class Network:
    """One process's Network service, put together by `app.build_service`.

    `record` writes into a transaction what it changed for the hosts; `tell` wakes whoever acts on it, after the commit.
    """

    env: Environment
    conf: cfg.ConfigOpts
    db: Database
    policy: Policy
    now: Clock
    record: Callable[[Connection, set[Topic]], None]
    tell: Callable[[set[Topic]], None]
    _touched: _Touched = field(default_factory=_Touched)

    @functools.cached_property
    def bus(self) -> Bus:
        """The way between engine and agents; made when it is first used."""
        return make_bus(self.conf.transport_url, self.env.paths.run / "bus")

    @functools.cached_property
    def session(self) -> Session:
        """Network's own login at the other services."""
        return self.env.service_session("neutron")

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """`db.write()` that ends by recording what was touched: the last thing before the commit, for its row is the
        one that all such transactions meet at."""
        topics: set[Topic] = set()
        self._touched.topics = topics
        self._touched.has_jobs = False
        with self.db.write() as connection:
            yield connection
            if topics:
                self.record(connection, topics)
        if topics:
            self.tell(topics)
        if self._touched.has_jobs:
            wake(self.env.paths.engine_socket, "network")

    def touch(self, kind: str, *ids: str | None) -> None:
        """Say in a transaction that hosts with a part in these objects must look again."""
        self._touched.topics.update((kind, identifier) for identifier in ids if identifier)

    def wake_engine(self) -> None:
        """Say in a transaction that it wrote a job: the engine is woken after the commit."""
        self._touched.has_jobs = True
