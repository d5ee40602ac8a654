"""CPU and time of Placement's requests, through the real WSGI application, beside another Placement's.

    .venv/bin/python -m benchmarks.placement [--providers 1000,10000] [--database URL] [--rounds 300]
        [--peer http://127.0.0.1:8778 --peer-token TOKEN]

The database must be empty; without `--database` it is an SQLite file in a temporary directory, written durably. One
line of JSON a figure: `cpu_ms` is this process's processor time of a request, `wall_ms` the median a client waits.
With a database server `cpu_ms` leaves out the server's share. `--peer` sends the same requests to another Placement
over HTTP (`peer_wall_ms`); it must have no providers, and ours are deleted from it at the end.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import urllib3
from tests.placement.support import Api, make_placement

VERSION = "placement 1.36"
CANDIDATES = "/allocation_candidates?resources=VCPU:1,MEMORY_MB:512,DISK_GB:5&limit="
INVENTORIES = {
    "resource_provider_generation": 0,
    "inventories": {
        "VCPU": {"total": 64, "allocation_ratio": 16.0},
        "MEMORY_MB": {"total": 262144, "reserved": 512},
        "DISK_GB": {"total": 4000},
    },
}
WRITERS, TARGETS = 32, 10

Ask = Callable[[str, str, Any], int]
"""Method, path, body to status."""


def ours(api: Api) -> Ask:
    return lambda method, path, body: api.request(method, path, json=body).status


def peers(url: str, token: str) -> Ask:
    pool = urllib3.PoolManager()
    headers = {"X-Auth-Token": token, "OpenStack-API-Version": VERSION, "Content-Type": "application/json"}

    def ask(method: str, path: str, body: Any) -> int:
        data = None if body is None else json.dumps(body).encode()
        return pool.request(method, url + path, headers=headers, body=data).status

    return ask


class Requests:
    """The requests to measure, the same for everybody."""

    def __init__(self) -> None:
        self.providers: list[str] = []
        self.offered = 0
        self.consumers: list[str] = []

    def create(self, number: int) -> tuple[str, str, Any]:
        self.providers.append(str(uuid.uuid4()))
        return "POST", "/resource_providers", {"name": f"bench-{self.providers[-1]}", "uuid": self.providers[-1]}

    def offer(self, number: int) -> tuple[str, str, Any]:
        self.offered += 1
        return "PUT", f"/resource_providers/{self.providers[self.offered - 1]}/inventories", INVENTORIES

    def search(self, number: int) -> tuple[str, str, Any]:
        return "GET", f"{CANDIDATES}1000", None

    def search_one(self, number: int) -> tuple[str, str, Any]:
        return "GET", f"{CANDIDATES}1", None

    def show(self, number: int) -> tuple[str, str, Any]:
        return "GET", f"/resource_providers/{self.providers[number % len(self.providers)]}", None

    def allocate(self, number: int) -> tuple[str, str, Any]:
        self.consumers.append(str(uuid.uuid4()))
        provider = self.providers[number % len(self.providers)]
        return (
            "PUT",
            f"/allocations/{self.consumers[-1]}",
            claim({provider: {"VCPU": 1, "MEMORY_MB": 64, "DISK_GB": 1}}),
        )

    def release(self, number: int) -> tuple[str, str, Any]:
        return "DELETE", f"/allocations/{self.consumers.pop()}", None

    def remove(self, number: int) -> tuple[str, str, Any]:
        return "DELETE", f"/resource_providers/{self.providers.pop()}", None


def claim(amounts: dict[str, dict[str, int]]) -> dict[str, Any]:
    return {
        "allocations": {provider: {"resources": resources} for provider, resources in amounts.items()},
        "project_id": "project",
        "user_id": "user",
        "consumer_generation": None,
    }


def measure(ask: Ask, rounds: int, request: Callable[[int], tuple[str, str, Any]]) -> dict[str, float]:
    walls = []
    before = time.process_time()
    for number in range(rounds):
        method, path, body = request(number)
        start = time.perf_counter()
        status = ask(method, path, body)
        walls.append(time.perf_counter() - start)
        if status >= 300:
            raise SystemExit(f"{method} {path} was answered with {status}")
    cpu = (time.process_time() - before) / rounds
    return {"cpu_ms": round(cpu * 1e3, 3), "wall_ms": round(statistics.median(walls) * 1e3, 3)}


def run(asks: dict[str, Ask], counts: list[int], rounds: int) -> None:
    """Every request at every number of providers, by everybody in turn."""
    requests = {who: Requests() for who in asks}

    def figure(what: str, times: int, verb: Callable[[Requests, int], tuple[str, str, Any]]) -> None:
        line: dict[str, Any] = {"what": what, "requests": times}
        for who, ask in asks.items():
            found = measure(ask, times, partial(verb, requests[who]))
            line |= found if who == "ours" else {"peer_wall_ms": found["wall_ms"]}
        print(json.dumps(line), flush=True)

    made = 0
    for count in counts:
        more, of = count - made, f"({count:,} providers)"
        figure(f"POST /resource_providers ({made:,} to {count:,})", more, Requests.create)
        figure(f"PUT …/inventories ({made:,} to {count:,})", more, Requests.offer)
        figure(f"GET /allocation_candidates limit=1000 {of}", rounds // 3, Requests.search)
        figure(f"GET /allocation_candidates limit=1 {of}", rounds // 3, Requests.search_one)
        figure(f"PUT /allocations/{{c}} {of}", rounds, Requests.allocate)
        figure(f"GET /resource_providers/{{u}} {of}", rounds, Requests.show)
        figure(f"DELETE /allocations/{{c}} {of}", rounds, Requests.release)
        made = count
    figure("DELETE /resource_providers/{u}", made, Requests.remove)


def hammer(api: Api, rounds: int) -> None:
    """Allocations by 32 threads over 10 providers that have room for half of them; then what was granted is counted."""
    ask = ours(api)
    targets = [str(uuid.uuid4()) for _ in range(TARGETS)]
    room = WRITERS * rounds // (2 * TARGETS)
    for target in targets:
        ask("POST", "/resource_providers", {"name": f"bench-{target}", "uuid": target})
        inventories = {"resource_provider_generation": 0, "inventories": {"VCPU": {"total": room}}}
        ask("PUT", f"/resource_providers/{target}/inventories", inventories)
    answers: Counter[int] = Counter()

    def write(number: int) -> None:
        for one in range(rounds):
            body = claim({targets[(number + one) % TARGETS]: {"VCPU": 1}})
            answers[ask("PUT", f"/allocations/{uuid.uuid4()}", body)] += 1

    threads = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    used = [api.get(f"/resource_providers/{target}/usages").json()["usages"]["VCPU"] for target in targets]
    print(
        json.dumps(
            {
                "what": f"PUT /allocations/{{c}}, {WRITERS} threads over {TARGETS} providers",
                "per_second": round(WRITERS * rounds / seconds),
                "granted": answers[204],
                "refused": answers[409],
                "used": sum(used),
                "over_committed": sum(one > room for one in used),
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--providers", default="1000,10000", help="numbers of providers, rising")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--database")
    parser.add_argument("--peer")
    parser.add_argument("--peer-token", default="")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as state:
        placement = make_placement(Path(state), given.database, durable=True)
        api = Api(placement, version=VERSION)
        asks: dict[str, Ask] = {"ours": ours(api)}
        if given.peer:
            asks["peer"] = peers(given.peer.rstrip("/"), given.peer_token)
        run(asks, [int(count) for count in given.providers.split(",")], given.rounds)
        hammer(api, given.rounds // 3)
        placement.db.close()


if __name__ == "__main__":
    main()
