"""How job rows move from state to state, with a clock that the test moves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from cumulet.kernel.context import Context, current_request
from cumulet.kernel.db import TransactionLost, run_again
from cumulet.kernel.jobs import JobRow, backlog, enqueue, jobs_of, jobs_of_request, purge
from cumulet.kernel.jobs.store import Finished, JobStore, Requeued
from tests.kernel.jobs_support import START, Cloud, HandClock, eventually

LEASE = 15_000_000


@pytest.fixture
def cloud(database_url: str) -> Iterator[Cloud]:
    cloud = Cloud(database_url)
    yield cloud
    cloud.close()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


class Hand:
    """Does by hand what an engine does."""

    def __init__(self, cloud: Cloud, clock: HandClock, name: str = "engine") -> None:
        self.cloud = cloud
        self.clock = clock
        self.name = name
        self.store = JobStore(cloud.jobs)
        self.claims = 0

    def claim(self, count: int = 10, kinds: tuple[str, ...] = ("build", "delete")) -> list[JobRow]:
        self.claims += 1
        token = f"{self.name}#{self.claims}"
        with self.cloud.db.write() as conn:
            return self.store.claim(conn, kinds=kinds, token=token, now=self.clock.now(), lease_us=LEASE, count=count)

    def settle(self, *outcomes: Any) -> None:
        with self.cloud.db.write() as conn:
            self.store.settle(conn, outcomes, self.clock.now())


@pytest.fixture
def hand(cloud: Cloud, clock: HandClock) -> Hand:
    return Hand(cloud, clock)


def test_a_job_has_its_request_its_owner_and_its_deadline(cloud: Cloud, clock: HandClock) -> None:
    ctx = Context(request_id="req-1", global_request_id="req-2", project_id="p", user_id="u")

    job_id = cloud.enqueue("build", {"image": "im", "n": [1, None]}, deadline_s=60, ctx=ctx, clock=clock)

    row = cloud.job(job_id)
    assert (row.state, row.kind, row.subject, row.payload) == ("queued", "build", "s1", '{"image":"im","n":[1,null]}')
    assert (row.request_id, row.global_request_id, row.project_id, row.user_id) == ("req-1", "req-2", "p", "u")
    assert (row.created_at, row.run_at, row.deadline_at) == (START, START, START + 60_000_000)


def test_without_a_context_the_request_of_the_thread_is_recorded(cloud: Cloud) -> None:
    mark = current_request.set(("req-9", None))
    try:
        assert cloud.job(cloud.enqueue("build")).request_id == "req-9"
    finally:
        current_request.reset(mark)


def test_a_job_of_a_transaction_that_fails_never_was(cloud: Cloud, clock: HandClock, hand: Hand) -> None:
    with pytest.raises(RuntimeError), cloud.db.write() as conn:
        enqueue(conn, cloud.jobs, "build", subject="s1", clock=clock)
        raise RuntimeError

    assert hand.claim() == []


def test_jobs_are_claimed_oldest_first_and_only_once(cloud: Cloud, clock: HandClock, hand: Hand) -> None:
    first = cloud.enqueue("build", clock=clock)
    clock.forward(1)
    second = cloud.enqueue("build", clock=clock)

    assert [row.id for row in hand.claim(count=1)] == [first]
    assert [row.id for row in hand.claim()] == [second]
    assert hand.claim() == []
    assert cloud.job(first).state == "running"


def test_a_job_waits_for_its_time(cloud: Cloud, clock: HandClock, hand: Hand) -> None:
    cloud.enqueue("build", run_at=START + 5_000_000, clock=clock)
    assert hand.claim() == []
    with cloud.db.read() as conn:
        assert hand.store.next_due(conn) == START + 5_000_000

    clock.forward(5)
    assert len(hand.claim()) == 1


def test_an_engine_leaves_alone_what_it_does_not_know_until_its_deadline(
    cloud: Cloud, clock: HandClock, hand: Hand
) -> None:
    cloud.enqueue("resize", deadline_s=100, clock=clock)
    assert hand.claim() == []

    clock.forward(101)
    assert len(hand.claim()) == 1


def test_the_time_a_job_has_begins_when_it_is_first_run(cloud: Cloud, clock: HandClock, hand: Hand) -> None:
    job_id = cloud.enqueue("build", deadline_s=100, run_at=START + 10_000_000, clock=clock)
    clock.forward(510)
    [row] = hand.claim()
    assert (row.started_at, row.deadline_at) == (START + 510_000_000, START + 610_000_000)
    assert cloud.job(job_id).deadline_at == row.deadline_at
    hand.settle(Requeued(row, clock.now(), 0, "It has to wait."))
    clock.forward(50)
    [again] = hand.claim()
    assert (again.started_at, again.deadline_at) == (row.started_at, row.deadline_at)


def test_a_lease_that_runs_out_frees_the_job_and_fences_its_former_owner(
    cloud: Cloud, clock: HandClock, hand: Hand
) -> None:
    job_id = cloud.enqueue("build", clock=clock)
    [before] = hand.claim()
    other = Hand(cloud, clock, "other")
    assert other.claim() == []

    clock.forward(16)
    [after] = other.claim()
    assert (after.id, after.attempts) == (job_id, 2)

    hand.settle(Finished(before))
    with cloud.db.write() as conn:
        assert not hand.store.owns(conn, before)
        assert not hand.store.fail(conn, before, "late", clock.now())
        assert hand.store.renew(conn, [before], clock.now() + LEASE) == {job_id}
    assert cloud.job(job_id).state == "running"

    other.settle(Finished(after))
    assert cloud.job(job_id).state == "done"


def test_a_renewed_lease_holds(cloud: Cloud, clock: HandClock, hand: Hand) -> None:
    cloud.enqueue("build", clock=clock)
    [row] = hand.claim()
    clock.forward(10)
    with cloud.db.write() as conn:
        assert hand.store.renew(conn, [row], clock.now() + LEASE) == set()

    clock.forward(10)
    assert Hand(cloud, clock, "other").claim() == []


def test_jobs_of_one_key_are_one_while_they_wait(cloud: Cloud, clock: HandClock, hand: Hand) -> None:
    first = cloud.enqueue("build", 1, key="s1", run_at=START + 9_000_000, deadline_s=60, clock=clock)
    again = cloud.enqueue("build", 2, key="s1", deadline_s=600, clock=clock)
    other_kind = cloud.enqueue("delete", key="s1", clock=clock)
    other_case = cloud.enqueue("build", key="S1", clock=clock)

    assert first == again
    assert len({first, other_kind, other_case}) == 3
    row = cloud.job(first)
    assert (row.payload, row.run_at, row.deadline_at) == ("2", START, START + 600_000_000)


def test_a_wish_during_the_run_makes_another_run_after_it(cloud: Cloud, clock: HandClock, hand: Hand) -> None:
    cloud.enqueue("build", 1, key="s1", clock=clock)
    [running] = hand.claim()
    waiting = cloud.enqueue("build", 2, key="s1", clock=clock)

    assert waiting != running.id
    assert hand.claim() == [], "two runs of one key at the same time"
    hand.settle(Finished(running))
    assert [row.id for row in hand.claim()] == [waiting]


def test_a_run_that_is_to_be_repeated_gives_way_to_the_newer_wish(cloud: Cloud, clock: HandClock, hand: Hand) -> None:
    cloud.enqueue("build", 1, key="s1", clock=clock)
    [running] = hand.claim()
    waiting = cloud.enqueue("build", 2, key="s1", clock=clock)

    hand.settle(Requeued(running, START + 60_000_000, 1, "No host answers."))

    old = cloud.job(running.id)
    assert (old.state, old.last_error) == ("done", f"No host answers. Job {waiting} goes on with it.")
    assert [row.id for row in hand.claim()] == [waiting]


def test_a_keyed_job_goes_back_to_the_queue_and_still_is_one(cloud: Cloud, clock: HandClock, hand: Hand) -> None:
    job_id = cloud.enqueue("build", key="s1", clock=clock)
    [running] = hand.claim()
    hand.settle(Requeued(running, START + 60_000_000, 1, "Later."))

    assert cloud.enqueue("build", key="s1", clock=clock) == job_id
    assert [row.id for row in hand.claim()] == [job_id]


def test_a_reason_that_a_database_would_refuse_does_not_stop_the_engine(
    cloud: Cloud, clock: HandClock, hand: Hand
) -> None:
    job_id = cloud.enqueue("build", clock=clock)
    [row] = hand.claim()
    hand.settle(Requeued(row, START, 1, "a\0b\ud800 名" + "x" * 100_000))

    stored = cloud.job(job_id).last_error
    assert stored is not None
    assert stored.startswith("ab? 名x")


def test_the_jobs_of_a_resource_are_listed_newest_first_in_pages(cloud: Cloud, clock: HandClock) -> None:
    ids = []
    for number in range(5):
        ids.append(cloud.enqueue("build", number, clock=clock))
        clock.forward(0 if number % 2 else 1)
    cloud.enqueue("build", subject="another", clock=clock)
    cloud.enqueue("build", ctx=Context(request_id="req-7"), subject="another", clock=clock)

    with cloud.db.read() as conn:
        page = jobs_of(conn, cloud.jobs, "s1", limit=2)
        rest = jobs_of(conn, cloud.jobs, "s1", before=page[-1])
        assert [row.subject for row in jobs_of_request(conn, cloud.jobs, "req-7")] == ["another"]
    assert sorted(row.id for row in page + rest) == sorted(ids)
    times = [row.created_at for row in page + rest]
    assert times == sorted(times, reverse=True)


def test_old_jobs_are_purged_and_open_ones_never(cloud: Cloud, clock: HandClock, hand: Hand) -> None:
    old = cloud.enqueue("build", clock=clock)
    hand.settle(*(Finished(row) for row in hand.claim()))
    clock.forward(100)
    young = cloud.enqueue("build", clock=clock)
    hand.settle(*(Finished(row) for row in hand.claim()))
    still_open = cloud.enqueue("build", deadline_s=1e9, clock=clock)
    clock.forward(50)

    with cloud.db.write() as conn:
        assert purge(conn, cloud.jobs, older_than_s=100, clock=clock) == 1
    with cloud.db.read() as conn:
        left = {row.id for row in jobs_of(conn, cloud.jobs, "s1")}
        assert backlog(conn, cloud.jobs, clock=clock) == (1, 50.0)
    assert left == {young, still_open}
    assert old not in left


def test_too_long_names_are_refused_on_every_database(cloud: Cloud) -> None:
    with pytest.raises(ValueError, match="subject"):
        cloud.enqueue("build", subject="x" * 256)
    with pytest.raises(ValueError, match="kind"):
        cloud.enqueue("x" * 65)
    with pytest.raises(ValueError, match="key"):
        cloud.enqueue("build", key="x" * 256)


def test_many_engines_share_the_rows_without_taking_one_twice(cloud: Cloud, clock: HandClock) -> None:
    for number in range(120):
        cloud.enqueue("build", number, subject=f"s{number}", key=f"k{number % 40}" if number < 40 else None)
    clock.time = 4_000_000_000_000_000
    taken: list[str] = []

    def work(name: str) -> None:
        hand = Hand(cloud, clock, name)
        while rows := run_again(lambda: hand.claim(count=3)):
            taken.extend(row.id for row in rows)
            run_again(lambda rows=rows: hand.settle(*(Finished(row) for row in rows)))

    threads = [threading.Thread(target=work, args=(f"e{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # SKIP LOCKED may let an engine see nothing while another holds the rest, so one more pass ends it.
    work("last")
    assert len(taken) == len(set(taken)) == 120


def test_a_wish_that_joins_a_waiting_job_keeps_engines_away_until_it_is_committed(
    cloud: Cloud, clock: HandClock, hand: Hand
) -> None:
    """Otherwise the engine could run the job before the change that the wish is about is visible to it."""
    job_id = cloud.enqueue("build", 1, key="s1", clock=clock)
    joined, committed = threading.Event(), threading.Event()
    claimed: list[tuple[bool, str]] = []

    def change() -> None:
        with cloud.db.write() as conn:
            assert enqueue(conn, cloud.jobs, "build", 2, subject="s1", key="s1", clock=clock) == job_id
            joined.set()
            claimed_early.wait(0.5)
        committed.set()

    claimed_early = threading.Event()

    def claim() -> None:
        for row in eventually(hand.claim):
            claimed.append((committed.is_set() or cloud.job(job_id).payload == "2", row.payload))
        claimed_early.set()

    changing = threading.Thread(target=change)
    changing.start()
    joined.wait()
    claiming = threading.Thread(target=claim)
    claiming.start()
    changing.join()
    claiming.join()

    assert claimed == [(True, "2")]


def test_many_wishes_of_one_key_at_once_are_one_job(cloud: Cloud) -> None:
    ids: list[str] = []
    problems: list[Exception] = []

    def wish() -> None:
        try:
            for _ in range(10):
                ids.append(cloud.enqueue("build", key="k", run_at=4_000_000_000_000_000))
        except TransactionLost as error:
            problems.append(error)

    threads = [threading.Thread(target=wish) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []
    assert len(ids) == 50
    assert len(set(ids)) == 1
