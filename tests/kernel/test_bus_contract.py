"""What every carrier promises (cumulet.kernel.bus.contract), shown on each of them."""

from __future__ import annotations

import datetime
import os
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cumulet.kernel.bus import Bus, Call, CallTimeout, HostUnreachable, MemoryBus, RemoteError, make_bus
from cumulet.kernel.context import Context, current_request
from tests.kernel.bus_support import Carrier
from tests.kernel.jobs_support import eventually


@pytest.fixture(params=["memory", "local", pytest.param("amqp", marks=pytest.mark.rabbitmq)])
def carrier(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Carrier]:
    if request.param == "memory":
        shared = MemoryBus()
        carrier = Carrier("memory", lambda: shared)
    elif request.param == "local":
        carrier = Carrier("local", lambda: make_bus(None, tmp_path))
    else:
        url = request.getfixturevalue("rabbitmq").transport_url
        carrier = Carrier("amqp", lambda: make_bus(url, tmp_path))
    yield carrier
    carrier.close()


@pytest.fixture
def bus(carrier: Carrier) -> Bus:
    return carrier.bus


@pytest.fixture
def host() -> str:
    """A name of this test's own: brokers keep queues."""
    return f"node-{uuid.uuid4().hex[:8]}.example.org"


def echo(call: Call, **args: Any) -> Any:
    return args


def test_a_call_brings_the_value(carrier: Carrier, bus: Bus, host: str) -> None:
    sent = {
        "none": None,
        "yes": True,
        "int": 2**63,
        "float": 1.5,
        "text": "名 é",
        "bytes": b"\0\xff",
        "list": [1, [2]],
        "map": {"a": {"b": "c"}},
    }
    with carrier.serving(host, {"echo": echo}):
        assert bus.call(host, "echo", sent) == sent
        assert bus.call(host, "echo") == {}


def test_a_time_stays_a_moment(carrier: Carrier, bus: Bus, host: str) -> None:
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.UTC)
    with carrier.serving(host, {"echo": echo}):
        assert bus.call(host, "echo", {"at": moment}) == {"at": moment}


def test_a_megabyte_each_way(carrier: Carrier, bus: Bus, host: str) -> None:
    data = os.urandom(1 << 20)
    with carrier.serving(host, {"echo": echo}):
        assert bus.call(host, "echo", {"data": data})["data"] == data


def test_what_cannot_be_sent_is_refused_at_the_caller(carrier: Carrier, bus: Bus, host: str) -> None:
    with carrier.serving(host, {"echo": echo}):
        for args in ({"x": object()}, {"x": 2**70}):
            with pytest.raises((TypeError, OverflowError)):
                bus.call(host, "echo", args)
        assert bus.call(host, "echo", {"x": 1}) == {"x": 1}


def test_a_value_that_cannot_be_sent_is_a_remote_error(carrier: Carrier, bus: Bus, host: str) -> None:
    with carrier.serving(host, {"bad": lambda call: object()}), pytest.raises(RemoteError, match="bad returned"):
        bus.call(host, "bad")


def test_an_exception_comes_back_by_name_and_text(carrier: Carrier, bus: Bus, host: str) -> None:
    class DiskFull(Exception):
        pass

    def write(call: Call, path: str) -> None:
        raise DiskFull(f"no room for {path}")

    with carrier.serving(host, {"write": write}):
        with pytest.raises(RemoteError) as raised:
            bus.call(host, "write", {"path": "/x"})
        assert (raised.value.type, raised.value.message) == ("DiskFull", "no room for /x")
        with pytest.raises(RemoteError, match="NoSuchMethod"):
            bus.call(host, "erase")
        with pytest.raises(RemoteError, match="TypeError"):
            bus.call(host, "write", {"wrong": 1})


def test_a_host_that_nobody_serves_is_told_at_once(bus: Bus, host: str) -> None:
    before = time.monotonic()
    with pytest.raises(HostUnreachable, match=f"Host {host} cannot be reached: nobody serves it."):
        bus.call(host, "echo", timeout_s=30)
    with pytest.raises(HostUnreachable):
        bus.cast(host, "echo")
    bus.fanout("echo")
    assert time.monotonic() - before < 5


def test_a_host_whose_server_has_stopped_is_unreachable(carrier: Carrier, bus: Bus, host: str) -> None:
    with carrier.serving(host, {"echo": echo}):
        bus.call(host, "echo")
    before = time.monotonic()
    with pytest.raises(HostUnreachable):
        bus.call(host, "echo", timeout_s=30)
    assert time.monotonic() - before < 12


def test_a_call_ends_at_its_deadline(carrier: Carrier, bus: Bus, host: str) -> None:
    release = threading.Event()
    with carrier.serving(host, {"hang": lambda call: release.wait(20)}):
        before = time.monotonic()
        with pytest.raises(CallTimeout, match=f"Host {host} did not answer hang within 0.3 seconds."):
            bus.call(host, "hang", timeout_s=0.3)
        assert 0.25 < time.monotonic() - before < 1.5
        release.set()


def test_the_deadline_travels_with_the_call(carrier: Carrier, bus: Bus, host: str) -> None:
    with carrier.serving(host, {"left": lambda call: call.remaining_s()}):
        assert 6 < bus.call(host, "left", timeout_s=7) <= 7


