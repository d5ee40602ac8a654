"""CPU and time of the Image service's requests, through the real WSGI application and the real HTTP server.

    .venv/bin/python -m benchmarks.image [--images 1000] [--rounds 300] [--database URL] [--megabytes 256]
        [--sparse 4096] [--state DIRECTORY] [--peer http://127.0.0.1:9292 --peer-token TOKEN [--peer-pid PID]]

The database must be empty; without `--database` it is an SQLite file, written durably. `--state` is where images are
kept (a temporary directory otherwise): the disk decides over uploads. One line of JSON a figure: `cpu_ms` is processor
time of a request, `wall_ms` the median a client waits, `cpu_s` processor time of a transfer, `rss_mb` the most memory
the server held. `--peer` sends the same requests to another Image service (`peer_…`), whose processor time of transfers
is told with the PID of its parent process.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import itertools
import json
import os
import signal
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.load import cpu_of
from tests.image.process import serving
from tests.image.support import Images

OCTETS = {"Content-Type": "application/octet-stream"}
BODY = {
    "disk_format": "raw",
    "container_format": "bare",
    "visibility": "private",
    "min_disk": 1,
    "os_distro": "debian",
    "hw_disk_bus": "virtio",
    "tags": ["bench", "nightly"],
}
Ask = Callable[[str, str, Any], tuple[int, bytes]]
"""Method, path, body to status and answer."""


class Peer:
    """Another Image service, over one connection."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self.address = (parts.hostname or "", parts.port or 9292)
        self.token = token
        self._connection = http.client.HTTPConnection(*self.address)

    def ask(self, method: str, path: str, body: Any) -> tuple[int, bytes]:
        data = None if body is None else json.dumps(body)
        headers = {"X-Auth-Token": self.token, "Content-Type": "application/json"}
        self._connection.request(method, path, data, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()


def measure(ask: Ask, rounds: int, request: Callable[[int], tuple[str, str, Any]]) -> dict[str, float]:
    walls, status = [], 0
    before = time.process_time()
    for number in range(rounds):
        asked = request(number)
        start = time.perf_counter()
        status, _ = ask(*asked)
        walls.append(time.perf_counter() - start)
        if status >= 300:
            raise SystemExit(f"{asked} was answered with {status}")
    cpu = (time.process_time() - before) / rounds
    return {"cpu_ms": round(cpu * 1e3, 3), "wall_ms": round(statistics.median(walls) * 1e3, 3)}


def tell(what: str, **figures: float) -> None:
    print(json.dumps({"what": what} | figures), flush=True)


def records(asks: dict[str, Ask], count: int, rounds: int) -> None:
    """The same requests about images without data, asked of everybody in turn."""
    ids: dict[str, list[str]] = {who: [] for who in asks}

    def figure(what: str, times: int, request: Callable[[str, int], tuple[str, str, Any]]) -> None:
        line: dict[str, float] = {"requests": times}
        for who, ask in asks.items():

            def asked(number: int, who: str = who) -> tuple[str, str, Any]:
                return request(who, number)

            found = measure(ask, times, asked)
            line |= found if who == "ours" else {"peer_wall_ms": found["wall_ms"]}
        tell(what, **line)

    figure("POST /v2/images", count, lambda who, number: ("POST", "/v2/images", BODY | {"name": f"b-{number:05}"}))
    for who, ask in asks.items():
        path: str | None = "/v2/images?limit=1000"
        while path:
            page = json.loads(ask("GET", path, None)[1])
            ids[who] += [image["id"] for image in page["images"]]
            path = page.get("next")
    few = max(rounds // 10, 5)
    figure("GET /v2/images?limit=1000", few, lambda who, number: ("GET", "/v2/images?limit=1000", None))
    figure("GET /v2/images?limit=25", rounds, lambda who, number: ("GET", "/v2/images?limit=25", None))
    figure("GET /v2/images?limit=1 of a property", rounds, _one_of_a_property)
    figure("GET /v2/images/{id}", rounds, lambda who, number: ("GET", f"/v2/images/{ids[who][number % count]}", None))
    figure("DELETE /v2/images/{id}", count, lambda who, number: ("DELETE", f"/v2/images/{ids[who][number]}", None))


def _one_of_a_property(who: str, number: int) -> tuple[str, str, Any]:
    return "GET", "/v2/images?limit=1&os_distro=debian&sort=name:asc", None


class Transfers:
    """Uploads and downloads over a socket, with the processor time and memory of the process that serves them."""

    def __init__(self, address: tuple[str, int], token: str, pid: int | None) -> None:
        self._address = address
        self._token = token
        self._pid = pid

    def ask(self, method: str, path: str, body: Any = None) -> bytes:
        connection = http.client.HTTPConnection(*self._address)
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"X-Auth-Token": self._token, "Content-Type": "application/json"})
        answer = connection.getresponse()
        given = answer.read()
        assert answer.status < 300, given
        return given

    def create(self) -> str:
        image: str = json.loads(self.ask("POST", "/v2/images", BODY))["id"]
        return image

    def upload(self, image: str, pieces: Iterable[bytes], size: int) -> dict[str, float]:
        with self._measured(size) as figures:
            connection = socket.create_connection(self._address)
            head = f"PUT /v2/images/{image}/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {self._token}\r\n"
            head += f"Content-Type: application/octet-stream\r\nContent-Length: {size}\r\n\r\n"
            connection.sendall(head.encode())
            for piece in pieces:
                connection.sendall(piece)
            answer = connection.recv(1000)
            connection.close()
            assert b" 204 " in answer, answer
        return figures.found

    def download(self, image: str, size: int) -> dict[str, float]:
        buffer = bytearray(1 << 20)
        with self._measured(size) as figures:
            connection = http.client.HTTPConnection(*self._address)
            connection.request("GET", f"/v2/images/{image}/file", headers={"X-Auth-Token": self._token})
            answer = connection.getresponse()
            count = 0
            while got := answer.readinto(buffer):
                count += got
            connection.close()
            assert (answer.status, count) == (200, size), (answer.status, count)
        return figures.found

    def _measured(self, size: int) -> Figures:
        return Figures(self._pid, size)


