"""CPU and time of Network's requests: through the real WSGI application, over HTTP with many clients, beside another's.

    .venv/bin/python -m benchmarks.network [--ports 100,1000,10000,100000] [--database URL] [--rounds 300]
        [--clients 1,32 [--seconds 5]] [--peer http://127.0.0.1:9696 --peer-token TOKEN]

The database must be empty; without `--database` it is an SQLite file in a temporary directory, written durably.
One line of JSON a figure: `cpu_ms` is this process's processor time of a request, `wall_ms` the median a client waits.
With a database server `cpu_ms` leaves out the server's share. Lists are asked at every number of ports;
`cpu_us_per_row` is to stay the same.

`--clients` starts a simulated cloud besides and asks it over HTTP; there `cpu_ms` is that of the cloud's processes.
With `--peer` the same requests go to another Network service (`peer_…`), whose processor time is not known here; what
was made there is deleted at the end.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from tests.network.support import Api, make_network
from tests.system.cloud import a_cloud

from cumulet.network.service import Network
from cumulet.network.tables import ports

UNLIMITED = "[quotas]\nquota_port = -1\nquota_security_group = -1\nquota_security_group_rule = -1\n"
LISTED = 1000
GROUPS = 10
Ask = Callable[[str, str, Any], tuple[int, bytes]]
"""Method, path, body to status and answer."""
Request = tuple[str, str, Any]


def ours(api: Api) -> Ask:
    def ask(method: str, path: str, body: Any) -> tuple[int, bytes]:
        answer = api.client.request(method, path, json=body)
        return answer.status, answer.body

    return ask


def over_http(url: str, token: str) -> Ask:
    """One connection, kept."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=300)
    headers = {"X-Auth-Token": token, "Content-Type": "application/json"}

    def ask(method: str, path: str, body: Any) -> tuple[int, bytes]:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    return ask


