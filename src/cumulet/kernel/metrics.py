"""Prometheus metrics of every process of a cloud, added up by prometheus_client's multiprocess files.

`PROMETHEUS_MULTIPROC_DIR` must be set before this is imported (the supervisor does); without it a process counts alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
    values,
)

_REQUESTS = Counter(
    "cumulet_http_requests_total", "Answers by service, method and status", ["service", "method", "status"]
)
_SECONDS = Histogram(
    "cumulet_http_request_seconds",
    "Time to answer",
    ["service"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)


_slot = ""


def identify(slot: str) -> None:
    """Call it in a process after its fork: counts go to the files of `slot`, so one that takes a dead one's place
    goes on counting where that one was."""
    global _slot
    _slot = slot
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        values.ValueClass = values.MultiProcessValue(lambda: _slot)


def request_observer(service: str) -> Callable[[str, int, float], None]:
    """What a service calls after every answer: method, status, seconds."""
    seconds = _SECONDS.labels(service)
    children: dict[tuple[str, int], Counter] = {}

    def observe(method: str, status: int, elapsed: float) -> None:
        child = children.get((method, status))
        if child is None:
            child = children[method, status] = _REQUESTS.labels(service, method, str(status))
        child.inc()
        seconds.observe(elapsed)

    return observe


def exposition() -> tuple[str, bytes]:
    """Content type and text of `/metrics`."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
        return CONTENT_TYPE_LATEST, generate_latest(registry)
    return CONTENT_TYPE_LATEST, generate_latest(REGISTRY)
