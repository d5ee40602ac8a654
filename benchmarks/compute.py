"""Compute on simulated hosts: servers booted a second, and what lists and single servers cost.

    .venv/bin/python -m benchmarks.compute [--hosts 100,1000] [--servers 300] [--list 1000] [--rounds 50]

Compute, Placement, the engine and the hosts' agents are the real ones, in one process; Network and Image are those of
the tests. One line of JSON a figure: `cpu_ms` is this process's processor time of a request, `wall_ms` the median a
client waits. SQLite does not wait for the disk.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.compute.support import IMAGE_ID, NETWORK_ID, Cloud

from cumulet.agents.compute.agent import Agent
from cumulet.compute.tables import servers
from cumulet.simulator.compute import SimulatedHypervisor

_UNLIMITED = "[DEFAULT]\nservice_down_time = 36000\n[quota]\ninstances = -1\ncores = -1\nram = -1\n"
_POLL_S = 0.05
_MOST_S = 600.0


def report(name: str, **figures: float) -> None:
    print(json.dumps({"name": name, **figures}), flush=True)


def measure(name: str, rounds: int, work: Callable[[], None]) -> None:
    cpu, wall = [], []
    for _ in range(rounds):
        started, started_cpu = time.perf_counter(), time.process_time()
        work()
        cpu.append((time.process_time() - started_cpu) * 1e3)
        wall.append((time.perf_counter() - started) * 1e3)
    report(name, cpu_ms=round(statistics.median(cpu), 3), wall_ms=round(statistics.median(wall), 3), rounds=rounds)


def resident_kb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


class Bench:
    def __init__(self, state: Path) -> None:
        self.cloud = Cloud(state, lambda name: f"sqlite:///{state}/{name}.sqlite", _UNLIMITED)
        self.stop = threading.Event()
        self.thread: threading.Thread | None = None

    def add_hosts(self, count: int) -> None:
        """Hosts of one agent, all of them reported."""
        before = resident_kb()
        drivers = {f"host-{number:05d}": SimulatedHypervisor() for number in range(count)}
        agent = Agent(self.cloud.bus, drivers, report_s=3600.0)
        self.thread = threading.Thread(target=agent.run, args=(self.stop,), daemon=True)
        started = time.perf_counter()
        self.thread.start()
        last = list(drivers)[-1]
        self.cloud.until(lambda: self.cloud._is_known(last), _MOST_S)
        seconds = time.perf_counter() - started
        report("hosts reported", hosts=count, seconds=round(seconds, 2), per_second=round(count / seconds, 1))
        report("memory of a simulated host", kb=round((resident_kb() - before) / count, 1))

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
        measure("show a server", rounds * 4, lambda: self.get(f"/v2.1/servers/{next(each)}"))

    def close(self) -> None:
        self.stop.set()
        if self.thread is not None:
            self.thread.join(timeout=20)
        self.cloud.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", default="100")
    parser.add_argument("--servers", type=int, default=300)
    parser.add_argument("--list", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=50)
    given = parser.parse_args()
    for hosts in map(int, given.hosts.split(",")):
        with tempfile.TemporaryDirectory() as state:
            bench = Bench(Path(state))
            bench.add_hosts(hosts)
            bench.cloud.start_engine()
            bench.boot(given.servers, 1)
            bench.boot(max(given.list, given.servers), 50)
            bench.read(given.list, given.rounds)
            bench.close()


if __name__ == "__main__":
    main()
