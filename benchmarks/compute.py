"""Compute on simulated hosts: servers booted a second, and what lists and single servers cost.

    .venv/bin/python -m benchmarks.compute [--hosts 100,1000,10000] [--servers 300] [--list 1000] [--rows 10000]
        [--rounds 50]

Compute, Placement, the engine and the hosts (a fleet, as `cumulet simulate` has it) are the real ones, in one process;
Network and Image are those of the tests. One line of JSON a figure: `cpu_ms` is this process's processor time of a
request, `least_cpu_ms` that of the least disturbed one, `wall_ms` the median a client waits. `--rows`: so many servers
are in the table when lists are measured, most of them copies of those that were booted. SQLite does not wait for the
disk.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.compute.support import IMAGE_ID, NETWORK_ID, Cloud

from cumulet.compute.tables import servers
from cumulet.kernel.ids import uuid_id
from cumulet.simulator.fleet import Fleet, names_of
from cumulet.simulator.reporting import Reporter

_UNLIMITED = "[DEFAULT]\nservice_down_time = 36000\n[quota]\ninstances = -1\ncores = -1\nram = -1\n"
_POLL_S = 0.05
_MOST_S = 1200.0
_WEIGH = """
import sys, tempfile, threading
import cumulet.kernel.bus.local_server
from cumulet.kernel.bus import LocalBus
from cumulet.simulator.fleet import Fleet, names_of
from cumulet.simulator.process import resident_kb
count = int(sys.argv[1])
with tempfile.TemporaryDirectory() as folder:
    bus, stop, ready = LocalBus(folder), threading.Event(), threading.Event()
    before = resident_kb()
    fleet = Fleet(names_of(count, "sim-"))
    names, methods = list(fleet.hypervisors), fleet.methods(bus)
    server = threading.Thread(target=bus.serve, args=(names, methods, stop), kwargs={"ready": ready})
    server.start()
    ready.wait()
    print((resident_kb() - before) / count)
    stop.set()
    server.join()