class Figures:
    def __init__(self, pid: int | None, size: int) -> None:
        self._pid = pid
        self._size = size
        self.found: dict[str, float] = {}

    def __enter__(self) -> Figures:
        self._cpu = _cpu_s(self._pid)
        self._most = 0.0
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()
        self._start = time.perf_counter()
        return self

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            self._most = max(self._most, _resident_mb(self._pid))

    def __exit__(self, *error: object) -> None:
        wall = time.perf_counter() - self._start
        self._ended.set()
        self._watcher.join()
        self.found = {"mb_per_s": round(self._size / wall / 1e6), "seconds": round(wall, 3)}
        if self._pid is not None:
            self.found |= {"cpu_s": round(_cpu_s(self._pid) - self._cpu, 2), "rss_mb": round(self._most)}


def _cpu_s(pid: int | None) -> float:
    """Of a process and its children."""
    return 0.0 if pid is None else cpu_of((pid,))


def _resident_mb(pid: int | None) -> float:
    if pid is None:
        return 0.0
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def transfers(sides: dict[str, Transfers], megabytes: int, times: int) -> None:
    """Everybody in turn, so that what else the machine does hits all alike; then the best and the median of each."""
    size = megabytes << 20
    blocks = [os.urandom(1 << 20) for _ in range(min(megabytes, 32))]
    found: dict[tuple[str, str], list[dict[str, float]]] = {}

    def note(what: str, who: str, figures: dict[str, float]) -> None:
        tell(f"{who}: {what} file, {megabytes} MiB", **figures)
        found.setdefault((what, who), []).append(figures)

    for _ in range(times):
        for who, side in sides.items():
            image = side.create()
            note("PUT", who, side.upload(image, itertools.islice(itertools.cycle(blocks), megabytes), size))
            for _ in range(2):
                note("GET", who, side.download(image, size))
            side.ask("DELETE", f"/v2/images/{image}")
    for (what, who), rounds in found.items():
        rates = [each["mb_per_s"] for each in rounds]
        summary = {"best_mb_per_s": max(rates), "median_mb_per_s": round(statistics.median(rates))}
        if "cpu_s" in rounds[0]:
            summary["least_cpu_ms_per_mib"] = round(min(each["cpu_s"] for each in rounds) / megabytes * 1e3, 2)
        tell(f"{who}: {what} file, {len(rounds)} times", **summary)
    tell("for comparison: both hashes of that, one after the other", seconds=_hashing_s(blocks[0], megabytes))


def _hashing_s(block: bytes, megabytes: int) -> float:
    digests = (hashlib.md5(usedforsecurity=False), hashlib.sha512())
    start = time.perf_counter()
    for _ in range(megabytes):
        for digest in digests:
            digest.update(block)
    return round(time.perf_counter() - start, 3)


def zeros(megabytes: int) -> Iterator[bytes]:
    block = bytes(1 << 20)
    for _ in range(megabytes):
        yield block


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--database")
    parser.add_argument("--megabytes", type=int, default=256)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--sparse", type=int, default=0, help="megabytes of zeros to send and fetch")
    parser.add_argument("--state", type=Path)
    parser.add_argument("--peer")
    parser.add_argument("--peer-token", default="")
    parser.add_argument("--peer-pid", type=int)
    given = parser.parse_args()
    peer = Peer(given.peer, given.peer_token) if given.peer else None
    with tempfile.TemporaryDirectory(dir=given.state) as directory:
        state = Path(directory)
        if given.images:
            images = Images(given.database or f"sqlite:///{state / 'image.sqlite'}", state, durable=True)

            def ours(method: str, path: str, body: Any) -> tuple[int, bytes]:
                answer = images.client.request(method, path, token="member", json=body)
                return answer.status, answer.body

            records({"ours": ours} | ({"peer": peer.ask} if peer else {}), given.images, given.rounds)
            images.close()
        with serving(state / "served", "[file]\nfilesystem_thin_provisioning = true\n") as (port, pid):
            side = Transfers(("127.0.0.1", port), "member", pid)
            sides = {"ours": side} | ({"peer": Transfers(peer.address, peer.token, given.peer_pid)} if peer else {})
            if given.megabytes:
                transfers(sides, given.megabytes, given.times)
            if given.sparse:
                image = side.create()
                tell(
                    f"PUT file, {given.sparse} MiB of zeros",
                    **side.upload(image, zeros(given.sparse), given.sparse << 20),
                )
                tell(f"GET file, {given.sparse} MiB of zeros", **side.download(image, given.sparse << 20))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: exit(1))
    main()
