"""What each host was told last, so that it is told only what changed since."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.engine import Connection

from cumulet.network.domain import generations
from cumulet.network.domain.wanted import KINDS, State, build, documents
from cumulet.network.service import Network, Topic

_EVERYBODYS = ("tunnels", "metering")
"""Kinds of changes that are every host's business."""


@dataclass(frozen=True)
class Answer:
    """`document` is None when nothing concerns the host; `generation` is how far it has been looked."""

    generation: int
    document: bytes | None


@dataclass
class _Told:
    lock: threading.Lock = field(default_factory=threading.Lock)
    state: State | None = None
    topics: frozenset[Topic] = frozenset()


class Desk:
    """Answers hosts. It may forget at any time: a host that it does not know is told everything."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._hosts: dict[str, _Told] = {}
        self._lock = threading.Lock()

    def wanted(self, host: str, have: int, seen: int) -> Answer:
        """What a host needs that has the document of generation `have` and has heard of nothing after `seen`.

        0 stands for a host that has nothing.
        """
        with self._lock:
            told = self._hosts.setdefault(host, _Told())
        with told.lock, self._network.db.read() as connection:
            return self._answer(connection, told, host, have, seen)

    def _answer(self, connection: Connection, told: _Told, host: str, have: int, seen: int) -> Answer:
        newest, changed = generations.since(connection, seen)
        known = told.state is not None and told.state["generation"] == have
        if have and changed is not None and (not changed or (known and not concerns(changed, told.topics))):
            return Answer(newest, None)
        before = told.state
        state, topics = build(self._network, connection, host)
        told.state, told.topics = state, frozenset(topics)
        document: bytes | None
        if known:
            assert before is not None
            document = documents.difference(before, state, KINDS)
        elif have and changed is not None and not concerns(changed, topics):
            document = None
        else:
            document = documents.whole(state, KINDS)
        generation = state["generation"]
        if document is None:
            # The host's document stands for this state: what comes next starts from it.
            told.state = {**state, "generation": have}
        return Answer(generation, document)

    def concerned(self, changed: set[Topic]) -> list[str]:
        """The hosts that a change is the business of, among those that asked here."""
        with self._lock:
            hosts = list(self._hosts.items())
        return [host for host, told in hosts if told.state is not None and concerns(changed, told.topics)]


def concerns(changed: set[Topic], topics: Any) -> bool:
    return any(topic in topics or topic[0] in _EVERYBODYS for topic in changed)
