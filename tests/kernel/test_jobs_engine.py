"""What a running engine does with jobs: run, repeat, give up, tell the resource, and stop in order."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cumulet.kernel.bus import HostUnreachable
from cumulet.kernel.context import Context, current_request
from cumulet.kernel.db import TransactionLost
from cumulet.kernel.engine import Engine, Limits
from cumulet.kernel.jobs import Backoff, GiveUp, Job, JobRegistry, LeaseLost, Retry, microseconds, wake
from tests.kernel.jobs_support import Cloud, eventually

QUICK = Backoff(base_s=0.01, cap_s=0.02)


@pytest.fixture
def cloud(database_url: str) -> Iterator[Cloud]:
    cloud = Cloud(database_url)
    yield cloud
    cloud.close()


def to_error(cloud: Cloud) -> Any:
    def on_failure(job: Job, container: Any, conn: sa.Connection, reason: str) -> None:
        cloud.set_server(conn, job.subject, "ERROR", reason)

    return on_failure


def test_a_job_is_run_with_its_payload_its_request_and_the_container(cloud: Cloud) -> None:
    seen: list[Any] = []

    @cloud.registry.handler("build")
    def build(job: Job, container: Any) -> None:
        seen.append((job.subject, job.payload, container, job.context(), current_request.get(), job.attempts))

    ctx = Context(request_id="req-1", global_request_id="req-2", project_id="p", user_id="u")
    with cloud.engine():
        row = cloud.until_over(cloud.enqueue("build", {"a": 1}, ctx=ctx))

    assert seen == [("s1", {"a": 1}, "container", ctx, ("req-1", "req-2"), 1)]
    assert (row.state, row.last_error, row.due_at) == ("done", None, None)
    assert row.created_at <= row.started_at <= row.finished_at  # type: ignore[operator]


def test_what_fails_is_tried_again_and_may_succeed(cloud: Cloud) -> None:
    @cloud.registry.handler("build", backoff=QUICK)
    def build(job: Job, container: Any) -> None:
        if job.attempts == 1:
            raise HostUnreachable("node1", "nobody serves it")
        if job.attempts == 2:
            raise KeyError("secret detail")

    with cloud.engine():
        row = cloud.until_over(cloud.enqueue("build"))

    assert (row.state, row.attempts, row.last_error) == ("done", 3, None)


def test_after_the_last_attempt_the_resource_is_told_why(cloud: Cloud) -> None:
    cloud.add_server("s1")

    @cloud.registry.handler("build", on_failure=to_error(cloud), backoff=QUICK)
    def build(job: Job, container: Any) -> None:
        raise HostUnreachable("node1", "nobody serves it")

    with cloud.engine():
        row = cloud.until_over(cloud.enqueue("build", max_attempts=2))

    reason = "Tried 2 times. Host node1 cannot be reached: nobody serves it."
    assert (row.state, row.attempts, row.last_error) == ("failed", 2, reason)
    assert cloud.server("s1") == ("ERROR", reason)


def test_an_unexpected_error_is_told_without_its_details(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    @cloud.registry.handler("build")
    def build(job: Job, container: Any) -> None:
        raise KeyError("secret detail")

    with cloud.engine(), caplog.at_level(logging.ERROR):
        row = cloud.until_over(cloud.enqueue("build", max_attempts=1, ctx=Context(request_id="req-1")))

    assert row.last_error == "Tried 1 times. An unexpected KeyError occurred; the log has it under req-1."
    assert "secret detail" in caplog.text


def test_a_handler_that_gives_up_ends_the_job_at_once(cloud: Cloud) -> None:
    cloud.add_server("s1")

    @cloud.registry.handler("build", on_failure=to_error(cloud))
    def build(job: Job, container: Any) -> None:
        raise GiveUp("No valid host was found.")

    with cloud.engine():
        row = cloud.until_over(cloud.enqueue("build"))

    assert (row.state, row.attempts, row.last_error) == ("failed", 1, "No valid host was found.")
    assert cloud.server("s1") == ("ERROR", "No valid host was found.")


def test_waiting_is_no_failure_and_only_the_deadline_ends_it(cloud: Cloud) -> None:
    cloud.add_server("s1")
    runs: list[int] = []

    @cloud.registry.handler("build", on_failure=to_error(cloud))
    def build(job: Job, container: Any) -> None:
        runs.append(job.attempts)
        raise Retry(0.05, "The volume is not there yet.")

    with cloud.engine():
        row = cloud.until_over(cloud.enqueue("build", max_attempts=2, deadline_s=1))

    assert len(runs) > 5
    assert set(runs) == {1}
    assert row.state == "failed"
    assert cloud.server("s1") == ("ERROR", "Not finished within 1 seconds. The volume is not there yet.")
    late_s = (row.finished_at - row.deadline_at) / 1e6  # type: ignore[operator]
    assert 0 <= late_s < 1


def test_a_handler_that_hangs_neither_keeps_the_job_nor_a_worker_nor_may_it_write_later(cloud: Cloud) -> None:
    cloud.add_server("s1")
    released, outcome = threading.Event(), []

    @cloud.registry.handler("build", on_failure=to_error(cloud))
    def build(job: Job, container: Any) -> None:
        released.wait(20)
        with cloud.db.write() as conn:
            cloud.set_server(conn, job.subject, "ACTIVE")
            try:
                job.fence(conn)
            except LeaseLost as lost:
                outcome.append(str(lost))
                raise

    cloud.registry.register("ping", lambda job, container: None)
    with cloud.engine(workers=1):
        job_id = cloud.enqueue("build", deadline_s=0.3)
        row = cloud.until_over(job_id)
        assert row.state == "failed"
        assert cloud.until_over(cloud.enqueue("ping")).state == "done"
        released.set()
        eventually(lambda: outcome)

    assert "its deadline passed" in outcome[0]
    assert cloud.server("s1")[0] == "ERROR"


def test_a_handler_can_end_its_job_in_the_transaction_of_its_last_change(cloud: Cloud) -> None:
    cloud.add_server("s1")

    @cloud.registry.handler("build")
    def build(job: Job, container: Any) -> None:
        with cloud.db.write() as conn:
            cloud.set_server(conn, job.subject, "ACTIVE")
            job.complete(conn)

    with cloud.engine():
        row = cloud.until_over(cloud.enqueue("build"))

    assert row.state == "done"
    assert cloud.server("s1") == ("ACTIVE", None)


def test_a_lost_transaction_is_run_again_within_the_same_attempt(cloud: Cloud) -> None:
    tries: list[int] = []

    @cloud.registry.handler("build")
    def build(job: Job, container: Any) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise TransactionLost("deadlock")

    with cloud.engine():
        row = cloud.until_over(cloud.enqueue("build"))

    assert (row.state, row.attempts, len(tries)) == ("done", 1, 3)


def test_a_resource_that_cannot_be_told_is_told_again_and_then_the_job_still_ends(cloud: Cloud) -> None:
    tries: list[str] = []

    def broken(job: Job, container: Any, conn: sa.Connection, reason: str) -> None:
        tries.append(reason)
        raise RuntimeError

    @cloud.registry.handler("build", on_failure=broken, backoff=QUICK)
    def build(job: Job, container: Any) -> None:
        raise GiveUp("No.")

    with cloud.engine():
        row = cloud.until_over(cloud.enqueue("build", max_attempts=1))

    assert (row.state, row.last_error) == ("failed", "No.")
    assert tries == ["No."] * 4


def test_a_job_of_an_unknown_kind_ends_at_its_deadline(cloud: Cloud) -> None:
    with cloud.engine():
        row = cloud.until_over(cloud.enqueue("no-such-thing", deadline_s=0.2))
    assert (row.state, row.last_error) == ("failed", "Not finished within 0 seconds.")


def test_a_payload_that_cannot_be_read_fails_its_job_only(cloud: Cloud) -> None:
    cloud.registry.register("build", lambda job, container: seen.append(job.payload))
    seen: list[Any] = []
    bad = cloud.enqueue("build", max_attempts=1, run_at=4_000_000_000_000_000, deadline_s=60)
    with cloud.db.write() as conn:
        conn.execute(cloud.jobs.update().where(cloud.jobs.c.id == bad).values(payload="{", due_at=0))
    with cloud.engine():
        assert cloud.until_over(bad).state == "failed"
        assert cloud.until_over(cloud.enqueue("build", "readable")).state == "done"
    assert seen == ["readable"]


def test_a_wake_up_starts_a_job_at_once_and_a_lost_one_costs_a_poll(cloud: Cloud, tmp_path: Path) -> None:
    started: dict[str, float] = {}
    cloud.registry.register("build", lambda job, container: started.setdefault(job.id, time.monotonic()))
    path = tmp_path / ("long-" * 20) / "engine.wake"
    path.parent.mkdir()
    assert len(str(path)) > 108

    with cloud.engine(wake_path=path, poll_s=1.0):
        eventually(path.exists)
        time.sleep(0.3)
        assert path.stat().st_mode & 0o777 == 0o600
        before = time.monotonic()
        job_id = cloud.enqueue("build")
        assert wake(path, "compute")
        cloud.until_over(job_id)
        assert started[job_id] - before < 0.5

        before = time.monotonic()
        job_id = cloud.enqueue("build")
        cloud.until_over(job_id)
        assert started[job_id] - before < 1.5

    assert not path.exists()
    assert not wake(path, "compute"), "nobody is there to be woken, which is no error"


def test_no_more_jobs_run_at_once_than_there_are_workers(cloud: Cloud) -> None:
    lock, running, most = threading.Lock(), [0], [0]

    @cloud.registry.handler("build")
    def build(job: Job, container: Any) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.05)
        with lock:
            running[0] -= 1

    with cloud.engine(workers=3):
        ids = [cloud.enqueue("build") for _ in range(12)]
        assert {cloud.until_over(job_id).state for job_id in ids} == {"done"}

    assert most[0] == 3


def test_a_long_job_keeps_its_lease(cloud: Cloud) -> None:
    runs: list[int] = []

    @cloud.registry.handler("build")
    def build(job: Job, container: Any) -> None:
        runs.append(job.attempts)
        time.sleep(2.0)

    with cloud.engine(lease_s=0.6), cloud.engine(lease_s=0.6):
        row = cloud.until_over(cloud.enqueue("build"))

    assert (row.state, runs) == ("done", [1])


def test_a_job_that_its_handler_ended_is_not_taken_from_it(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    cloud.add_server("s1")
    returned = threading.Event()

    @cloud.registry.handler("build")
    def build(job: Job, container: Any) -> None:
        with cloud.db.write() as conn:
            cloud.set_server(conn, job.subject, "ACTIVE")
            job.complete(conn)
        time.sleep(1.5)  # leases are renewed meanwhile
        returned.set()

    with cloud.engine(lease_s=0.6):
        cloud.until_over(cloud.enqueue("build"))
        assert returned.wait(30)

    assert [record.message for record in caplog.records if "taken from" in record.message] == []


def test_a_stopping_engine_lets_its_jobs_finish(cloud: Cloud) -> None:
    started = threading.Event()

    @cloud.registry.handler("build")
    def build(job: Job, container: Any) -> None:
        started.set()
        time.sleep(0.5)

    with cloud.engine():
        job_id = cloud.enqueue("build")
        started.wait(5)

    assert cloud.job(job_id).state == "done"


def test_a_stopping_engine_gives_back_what_does_not_finish(cloud: Cloud) -> None:
    started, asked = threading.Event(), []

    @cloud.registry.handler("patient")
    def patient(job: Job, container: Any) -> None:
        started.set()
        try:
            job.wait(20)
        except LeaseLost as lost:
            asked.append(str(lost))
            raise

    @cloud.registry.handler("deaf")
    def deaf(job: Job, container: Any) -> None:
        deaf_may_end.wait(20)

    deaf_may_end = threading.Event()
    with cloud.engine(drain_s=0.2):
        jobs = [cloud.enqueue("patient"), cloud.enqueue("deaf", max_attempts=1)]
        started.wait(5)
        eventually(lambda: cloud.job(jobs[1]).state == "running")

    for job_id in jobs:
        row = cloud.job(job_id)
        assert (row.state, row.attempts) == ("queued", 0)
        assert row.due_at is not None
        assert row.due_at <= microseconds(time.time())
    assert "the engine is stopping" in asked[0]
    deaf_may_end.set()


def test_a_periodic_task_is_run_by_one_of_all_engines_each_period(cloud: Cloud) -> None:
    times: list[float] = []
    cloud.registry.periodic("sweep", 0.3, lambda job, container: times.append(time.monotonic()), first_after_s=0)

    with cloud.engine(), cloud.engine(), cloud.engine():
        eventually(lambda: len(times) >= 5)

    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert min(gaps) > 0.15  # half a period: on a busy machine one run is late and the next is not


def test_a_periodic_task_that_fails_or_hangs_comes_back(cloud: Cloud) -> None:
    runs: list[int] = []
    hang = threading.Event()

    def sweep(job: Job, container: Any) -> None:
        runs.append(job.attempts)
        if len(runs) == 1:
            raise RuntimeError
        if len(runs) == 2:
            hang.wait(20)

    cloud.registry.periodic("sweep", 0.2, sweep, first_after_s=0, timeout_s=0.3)
    with cloud.engine():
        eventually(lambda: len(runs) >= 4)
        eventually(lambda: cloud.job("periodic:sweep").attempts <= 1)
    hang.set()
    assert runs[:4] == [1, 2, 3, 1]


def test_a_shorter_period_holds_from_the_next_start(cloud: Cloud) -> None:
    runs: list[int] = []
    cloud.registry.periodic("sweep", 3600, lambda job, container: runs.append(1), first_after_s=3000)
    with cloud.engine():
        eventually(lambda: cloud.find("periodic:sweep"))

    cloud.registry = JobRegistry()
    cloud.registry.periodic("sweep", 0.1, lambda job, container: runs.append(1))
    with cloud.engine():
        eventually(lambda: runs)


def test_old_jobs_are_purged_by_the_engine_itself(cloud: Cloud) -> None:
    cloud.registry.register("build", lambda job, container: None)
    with cloud.engine():
        job_id = cloud.enqueue("build")
        cloud.until_over(job_id)
        with cloud.db.write() as conn:
            conn.execute(cloud.jobs.update().where(cloud.jobs.c.id == job_id).values(finished_at=1))
            conn.execute(cloud.jobs.update().where(cloud.jobs.c.id == "periodic:purge-jobs").values(due_at=0))
        eventually(lambda: cloud.find(job_id) is None)


def test_an_engine_outlives_an_absence_of_its_database(cloud: Cloud) -> None:
    done = threading.Event()
    cloud.registry.register("build", lambda job, container: done.set())
    original = cloud.db.write
    broken = threading.Event()

    def write() -> Any:
        if broken.is_set():
            raise sa.exc.OperationalError("", {}, Exception("the server has gone away"))
        return original()

    cloud.db.write = write  # type: ignore[method-assign]
    with cloud.engine():
        job_id = cloud.enqueue("build")
        assert done.wait(5)
        cloud.until_over(job_id)
        done.clear()
        job_id = cloud.enqueue("build", run_at=microseconds(time.time() + 0.2))
        broken.set()
        assert not done.wait(1)
        broken.clear()
        assert done.wait(5)
        cloud.until_over(job_id)


def test_a_flood_of_one_service_does_not_hold_up_another(cloud: Cloud, database_urls: Any) -> None:
    other = Cloud(database_urls("other"))
    block = threading.Event()
    cloud.registry.register("build", lambda job, container: block.wait(20))
    other.registry.register("plug", lambda job, container: None)
    for _ in range(5):
        cloud.enqueue("build")
    services = [
        ("compute", cloud.db, cloud.jobs, cloud.registry, None),
        ("network", other.db, other.jobs, other.registry, None),
    ]
    engine = Engine(services, limits=Limits(workers=2, poll_s=0.05))
    stop = threading.Event()
    thread = threading.Thread(target=engine.run, args=(stop,))
    thread.start()
    try:
        eventually(lambda: engine.counts()["compute"].running == 2)
        assert other.until_over(other.enqueue("plug")).state == "done"
    finally:
        block.set()
        stop.set()
        thread.join(20)
        other.close()
    assert engine.counts()["network"].settled >= 1


def test_two_handlers_of_one_kind_or_two_services_of_one_name_are_a_mistake(cloud: Cloud) -> None:
    cloud.registry.register("build", lambda job, container: None)
    with pytest.raises(ValueError, match="build"):
        cloud.registry.register("build", lambda job, container: None)
    service = ("compute", cloud.db, cloud.jobs, cloud.registry, None)
    with pytest.raises(ValueError, match="compute"):
        Engine([service, service])
