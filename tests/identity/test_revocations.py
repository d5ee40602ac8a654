"""Revocation events: which tokens they mean, and how processes learn of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.identity import jobs, tables
from cumulet.identity.domain import generations, revocations
from cumulet.identity.domain.revocations import Revocations, TokenFacts
from cumulet.identity.service import Identity
from cumulet.kernel import clock

FACTS = {
    "user_id": ["trustee", "trustor"],
    "project_id": ["project"],
    "domain_id": ["users-domain", "projects-domain"],
    "role_id": ["reader", "member"],
    "trust_id": ["trust", "trust-before"],
    "audit_id": ["audit"],
    "audit_chain_id": ["chain"],
}


@pytest.fixture
def connection(identity: Identity) -> Iterator[Connection]:
    with identity.db.write() as connection:
        connection.execute(sa.delete(tables.revocations))
        yield connection


def known(connection: Connection) -> Revocations:
    found = Revocations()
    found.catch_up(lambda: connection, generations.current(connection))
    return found


def token(issued_at: int = 1) -> TokenFacts:
    return TokenFacts(issued_at, FACTS)


@pytest.mark.parametrize(
    ("event", "meant"),
    [
        ({"user_id": "trustee"}, True),
        ({"user_id": "trustor"}, True),
        ({"user_id": "other"}, False),
        ({"project_id": "project"}, True),
        ({"domain_id": "projects-domain"}, True),
        ({"role_id": "member"}, True),
        ({"trust_id": "trust-before"}, True),
        ({"audit_id": "audit"}, True),
        ({"audit_chain_id": "chain"}, True),
        ({"audit_chain_id": "audit"}, False),
        ({"user_id": "trustee", "project_id": "project"}, True),
        ({"user_id": "trustee", "project_id": "other"}, False),
        ({"user_id": "other", "role_id": "member"}, False),
        ({"user_id": "trustee", "domain_id": "users-domain", "role_id": "reader"}, True),
    ],
)
def test_an_event_means_the_tokens_that_have_all_it_names(
    connection: Connection, event: dict[str, str], meant: bool
) -> None:
    revocations.revoke(connection, **event)
    assert known(connection).is_revoked(token()) is meant


def test_an_event_names_something(connection: Connection) -> None:
    with pytest.raises(ValueError, match="at least one"):
        revocations.revoke(connection)


def test_a_token_issued_after_the_event_is_good(connection: Connection) -> None:
    before = clock.now()
    revocations.revoke(connection, user_id="trustee")
    events = known(connection)
    assert events.is_revoked(token(before))
    assert not events.is_revoked(token(clock.now() + 1))
    revocations.revoke(connection, user_id="trustee", issued_before=before)
    assert known(connection).is_revoked(token(before + 1)), "the newest event counts"


def test_revoking_moves_the_generation_on(connection: Connection) -> None:
    before = generations.current(connection)
    revocations.revoke(connection, user_id="trustee")
    assert generations.current(connection) > before


def test_only_what_is_new_is_read(connection: Connection) -> None:
    events = known(connection)
    revocations.revoke(connection, user_id="trustee")
    events.catch_up(lambda: connection, generations.current(connection))
    assert events.is_revoked(token())
    connection.execute(sa.delete(tables.revocations))
    events.catch_up(lambda: connection, generations.current(connection) + 1)
    assert events.is_revoked(token()), "an event that was read is known until it is too old"


def test_purging_keeps_the_newest_event_so_that_no_id_comes_twice(connection: Connection) -> None:
    for number in range(3):
        revocations.revoke(connection, user_id=f"user-{number}")
    last = connection.execute(sa.select(sa.func.max(tables.revocations.c.id))).scalar_one()
    assert revocations.purge(connection, clock.now() + 1) == 2
    revocations.revoke(connection, user_id="later")
    ids = [row_id for (row_id,) in connection.execute(sa.select(tables.revocations.c.id).order_by(sa.text("id")))]
    assert len(ids) == 2
    assert ids[0] == last
    assert ids[1] > last


def test_a_process_forgets_what_is_too_old_to_matter(connection: Connection) -> None:
    revocations.revoke(connection, user_id="trustee")
    events = known(connection)
    events.forget(clock.now() + 1)
    assert not events.is_revoked(token())


def test_the_engine_forgets_old_events(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    with identity.db.write() as connection:
        connection.execute(sa.delete(tables.revocations))
        for number in range(3):
            revocations.revoke(connection, user_id=f"user-{number}")
    (spec,) = jobs.registry().periodic_specs()
    spec.handler(None, identity)  # type: ignore[arg-type]
    assert _count(identity) == 3
    later = identity.now() + 50 * 3600 * 1_000_000
    monkeypatch.setattr(identity, "now", lambda: later)
    spec.handler(None, identity)  # type: ignore[arg-type]
    assert _count(identity) == 1


def _count(identity: Identity) -> int:
    with identity.db.read() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(tables.revocations)).scalar_one()