def test_the_request_travels_with_the_call(carrier: Carrier, bus: Bus, host: str) -> None:
    def who(call: Call) -> list[Any]:
        ctx = call.context()
        mine = current_request.get()
        return [ctx.request_id, ctx.global_request_id, ctx.project_id, ctx.user_id, mine and list(mine), call.host]

    ctx = Context(request_id="req-1", global_request_id="req-2", project_id="p", user_id="u", auth_token="secret")
    with carrier.serving(host, {"who": who}):
        assert bus.call(host, "who", ctx=ctx) == ["req-1", "req-2", "p", "u", ["req-1", "req-2"], host]
        assert bus.call(host, "who") == ["", None, None, None, None, host]
        mark = current_request.set(("req-3", None))
        try:
            assert bus.call(host, "who")[0] == "req-3"
        finally:
            current_request.reset(mark)


def test_a_repeated_call_is_answered_from_memory(carrier: Carrier, bus: Bus, host: str) -> None:
    runs: list[int] = []

    def build(call: Call, fail: bool = False) -> int:
        runs.append(1)
        if fail:
            raise RuntimeError("no")
        return len(runs)

    with carrier.serving(host, {"build": build}):
        assert bus.call(host, "build", call_id="wish-1") == 1
        assert bus.call(host, "build", call_id="wish-1") == 1
        assert carrier.another().call(host, "build", call_id="wish-1") == 1
        assert bus.call(host, "build", call_id="wish-2") == 2
        for _ in range(2):
            with pytest.raises(RemoteError, match="no"):
                bus.call(host, "build", {"fail": True}, call_id="wish-3")
    assert len(runs) == 3


def test_a_call_repeated_while_it_runs_waits_for_the_same_end(carrier: Carrier, bus: Bus, host: str) -> None:
    runs: list[int] = []
    release = threading.Event()

    def build(call: Call) -> int:
        runs.append(1)
        release.wait(20)
        return len(runs)

    with carrier.serving(host, {"build": build}), ThreadPoolExecutor(4) as threads:
        with pytest.raises(CallTimeout):
            bus.call(host, "build", call_id="wish", timeout_s=0.3)
        waiting = [threads.submit(bus.call, host, "build", call_id="wish") for _ in range(4)]
        time.sleep(0.3)
        release.set()
        assert [future.result() for future in waiting] == [1, 1, 1, 1]
    assert runs == [1]


def test_a_cast_arrives_and_does_not_wait(carrier: Carrier, bus: Bus, host: str) -> None:
    release, arrived = threading.Event(), []

    def note(call: Call, value: int) -> None:
        release.wait(20)
        arrived.append((value, call.request_id))
        raise RuntimeError("nobody is told")

    with carrier.serving(host, {"note": note, "echo": echo}):
        bus.cast(host, "note", {"value": 7}, ctx=Context(request_id="req-1"))
        assert bus.call(host, "echo", {"a": 1}) == {"a": 1}
        assert arrived == []
        release.set()
        eventually(lambda: arrived)
        assert bus.call(host, "echo") == {}
    assert arrived == [(7, "req-1")]


def test_a_fanout_reaches_every_host_that_knows_the_method(carrier: Carrier, bus: Bus, host: str) -> None:
    seen: list[tuple[str, int]] = []

    def refresh(call: Call, number: int) -> None:
        seen.append((call.host, number))

    hosts = [f"{host}-{number}" for number in range(3)]
    with (
        carrier.serving(hosts[0], {"refresh": refresh}),
        carrier.serving(hosts[1:], {"refresh": refresh}),
        carrier.serving(f"{host}-other", {"echo": echo}),
    ):
        bus.fanout("refresh", {"number": 5})
        eventually(lambda: len(seen) >= 3)
        time.sleep(0.2)
    assert sorted(seen) == [(name, 5) for name in hosts]


def test_one_server_may_be_several_hosts(carrier: Carrier, bus: Bus, host: str) -> None:
    hosts = [f"{host}-{number}" for number in range(20)]
    with carrier.serving(hosts, {"name": lambda call: call.host}):
        assert [bus.call(name, "name") for name in hosts] == hosts


def test_calls_run_side_by_side(carrier: Carrier, bus: Bus, host: str) -> None:
    together = threading.Barrier(8, timeout=10)

    def meet(call: Call, number: int) -> int:
        together.wait()
        return number

    with carrier.serving(host, {"meet": meet}), ThreadPoolExecutor(8) as threads:
        answers = threads.map(lambda number: bus.call(host, "meet", {"number": number}), range(8))
        assert list(answers) == list(range(8))


def test_a_thousand_calls_from_many_threads_all_get_their_own_answer(carrier: Carrier, bus: Bus, host: str) -> None:
    with carrier.serving(host, {"echo": echo}), ThreadPoolExecutor(12) as threads:
        answers = threads.map(lambda number: bus.call(host, "echo", {"n": number})["n"], range(1000))
        assert list(answers) == list(range(1000))


def test_a_server_that_comes_back_is_reached_again(carrier: Carrier, bus: Bus, host: str) -> None:
    for number in range(3):
        with carrier.serving(host, {"number": lambda call, number=number: number}):
            assert bus.call(host, "number") == number


def test_a_stopping_server_lets_its_methods_finish(carrier: Carrier, bus: Bus, host: str) -> None:
    started = threading.Event()

    def slow(call: Call) -> str:
        started.set()
        time.sleep(0.7)
        return "done"

    with ThreadPoolExecutor(1) as threads:
        with carrier.serving(host, {"slow": slow}):
            answer = threads.submit(bus.call, host, "slow")
            assert started.wait(10)
        assert answer.result(10) == "done"


def test_a_method_that_exits_does_not_end_its_server(carrier: Carrier, bus: Bus, host: str) -> None:
    def leave(call: Call) -> None:
        raise SystemExit(3)

    with carrier.serving(host, {"leave": leave, "echo": echo}):
        with pytest.raises(RemoteError, match="SystemExit"):
            bus.call(host, "leave")
        assert bus.call(host, "echo") == {}
