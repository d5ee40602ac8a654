"""Engines that are really killed in the middle of a job."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cumulet.kernel.jobs import Job, backlog
from cumulet.kernel.jobs.owner import LeaseOwner
from tests.kernel.jobs_support import Cloud, eventually

ENGINE = """
import sys, time
from tests.kernel.jobs_support import Cloud
cloud = Cloud(sys.argv[1])
def build(job, container):
    with cloud.db.write() as conn:
        cloud.set_server(conn, job.subject, "half")
    print("started", job.attempts, flush=True)
    time.sleep(600)
cloud.registry.register("build", build)
with cloud.engine(lease_s=float(sys.argv[2])):
    time.sleep(600)
"""


@pytest.fixture
def cloud(database_url: str) -> Iterator[Cloud]:
    cloud = Cloud(database_url)
    yield cloud
    cloud.close()


def kill_an_engine_that_runs_a_job(url: str, lease_s: float) -> None:
    root = str(Path(__file__).parents[2])
    victim = subprocess.Popen(
        [sys.executable, "-c", ENGINE, url, str(lease_s)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": root},
    )
    try:
        assert victim.stdout is not None
        assert victim.stdout.readline() == "started 1\n"
    finally:
        victim.send_signal(signal.SIGKILL)
        victim.wait()


def finish(cloud: Cloud) -> list[int]:
    attempts: list[int] = []

    @cloud.registry.handler("build")
    def build(job: Job, container: Any) -> None:
        with cloud.db.write() as conn:
            cloud.set_server(conn, job.subject, "ACTIVE")
            job.complete(conn)
        attempts.append(job.attempts)

    return attempts


def test_another_engine_goes_on_when_the_lease_of_a_killed_one_has_run_out(cloud: Cloud, database_url: str) -> None:
    cloud.add_server("s1")
    attempts = finish(cloud)
    job_id = cloud.enqueue("build")
    kill_an_engine_that_runs_a_job(database_url, lease_s=2)
    assert cloud.job(job_id).state == "running"
    assert cloud.server("s1") == ("half", None)
    # Seen from another machine, so that nothing but the lease tells that its holder is dead.
    holder = cloud.job(job_id).lease_owner
    assert holder is not None
    with cloud.db.write() as conn:
        elsewhere = holder.replace("/", "/other.", 1)
        conn.execute(cloud.jobs.update().where(cloud.jobs.c.id == job_id).values(lease_owner=elsewhere))
    before = time.monotonic()
    with cloud.engine():
        row = cloud.until_over(job_id)

    assert time.monotonic() - before > 0.5
    assert (row.state, row.attempts, attempts) == ("done", 2, [2])
    assert cloud.server("s1") == ("ACTIVE", None)


def test_an_engine_that_starts_again_on_the_same_machine_does_not_wait_for_the_lease(
    cloud: Cloud, database_url: str
) -> None:
    cloud.add_server("s1")
    attempts = finish(cloud)
    job_id = cloud.enqueue("build")
    kill_an_engine_that_runs_a_job(database_url, lease_s=600)

    before = time.monotonic()
    with cloud.engine():
        row = cloud.until_over(job_id)

    assert time.monotonic() - before < 5
    assert (row.state, attempts) == ("done", [2])


def test_a_job_that_kills_its_engine_each_time_ends_and_tells_why(cloud: Cloud, database_url: str) -> None:
    cloud.add_server("s1")
    job_id = cloud.enqueue("build", max_attempts=1)
    kill_an_engine_that_runs_a_job(database_url, lease_s=600)

    finish(cloud)
    with cloud.engine():
        row = cloud.until_over(job_id)

    assert (row.state, row.last_error) == ("failed", "The engine stopped 1 times while it worked on this.")


STORM = """
import sys, time
from tests.kernel.jobs_support import Cloud
cloud = Cloud(sys.argv[1])
def build(job, container):
    time.sleep(0.002)
    with cloud.db.write() as conn:
        c = cloud.servers.c
        conn.execute(cloud.servers.update().where(c.id == job.subject).values(status=c.status.concat("x")))
        job.complete(conn)
cloud.registry.register("build", build)
with cloud.engine(lease_s=1, workers=4):
    print("up", flush=True)
    time.sleep(600)
"""


def test_every_job_is_done_exactly_once_while_engines_are_killed(cloud: Cloud, database_url: str) -> None:
    root = str(Path(__file__).parents[2])

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", STORM, database_url]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)

    def open_jobs() -> int:
        with cloud.db.read() as conn:
            return backlog(conn, cloud.jobs).open

    for number in range(1200):
        cloud.add_server(f"s{number}", "")
        cloud.enqueue("build", subject=f"s{number}", max_attempts=1000)
    engines = [start(), start()]
    kills = 0
    try:
        while open_jobs() and kills < 8:
            victim = engines.pop(0)
            assert victim.stdout is not None
            assert victim.stdout.readline() == "up\n"
            time.sleep(random.uniform(0.02, 0.4))
            victim.kill()
            victim.wait()
            kills += 1
            engines.append(start())
        eventually(lambda: not open_jobs(), timeout_s=60)
    finally:
        for engine in engines:
            engine.kill()
            engine.wait()

    with cloud.db.read() as conn:
        statuses = conn.execute(sa.select(cloud.servers.c.status)).scalars().all()
        states = conn.execute(sa.select(cloud.jobs.c.state).where(cloud.jobs.c.kind == "build")).scalars().all()
    assert kills > 1
    assert set(states) == {"done"}
    assert set(statuses) == {"x"}


def test_only_the_dead_on_this_machine_are_known_to_be_dead() -> None:
    owner = LeaseOwner()
    mine = owner.token()
    assert owner.token() != mine
    assert not owner.is_dead(mine)

    head, _hash, tail = mine.partition("#")
    host, machine, _ = head.rsplit("/", 2)
    assert owner.is_dead(f"{host}/{machine}/4194304.5#{tail}"), "no such process"
    assert owner.is_dead(f"{host}/{machine}/{os.getpid()}.1#{tail}"), "another process of that number"
    assert not owner.is_dead(f"{host}/other/4194304.5#{tail}")
    for strange in ("", "#", "a/b", f"{host}/{machine}/x#1"):
        assert not owner.is_dead(strange)
