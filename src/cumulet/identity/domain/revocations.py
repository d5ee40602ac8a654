"""Revocation events: which tokens ended before their time.

An event names attributes of tokens (a user, a project, an audit id, …); every token that has all of them and was issued
up to the event is over. Tokens carry when they were issued in microseconds, so one issued right after is good.

Events are read once into each process's memory and from then on only what is new (`Revocations.catch_up`), so checking
a token costs a few dictionary look-ups however many events there are.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.identity.domain import generations
from cumulet.identity.tables import revocations
from cumulet.kernel import clock

_ATTRIBUTES = (
    "user_id",
    "project_id",
    "domain_id",
    "role_id",
    "trust_id",
    "consumer_id",
    "access_token_id",
    "audit_id",
    "audit_chain_id",
)
_FORGET_EVERY = 600_000_000  # µs
_NEWER = sa.select(revocations).where(revocations.c.id > sa.bindparam("after")).order_by(revocations.c.id)


def revoke(
    connection: Connection,
    *,
    user_id: str | None = None,
    project_id: str | None = None,
    domain_id: str | None = None,
    role_id: str | None = None,
    trust_id: str | None = None,
    audit_id: str | None = None,
    audit_chain_id: str | None = None,
    issued_before: int | None = None,
) -> None:
    """End every token issued until now (or `issued_before`, µs) that has all of the attributes given.

    `user_id` means the token's user, or the trustor or trustee of its trust; `domain_id` the domain the token is scoped
    to, or that its user or project belongs to. Call it in the transaction of the change that is its reason. Raises
    ValueError without any attribute: that would end every token there is.
    """
    given = {
        "user_id": user_id,
        "project_id": project_id,
        "domain_id": domain_id,
        "role_id": role_id,
        "trust_id": trust_id,
        "audit_id": audit_id,
        "audit_chain_id": audit_chain_id,
    }
    if not any(given.values()):
        raise ValueError("a revocation event names at least one attribute")
    # The generation first: its row stays locked until the transaction ends, so events become visible in the order of
    # their ids and no process that reads on from the last id it knows can miss one.
    generations.bump(connection)
    at = clock.now()
    connection.execute(
        sa.insert(revocations).values(
            **given, issued_before=at if issued_before is None else issued_before, revoked_at=at
        )
    )


def purge(connection: Connection, revoked_before: int) -> int:
    """Forget events from before `revoked_before` (µs): no token is old enough to be meant. Returns how many went.

    The newest event stays whatever its age: on SQLite an empty table would give its id away again.
    """
    newest = connection.execute(sa.select(sa.func.max(revocations.c.id))).scalar()
    if newest is None:
        return 0
    old = sa.delete(revocations).where(revocations.c.revoked_at < revoked_before, revocations.c.id < newest)
    return connection.execute(old).rowcount


def since(connection: Connection, moment: int | None) -> list[dict[str, Any]]:
    """Events revoked at or after `moment` (µs), all without it, oldest first."""
    query = sa.select(revocations).order_by(revocations.c.id)
    if moment is not None:
        query = query.where(revocations.c.revoked_at >= moment)
    return [dict(row._mapping) for row in connection.execute(query)]


@dataclass(frozen=True)
class TokenFacts:
    """What of a token revocation events may name: each attribute with every value that means this token."""

    issued_at: int  # µs
    values: Mapping[str, Sequence[str]]


class Revocations:
    """The events that one process knows, those of the last `keep` µs (all without it). Safe in threads."""

    def __init__(self, keep: int | None = None) -> None:
        self._keep = keep
        self._forgotten_at = clock.now()
        self._last = 0
        self._generation = -1
        self._lock = threading.Lock()
        # Events of one shape (the attributes they name) -> values -> the newest `issued_before`
        self._events: dict[tuple[str, ...], dict[tuple[str, ...], int]] = {}
        self._revoked_at: dict[tuple[tuple[str, ...], tuple[str, ...]], int] = {}

    def catch_up(self, connect: Callable[[], Connection], generation: int) -> None:
        """Learn the events up to `generation` that are new: one range read of the primary key, or nothing to do."""
        if self._generation == generation:
            return
        with self._lock:
            for row in connect().execute(_NEWER, {"after": self._last}).all():
                self._learn(row)
                self._last = row.id
            self._generation = generation
        now = clock.now()
        if self._keep is not None and now - self._forgotten_at > _FORGET_EVERY:
            self._forgotten_at = now
            self.forget(now - self._keep)

    def _learn(self, row: sa.Row[Any]) -> None:
        named = [(name, getattr(row, name)) for name in _ATTRIBUTES if getattr(row, name) is not None]
        shape, values = tuple(name for name, _ in named), tuple(value for _, value in named)
        events = self._events.setdefault(shape, {})
        events[values] = max(events.get(values, 0), row.issued_before)
        self._revoked_at[shape, values] = row.revoked_at

    def forget(self, revoked_before: int) -> None:
        """Drop events that no living token can be meant by."""
        with self._lock:
            for key, at in list(self._revoked_at.items()):
                if at < revoked_before:
                    del self._revoked_at[key]
                    del self._events[key[0]][key[1]]

    def is_revoked(self, token: TokenFacts) -> bool:
        """Whether any known event means this token."""
        for shape, events in list(self._events.items()):
            candidates = [token.values.get(name, ()) for name in shape]
            for values in product(*candidates):
                if token.issued_at <= events.get(values, -1):
                    return True
        return False
