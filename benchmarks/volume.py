"""Time of Volume's requests, through the real WSGI application, with an engine and a simulated back end in the process.

    .venv/bin/python -m benchmarks.volume [--volumes 1000] [--database URL] [--creations 10] [--rounds 30]

The database must be empty; without `--database` it is an SQLite file in a temporary directory, written durably. One
line of JSON a figure: `wall_ms` is the median of what a client waits, `worst_ms` the longest, `cpu_ms` this process's
processor time of a request, `per_second` how many one client gets in a second.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.volume.support import PROJECT, Cloud

PREPARED = 1000


def measure(what: str, rounds: int, ask: Callable[[], Any]) -> None:
    walls = []
    before, start_all = time.process_time(), time.perf_counter()
    for _ in range(rounds):
        start = time.perf_counter()
        ask()
        walls.append(time.perf_counter() - start)
    line = {
        "what": what,
        "requests": rounds,
        "wall_ms": round(statistics.median(walls) * 1e3, 2),
        "worst_ms": round(max(walls) * 1e3, 2),
        "cpu_ms": round((time.process_time() - before) / rounds * 1e3, 2),
        "per_second": round(rounds / (time.perf_counter() - start_all), 1),
    }
    print(json.dumps(line), flush=True)


def fill(cloud: Cloud, number: int) -> list[str]:
    """That many volumes, all available."""
    made = [cloud.create(name=f"volume-{each}", metadata={"purpose": "bench"})["id"] for each in range(number)]

    def done() -> bool:
        answer = cloud.json("GET", "/volumes?status=creating&limit=1")
        return not answer["volumes"]

    cloud.until(done, seconds=600)
    return made


def run(cloud: Cloud, volumes: int, creations: int, rounds: int) -> None:
    unlimited = {"quota_set": dict.fromkeys(("volumes", "gigabytes"), -1)}
    cloud.json("PUT", f"/os-quota-sets/{PROJECT}", "admin", json=unlimited)
    measure("POST /volumes (answer)", creations, lambda: cloud.create(name="one"))
    measure("POST /volumes (until available)", creations, lambda: cloud.available(name="one"))
    left = max(0, volumes - 2 * creations)
    ids = fill(cloud, left)
    measure(f"GET /volumes/detail ({volumes:,})", rounds, lambda: cloud.json("GET", "/volumes/detail"))
    measure(f"GET /volumes ({volumes:,})", rounds, lambda: cloud.json("GET", "/volumes"))
    measure("GET /volumes/{id}", rounds, lambda: cloud.json("GET", f"/volumes/{ids[-1]}"))
    measure(
        f"GET /volumes/detail?metadata=… ({volumes:,})",
        rounds,
        lambda: cloud.json("GET", "/volumes/detail?limit=10&metadata=%7B'purpose':'bench'%7D"),
    )
    measure(f"POST /volumes (answer, beside {volumes:,})", creations, lambda: cloud.create(name="one"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--volumes", type=int, default=PREPARED)
    parser.add_argument("--creations", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--database")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as state:
        url = given.database or f"sqlite:///{state}/volume.sqlite"
        cloud = Cloud(Path(state), lambda name: url, durable=True)
        cloud.add_host("node1", total_gb=1_000_000)
        cloud.start_engine()
        try:
            run(cloud, given.volumes, given.creations, given.rounds)
        finally:
            cloud.close()


if __name__ == "__main__":
    main()
