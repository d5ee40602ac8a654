"""How fast jobs and the bus are. Run from the repository: `python -m benchmarks.jobs [--help]`.

Prints one JSON object a line: {"what", "value", "unit", ...}. Runs on a durable SQLite file unless told otherwise,
in one process, so figures contain both sides of everything.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cumulet.kernel.bus import Bus, MemoryBus, make_bus
from cumulet.kernel.db import Database, run_again
from cumulet.kernel.engine import Engine
from cumulet.kernel.jobs import Job, JobRegistry, enqueue, jobs_table, wake


def report(what: str, value: float, unit: str, **more: Any) -> None:
    print(json.dumps({"what": what, "value": round(value, 3), "unit": unit, **more}), flush=True)


class Bench:
    """A database with jobs, and the means to run an engine on it."""

    def __init__(self, url: str, directory: Path, workers: int) -> None:
        metadata = sa.MetaData()
        self.table = jobs_table(metadata)
        self.db = Database(url)
        metadata.drop_all(self.db.engine)
        metadata.create_all(self.db.engine)
        self.registry = JobRegistry()
        self.wake_path = directory / "wake"
        self._workers = workers

    @contextmanager
    def engine(self) -> Iterator[Engine]:
        stop = threading.Event()
        service = ("bench", self.db, self.table, self.registry, None)
        engine = Engine([service], workers=self._workers, wake_path=self.wake_path)
        thread = threading.Thread(target=engine.run, args=(stop,))
        thread.start()
        try:
            yield engine
        finally:
            stop.set()
            thread.join()

    def enqueue(self, kind: str, count: int = 1) -> None:
        def write() -> None:
            with self.db.write() as conn:
                for _ in range(count):
                    enqueue(conn, self.table, kind, {"server": "s"}, subject="s")

        run_again(write)


def rate(what: str, count: int, work: Callable[[], Any]) -> None:
    cpu, start = time.process_time(), time.perf_counter()
    work()
    took, used = time.perf_counter() - start, time.process_time() - cpu
    report(what, count / took, "per second", cpu_us_each=round(used / count * 1e6))


def jobs(bench: Bench, count: int) -> None:
    backend = bench.db.backend
    rate(f"{backend}: enqueue, each in its transaction", count, lambda: [bench.enqueue("count") for _ in range(count)])
    rate(
        f"{backend}: enqueue, 50 a transaction", count, lambda: [bench.enqueue("count", 50) for _ in range(count // 50)]
    )
    seen, all_done = [0], threading.Event()
    total = count + count // 50 * 50
    started: dict[str, float] = {}

    def run(job: Job, container: Any) -> None:
        seen[0] += 1  # two threads may meet here, so the end is looked up in the table below
        if seen[0] >= total - 16:
            all_done.set()

    bench.registry.register("count", run)
    bench.registry.register("latency", lambda job, container: started.setdefault(job.id, time.perf_counter()))
    open_jobs = sa.select(sa.func.count()).where(bench.table.c.due_at.is_not(None), bench.table.c.kind == "count")

    def drain() -> None:
        all_done.wait(600)
        while True:
            with bench.db.read() as conn:
                if not conn.execute(open_jobs).scalar():
                    return
            time.sleep(0.002)

    def from_backlog() -> None:
        with bench.engine():
            drain()

    rate(f"{backend}: claim, run and finish from a backlog", total, from_backlog)
    with bench.engine():
        time.sleep(0.5)
        latency(bench, started)
        cpu = time.process_time()
        time.sleep(5)
        report(f"{backend}: an idle service", (time.process_time() - cpu) / 5 * 1000, "ms of CPU a second")


def latency(bench: Bench, started: dict[str, float]) -> None:
    """From the moment before the transaction that writes a job to the first line of its handler."""
    measured: list[float] = []
    for _ in range(200):
        started.clear()
        before = time.perf_counter()
        bench.enqueue("latency")
        wake(bench.wake_path, "bench")
        while not started:
            time.sleep(0.0001)
        measured.append((next(iter(started.values())) - before) * 1000)
        time.sleep(0.005)
    spread(f"{bench.db.backend}: enqueue until its handler starts, with wake-up", measured, "ms")


def spread(what: str, values: list[float], unit: str) -> None:
    values.sort()
    high = values[int(len(values) * 0.99) - 1]
    report(what, statistics.median(values), unit, p99=round(high, 3))


def calls(name: str, client: Bus, server: Bus, count: int) -> None:
    stop, ready = threading.Event(), threading.Event()
    methods = {"echo": lambda call, **args: args}
    serving = threading.Thread(target=server.serve, args=("bench", methods, stop), kwargs={"ready": ready})
    serving.start()
    ready.wait(60)
    args = {"server": {"id": "x" * 36, "flavor": {"ram": 512, "vcpus": 1}, "tags": ["a", "b"]}}
    for _ in range(50):
        client.call("bench", "echo", args)
    measured = []
    for _ in range(count):
        before = time.perf_counter()
        client.call("bench", "echo", args)
        measured.append((time.perf_counter() - before) * 1000)
    spread(f"{name}: call round trip", measured, "ms")
    with ThreadPoolExecutor(8) as threads:
        work = lambda: list(threads.map(lambda _: client.call("bench", "echo", args), range(count)))  # noqa: E731
        rate(f"{name}: calls from 8 threads", count, work)
    stop.set()
    serving.join()
    client.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", help="SQLAlchemy URL of an EMPTY database; a temporary SQLite file by default")
    parser.add_argument("--transport-url", help="also measure RabbitMQ there")
    parser.add_argument("--rabbitmq", action="store_true", help="start a RabbitMQ of its own and measure that")
    parser.add_argument("--jobs", type=int, default=4000)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=8)
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="cumulet-bench-"))
    try:
        url = options.database or f"sqlite:///{directory}/jobs.sqlite"
        jobs(Bench(url, directory, options.workers), options.jobs)
        memory = MemoryBus()
        calls("memory", memory, memory, options.calls)
        calls("local", make_bus(None, directory), make_bus(None, directory), options.calls)
        if options.transport_url:
            over_amqp(options.transport_url, directory, options.calls)
        if options.rabbitmq:
            from tests.brokers import RabbitMq

            broker = RabbitMq()
            try:
                over_amqp(broker.transport_url, directory, options.calls)
            finally:
                broker.stop()
    finally:
        shutil.rmtree(directory)


def over_amqp(url: str, directory: Path, count: int) -> None:
    server = make_bus(url, directory)
    calls("rabbitmq", make_bus(url, directory), server, count)
    server.close()


if __name__ == "__main__":
    main()