class Requests:
    """The requests to measure, the same for everybody, on a network of their own."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._numbers = itertools.count(1)
        self.network = self._make("network", {"name": "bench"})
        subnet = {"network_id": self.network, "ip_version": 4, "cidr": "10.128.0.0/14", "enable_dhcp": False}
        self._make("subnet", subnet)
        self.groups = [self._make("security_group", {"name": f"bench-{number}"}) for number in range(GROUPS)]
        self.port = self._make("port", {"network_id": self.network, "name": "bench-first"})

    def _make(self, noun: str, attributes: dict[str, Any]) -> str:
        body = json.loads(self.ask("POST", f"/v2.0/{noun.replace('_', '-')}s", {noun: attributes}))
        return str(body[noun]["id"])

    def ask(self, method: str, path: str, body: Any = None) -> bytes:
        status, answer = self._ask(method, path, body)
        if status >= 300:
            raise SystemExit(f"{method} {path} was answered with {status}: {answer!r}")
        return answer

    def create_port(self) -> Request:
        return "POST", "/v2.0/ports", {"port": {"network_id": self.network, "name": f"bench-{next(self._numbers)}"}}

    def create_rule(self) -> Request:
        number = next(self._numbers)
        rule = {
            "security_group_id": self.groups[number % GROUPS],
            "direction": "ingress",
            "protocol": "tcp",
            "port_range_min": 1 + number // GROUPS % 65_000,
            "port_range_max": 1 + number // GROUPS % 65_000,
            "remote_ip_prefix": f"10.{number // 650_000}.0.0/16",
        }
        return "POST", "/v2.0/security-group-rules", {"security_group_rule": rule}

    def show(self) -> Request:
        return "GET", f"/v2.0/ports/{self.port}", None

    def list_all(self) -> Request:
        return "GET", f"/v2.0/ports?network_id={self.network}", None

    def list_page(self) -> Request:
        return "GET", f"/v2.0/ports?network_id={self.network}&limit=100", None

    def fill(self, count: int) -> None:
        """Ports by the API until there are so many."""
        there = len(json.loads(self.ask(*self.list_all()))["ports"])
        for _ in range(count - there):
            self.ask(*self.create_port())

    def remove(self) -> None:
        for port in json.loads(self.ask(*self.list_all()))["ports"]:
            self.ask("DELETE", f"/v2.0/ports/{port['id']}")
        for group in self.groups:
            self.ask("DELETE", f"/v2.0/security-groups/{group}")
        self.ask("DELETE", f"/v2.0/networks/{self.network}")


def measure(requests: Requests, times: int, request: Callable[[], Request]) -> dict[str, float]:
    walls = []
    before = time.process_time()
    for _ in range(times):
        asked = request()
        start = time.perf_counter()
        requests.ask(*asked)
        walls.append(time.perf_counter() - start)
    cpu = (time.process_time() - before) / times
    return {"cpu_ms": round(cpu * 1e3, 3), "wall_ms": round(statistics.median(walls) * 1e3, 3)}


def tell(what: str, **figures: float) -> None:
    print(json.dumps({"what": what} | figures), flush=True)


def beside(asks: dict[str, Requests], rounds: int) -> None:
    """Every request by everybody in turn."""

    def figure(what: str, times: int, verb: Callable[[Requests], Request]) -> None:
        line: dict[str, float] = {"requests": times}
        for who, requests in asks.items():
            found = measure(requests, times, lambda requests=requests: verb(requests))  # type: ignore[misc]
            line |= found if who == "ours" else {"peer_wall_ms": found["wall_ms"]}
        tell(what, **line)

    figure("POST /v2.0/ports", rounds, Requests.create_port)
    figure("POST /v2.0/security-group-rules", rounds, Requests.create_rule)
    figure("GET /v2.0/ports/{id}", rounds, Requests.show)
    for requests in asks.values():
        requests.fill(LISTED)
    figure(f"GET /v2.0/ports ({LISTED:,})", max(rounds // 30, 3), Requests.list_all)


def growing(network: Network, requests: Requests, counts: list[int], rounds: int) -> None:
    """Lists as the cloud fills: each row's share of the time is to stay the same, and that of a page."""
    for count in counts:
        _copy_ports(network, requests, count)
        there = len(json.loads(requests.ask(*requests.list_all()))["ports"])
        whole = measure(requests, max(3, min(rounds, 30_000 // there)), requests.list_all)
        per_row = {f"{unit}_us_per_row": round(whole[f"{unit}_ms"] * 1e3 / there, 2) for unit in ("cpu", "wall")}
        tell(f"GET /v2.0/ports ({there:,})", **whole, **per_row)
        tell(f"GET /v2.0/ports?limit=100 ({there:,})", **measure(requests, rounds // 3, requests.list_page))
        tell(f"POST /v2.0/ports ({there:,})", **measure(requests, rounds // 3, requests.create_port))


def _copy_ports(network: Network, requests: Requests, count: int) -> None:
    """Rows like that of the first port, without their addresses' allocations, which lists do not read."""
    with network.db.write() as connection:
        mine = ports.c.network_id == requests.network
        there = connection.execute(sa.select(sa.func.count()).select_from(ports).where(mine)).scalar_one()
        first = connection.execute(sa.select(ports).where(ports.c.id == requests.port)).one()._mapping
        for start in range(there, count, 1000):
            copies = [
                {**first, "id": str(uuid.uuid4()), "name": f"copy-{number}", "mac_address": f"copy-{number}"}
                for number in range(start, min(count, start + 1000))
            ]
            connection.execute(sa.insert(ports), copies)


def cpu_of(root: int) -> float:
    """Seconds of processor time of a process and all below it (proc(5))."""
    parents, used = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended since
            parents[int(entry.name)] = int(fields[1])
            used[int(entry.name)] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    total = 0.0
    for pid in used:
        above = pid
        while above and above != root:
            above = parents.get(above, 0)
        total += used[pid] if above else 0.0
    return total


def crowd(url: str, token: str, pid: int, clients: int, seconds: float, request: Callable[[], Request]) -> Any:
    """So many clients that ask as fast as they are answered."""
    walls: list[float] = []
    end = time.perf_counter() + seconds

    def ask_on() -> None:
        ask = over_http(url, token)
        while time.perf_counter() < end:
            asked = request()
            start = time.perf_counter()
            status, answer = ask(*asked)
            walls.append(time.perf_counter() - start)
            if status >= 300:
                raise SystemExit(f"{asked} was answered with {status}: {answer!r}")

    threads = [threading.Thread(target=ask_on) for _ in range(clients)]
    cpu, begun = cpu_of(pid), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    passed, spent = time.perf_counter() - begun, cpu_of(pid) - cpu
    return {
        "requests": len(walls),
        "per_second": round(len(walls) / passed, 1),
        "p50_ms": round(statistics.median(walls) * 1e3, 2),
        "p99_ms": round(statistics.quantiles(walls, n=100)[98] * 1e3, 2),
        "cpu_ms": round(spent / len(walls) * 1e3, 3),
    }


def crowds(clients: list[int], seconds: float) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "neutron.conf"
        file.write_text(UNLIMITED)
        options = ("--simulate", "--services", "identity,network", "--config-file", f"neutron={file}")
        with a_cloud(Path(directory) / "cloud", *options) as cloud:
            cloud.up()
            url, token, pid = cloud.url("network"), cloud.login(), cloud.pid("supervisor")
            requests = Requests(over_http(url, token))
            verbs = {
                "POST /v2.0/ports": requests.create_port,
                "POST /v2.0/security-group-rules": requests.create_rule,
                "GET /v2.0/ports/{id}": requests.show,
            }
            for what, verb in verbs.items():
                for number in clients:
                    tell(f"{what}, {number} clients", **crowd(url, token, pid, number, seconds, verb))
            requests = Requests(over_http(url, token))
            requests.fill(LISTED)
            for number in clients:
                found = crowd(url, token, pid, number, seconds, requests.list_all)
                tell(f"GET /v2.0/ports ({LISTED:,}), {number} clients", **found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ports", default="100,1000,10000,100000", help="numbers of ports, rising")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--database")
    parser.add_argument("--clients", default="", help="numbers of clients of a cloud over HTTP")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--peer")
    parser.add_argument("--peer-token", default="")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as state:
        network = make_network(given.database or f"sqlite:///{state}/network.sqlite", Path(state), UNLIMITED)
        mine = Requests(ours(Api(network, "admin")))
        asks = {"ours": mine}
        if given.peer:
            asks["peer"] = Requests(over_http(given.peer.rstrip("/"), given.peer_token))
        beside(asks, given.rounds)
        if "peer" in asks:
            asks["peer"].remove()
        growing(network, mine, [int(count) for count in given.ports.split(",") if count], given.rounds)
        network.db.close()
    if given.clients:
        crowds([int(number) for number in given.clients.split(",")], given.seconds)


if __name__ == "__main__":
    main()
