"""Requests at a steady concurrency against any HTTP service, from processes of their own, and what they cost it."""

from __future__ import annotations

import http.client
import multiprocessing
import os
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PROCESSES = 2
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Request:
    """`body` is JSON text. `{n}` in path and body becomes a number of the request's own."""

    method: str
    url: str
    body: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    expect: tuple[int, ...] = (200, 201, 202, 204)


@dataclass(frozen=True)
class Measure:
    """One load: latencies in ms, rate a second, the server's processor time a request in ms (None: not known)."""

    count: int
    rate: float
    median_ms: float | None
    worst_ms: float | None
    errors: int
    cpu_ms: float | None

    @classmethod
    def of(cls, count: int, elapsed: float, cpu: float | None) -> Measure:
        """Something done `count` times in so many seconds, at a cost of `cpu` seconds."""
        return cls(count, count / elapsed, None, None, 0, None if cpu is None else max(0.0, cpu) * 1000 / count)

    def shown(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "rate": round(self.rate, 1),
            "median_ms": None if self.median_ms is None else round(self.median_ms, 2),
            "p99_ms": None if self.worst_ms is None else round(self.worst_ms, 2),
            "errors": self.errors,
            "cpu_ms": None if self.cpu_ms is None else round(self.cpu_ms, 3),
        }


def measure(
    request: Request, token: str, *, clients: int, seconds: float, pids: Sequence[int], idle: float = 0.0
) -> Measure:
    """Send the request from `clients` connections for so long, from each at least once.

    `pids`: the server's processes, whose children count too. `idle`: cores that they use without any request.
    """
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    shares = [clients // PROCESSES + (index < clients % PROCESSES) for index in range(PROCESSES)]
    workers = [
        context.Process(target=_work, args=(request, token, share, seconds, index, results.put))
        for index, share in enumerate(shares)
        if share
    ]
    before, started = cpu_of(pids), time.monotonic()
    for worker in workers:
        worker.start()
    collected = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    elapsed, spent = time.monotonic() - started, cpu_of(pids) - before
    spent = max(0.0, spent - idle * elapsed)
    latencies = sorted(latency for found, _ in collected for latency in found)
    errors = sum(failed for _, failed in collected)
    if not latencies:
        raise RuntimeError(f"{request.method} {request.url}: no request succeeded, {errors} failed")
    return Measure(
        count=len(latencies),
        rate=len(latencies) / elapsed,
        median_ms=statistics.median(latencies),
        worst_ms=latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))],
        errors=errors,
        cpu_ms=spent * 1000 / (len(latencies) + errors) if pids else None,
    )


def _work(request: Request, token: str, threads: int, seconds: float, number: int, give: Callable[[Any], None]) -> None:
    latencies: list[float] = []
    errors: list[int] = []
    until = time.monotonic() + seconds
    running = [
        threading.Thread(target=_client, args=(request, token, until, f"{number}x{index}", latencies, errors))
        for index in range(threads)
    ]
    for one in running:
        one.start()
    for one in running:
        one.join()
    give((latencies, len(errors)))


def _client(request: Request, token: str, until: float, name: str, latencies: list[float], errors: list[int]) -> None:
    parts = urlsplit(request.url)
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = make(parts.hostname or "", parts.port, timeout=120)
    headers = {"X-Auth-Token": token, "Accept": "application/json", **dict(request.headers)}
    if request.body is not None:
        headers["Content-Type"] = "application/json"
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    stamp = f"{os.getpid()}x{name}x"
    count = 0
    while count == 0 or time.monotonic() < until:
        count += 1
        mine = f"{stamp}{count}"
        body = None if request.body is None else request.body.replace("{n}", mine)
        started = time.perf_counter()
        try:
            connection.request(request.method, path.replace("{n}", mine), body, headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            errors.append(0)
            continue
        if answer.status in request.expect:
            latencies.append((time.perf_counter() - started) * 1000)
        else:
            errors.append(answer.status)


def cpu_of(pids: Sequence[int]) -> float:
    """Seconds of processor time that these processes and all below them have used."""
    if not pids:
        return 0.0
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text()
        except OSError:
            continue
        fields = text[text.rindex(")") + 2 :].split()
        parents[int(entry.name)] = int(fields[1])
        used[int(entry.name)] = sum(map(int, fields[11:15])) / _TICK
    total = 0.0
    for pid, seconds in used.items():
        above = pid
        while above and above not in pids:
            above = parents.get(above, 0)
        total += seconds if above else 0.0
    return total
