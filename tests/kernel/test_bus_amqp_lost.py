"""Servers that die with what they have taken, over a real broker: each is a process of its own, killed at once."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cumulet.kernel.bus import HostUnreachable
from cumulet.kernel.bus.amqp_signs import SILENT_S
from tests.brokers import RabbitMq
from tests.kernel.bus_support import Carrier, over_amqp
from tests.kernel.jobs_support import eventually

pytestmark = pytest.mark.rabbitmq

SERVER = """
import sys, threading, time
from pathlib import Path
from cumulet.kernel.bus.amqp import AmqpBus

url, host, begun, seconds = sys.argv[1:]

def build(call):
    with Path(begun).open("a") as file:
        file.write(call.id + "\\n")
    time.sleep(float(seconds))
    return "built"

AmqpBus(url).serve(host, {"build": build}, threading.Event())
"""


@pytest.fixture
def carrier(rabbitmq: RabbitMq) -> Iterator[Carrier]:
    with over_amqp(rabbitmq.transport_url) as carrier:
        yield carrier


@contextlib.contextmanager
def server(broker: RabbitMq, host: str, begun: Path, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    argv = [sys.executable, "-c", SERVER, broker.transport_url, host, str(begun), str(seconds)]
    process = subprocess.Popen(argv)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def runs(begun: Path) -> list[str]:
    return begun.read_text().split() if begun.exists() else []


def build(carrier: Carrier, host: str, call_id: str) -> object:
    """Once the server is there."""
    for _ in range(300):
        with contextlib.suppress(HostUnreachable):
            return carrier.bus.call(host, "build", timeout_s=240, call_id=call_id)
        time.sleep(0.2)
    raise AssertionError("no server came")


def test_a_successor_is_asked_for_what_its_predecessor_died_of(
    carrier: Carrier, rabbitmq: RabbitMq, tmp_path: Path
) -> None:
    host, begun = f"node-{uuid.uuid4().hex[:8]}", tmp_path / "begun"
    with ThreadPoolExecutor(1) as threads:
        with server(rabbitmq, host, begun, 600):
            asked = threads.submit(build, carrier, host, f"{host}-build")
            assert eventually(lambda: runs(begun), 60)
        with server(rabbitmq, host, begun, 0):
            killed_at = time.monotonic()
            assert asked.result(240) == "built"
    assert runs(begun) == [f"{host}-build"] * 2
    assert time.monotonic() - killed_at < 60, "well before the call's own time"


def test_a_long_method_is_not_asked_for_again(carrier: Carrier, rabbitmq: RabbitMq, tmp_path: Path) -> None:
    """A second server of the same name would run it beside the first."""
    host, begun = f"node-{uuid.uuid4().hex[:8]}", tmp_path / "begun"
    with server(rabbitmq, host, begun, SILENT_S + 4), server(rabbitmq, host, begun, SILENT_S + 4):
        assert build(carrier, host, f"{host}-build") == "built"
    assert runs(begun) == [f"{host}-build"]


def test_what_waits_in_the_broker_is_sent_once(carrier: Carrier, rabbitmq: RabbitMq, tmp_path: Path) -> None:
    """More calls than a server takes at a time wait longer than a caller bears silence, and none is there twice."""
    host, begun = f"node-{uuid.uuid4().hex[:8]}", tmp_path / "begun"
    ids = [f"{host}-{n}" for n in range(40)]  # 16 at a time, and 16 more are handed out beforehand
    with server(rabbitmq, host, begun, SILENT_S / 2 + 1), ThreadPoolExecutor(len(ids)) as threads:
        assert list(threads.map(lambda call_id: build(carrier, host, call_id), ids)) == ["built"] * len(ids)
    assert sorted(runs(begun)) == sorted(ids)