"""


def report(name: str, **figures: float) -> None:
    print(json.dumps({"name": name, **figures}), flush=True)


def measure(name: str, rounds: int, work: Callable[[], None]) -> None:
    cpu, wall = [], []
    for _ in range(rounds):
        started, started_cpu = time.perf_counter(), time.process_time()
        work()
        cpu.append((time.process_time() - started_cpu) * 1e3)
        wall.append((time.perf_counter() - started) * 1e3)
    figures = {"cpu_ms": statistics.median(cpu), "least_cpu_ms": min(cpu), "wall_ms": statistics.median(wall)}
    report(name, **{key: round(value, 3) for key, value in figures.items()}, rounds=rounds)


def _memory_kb(hosts: int) -> float:
    """Of each, served on the bus, in a process of its own: here what others gave back would be used again."""
    done = subprocess.run([sys.executable, "-c", _WEIGH, str(hosts)], capture_output=True, text=True, check=True)
    return round(float(done.stdout), 2)


class Bench:
    def __init__(self, state: Path) -> None:
        self.cloud = Cloud(state, lambda name: f"sqlite:///{state}/{name}.sqlite", _UNLIMITED)
        self.stop = threading.Event()
        self.threads: list[threading.Thread] = []

    def add_hosts(self, count: int) -> None:
        """A fleet whose hosts Compute and Placement know."""
        report("memory of a simulated host", hosts=count, kb=_memory_kb(count))
        fleet = Fleet(names_of(count, "host-"))
        bus = self.cloud.bus
        reporter = Reporter(bus, fleet, kinds=["compute"])
        names = list(fleet.hypervisors)
        self._start(bus.serve, names, fleet.methods(bus), self.stop)
        started, started_cpu = time.perf_counter(), time.process_time()
        self._start(reporter.run, self.stop)
        self.cloud.until(lambda: reporter.entered == count, _MOST_S)
        seconds, cpu = time.perf_counter() - started, time.process_time() - started_cpu
        each = {"per_second": round(count / seconds, 1), "cpu_ms_each": round(cpu * 1e3 / count, 2)}
        report("hosts entered", hosts=count, seconds=round(seconds, 2), **each)

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        thread.start()
        self.threads.append(thread)

    def live(self, hosts: int, seconds: float = 10.0) -> None:
        """What beats and reports cost while nothing happens."""
        started = time.process_time()
        time.sleep(seconds)
        cpu = (time.process_time() - started) / seconds
        report("hosts that live, both ends", hosts=hosts, cpu_percent=round(cpu * 100, 1))

    def fill(self, count: int) -> None:
        """Have so many servers in the table."""
        with self.cloud.service.db.read() as connection:
            known = [dict(row) for row in connection.execute(sa.select(servers)).mappings()]
        more = [
            {**row, "id": uuid_id(), "number": 10_000_000 + index, "created_at": row["created_at"] - index}
            for index, row in zip(range(count - len(known)), itertools.cycle(known), strict=False)
        ]
        for start in range(0, len(more), 1000):
            with self.cloud.service.db.write() as connection:
                connection.execute(sa.insert(servers), more[start : start + 1000])

    def boot(self, count: int, at_once: int) -> None:
        """Ask for servers in requests of `at_once`, with a port each, and wait until the last one is ACTIVE."""
        cloud = self.cloud
        flavor = cloud.flavor(ram=128, vcpus=1, disk=1)
        body: dict[str, Any] = {"name": "bench", "imageRef": IMAGE_ID, "flavorRef": flavor}
        body |= {"networks": [{"uuid": NETWORK_ID}], "min_count": at_once, "max_count": at_once}
        active = self._count("active")
        started, started_cpu = time.perf_counter(), time.process_time()
        for _ in range(count // at_once):
            cloud.json("POST", "/v2.1/servers", json={"server": body}, status=202)
        while self._count("active") - active < count:
            if time.perf_counter() - started > _MOST_S:
                raise TimeoutError(f"{count} servers are not there after {_MOST_S} s")
            time.sleep(_POLL_S)
        seconds, cpu = time.perf_counter() - started, time.process_time() - started_cpu
        each = {"per_second": round(count / seconds, 1), "cpu_ms_each": round(cpu * 1e3 / count, 2)}
        report(f"boot {count} servers, {at_once} a request", **each)

    def _count(self, vm_state: str) -> int:
        with self.cloud.service.db.read() as connection:
            query = sa.select(sa.func.count()).select_from(servers).where(servers.c.vm_state == vm_state)
            return int(connection.execute(query).scalar_one())

    def get(self, path: str) -> None:
        answer = self.cloud.call("GET", path)
        assert answer.status == 200, answer.body

    def read(self, size: int, rounds: int) -> None:
        with self.cloud.service.db.read() as connection:
            ids = connection.execute(sa.select(servers.c.id).limit(100)).scalars().all()
        for name, path in (
            (f"list {size} servers in detail", f"/v2.1/servers/detail?limit={size}"),
            (f"list {size} servers", f"/v2.1/servers?limit={size}"),
            ("list 20 servers of a page", "/v2.1/servers/detail?limit=20"),
            ("list flavors", "/v2.1/flavors/detail"),
        ):
            self.get(path)
            measure(name, rounds, functools.partial(self.get, path))
        each = itertools.cycle(ids)
        show = lambda: self.get(f"/v2.1/servers/{next(each)}")  # noqa: E731
        show()
        measure("show a server", rounds * 4, show)
        started = time.process_time()
        for _ in range(rounds * 20):
            show()
        report("show servers", per_cpu_second=round(rounds * 20 / (time.process_time() - started)))

    def close(self) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(timeout=20)
        self.cloud.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", default="100,1000,10000")
    parser.add_argument("--servers", type=int, default=300)
    parser.add_argument("--list", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=50)
    given = parser.parse_args()
    for hosts in map(int, given.hosts.split(",")):
        with tempfile.TemporaryDirectory() as state:
            bench = Bench(Path(state))
            bench.add_hosts(hosts)
            bench.cloud.start_engine()
            bench.boot(given.servers, 1)
            bench.boot(given.servers, 50)
            bench.live(hosts)
            bench.fill(given.rows)
            bench.read(given.list, given.rounds)
            bench.close()


if __name__ == "__main__":
    main()
