"""The carrier of many machines: a broker that is killed, absent, or set up otherwise than expected."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cumulet.kernel.bus import Call, HostUnreachable, make_bus
from cumulet.kernel.bus.amqp import AmqpBus
from tests.brokers import RabbitMq
from tests.daemons import free_port
from tests.kernel.bus_support import Carrier, over_amqp
from tests.kernel.jobs_support import eventually

pytestmark = pytest.mark.rabbitmq


@pytest.fixture
def carrier(rabbitmq: RabbitMq) -> Iterator[Carrier]:
    with over_amqp(rabbitmq.transport_url) as carrier:
        yield carrier


@pytest.fixture
def host() -> str:
    return f"node-{uuid.uuid4().hex[:8]}"


def echo(call: Call, **args: Any) -> Any:
    return args


def connection_to(broker: RabbitMq) -> Any:
    from kombu import Connection

    return Connection(hostname="127.0.0.1", port=broker.port, userid="cumulet", password="se%cr/et", virtual_host="/")


def test_calls_survive_the_death_of_the_broker(carrier: Carrier, rabbitmq: RabbitMq, host: str) -> None:
    runs: list[str] = []
    started = threading.Event()

    def slow(call: Call) -> str:
        runs.append(call.id)
        started.set()
        time.sleep(3)
        return "done"

    with carrier.serving(host, {"slow": slow, "echo": echo}), ThreadPoolExecutor(3) as threads:
        assert carrier.bus.call(host, "echo", {"a": 1}) == {"a": 1}
        during = threads.submit(carrier.bus.call, host, "slow", timeout_s=120, call_id=f"during-{host}")
        assert started.wait(10)
        rabbitmq.kill()
        without = threads.submit(carrier.bus.call, host, "echo", {"b": 2}, timeout_s=120)
        time.sleep(4)
        rabbitmq.start()

        assert during.result(150) == "done"
        assert without.result(150) == {"b": 2}
        assert carrier.bus.call(host, "echo", {"c": 3}) == {"c": 3}
        carrier.bus.cast(host, "echo")
    assert runs == [f"during-{host}"], "run once, though it was sent twice"


def test_a_fanout_arrives_after_the_broker_was_back(carrier: Carrier, rabbitmq: RabbitMq, host: str) -> None:
    seen: list[int] = []
    with carrier.serving(host, {"refresh": lambda call, number: seen.append(number)}):
        carrier.bus.fanout("refresh", {"number": 1})
        eventually(lambda: seen == [1])
        time.sleep(1.5)  # until RabbitMQ has written down who holds the new queue; the test above goes without
        rabbitmq.kill()
        rabbitmq.start()
        carrier.bus.fanout("refresh", {"number": 2})
        eventually(lambda: seen == [1, 2], timeout_s=60)


def test_hosts_have_quorum_queues(carrier: Carrier, rabbitmq: RabbitMq, host: str) -> None:
    import amqp

    arguments = {"x-queue-type": "classic", "x-expires": 86_400_000}
    with (
        carrier.serving(host, {"echo": echo}),
        connection_to(rabbitmq) as connection,
        pytest.raises(amqp.PreconditionFailed, match="quorum"),
    ):
        connection.channel().queue_declare(
            queue=f"cumulet.host.{host}", durable=True, auto_delete=False, arguments=arguments
        )


def test_a_queue_that_exists_in_another_form_is_used_as_it_is(carrier: Carrier, rabbitmq: RabbitMq, host: str) -> None:
    with connection_to(rabbitmq) as connection:
        connection.channel().queue_declare(queue=f"cumulet.host.{host}", durable=True, auto_delete=False)
    with carrier.serving(host, {"echo": echo}):
        assert carrier.bus.call(host, "echo", {"a": 1}) == {"a": 1}


def test_a_message_that_is_no_request_is_dropped(carrier: Carrier, rabbitmq: RabbitMq, host: str) -> None:
    with carrier.serving(host, {"echo": echo}):
        with connection_to(rabbitmq) as connection:
            producer = connection.Producer()
            for body in (b"", b"\xc1", "text", {"a": 1}):
                producer.publish(body, exchange="", routing_key=f"cumulet.host.{host}")
        assert carrier.bus.call(host, "echo") == {}


def test_of_several_brokers_one_that_answers_is_taken(rabbitmq: RabbitMq, host: str) -> None:
    dead = f"cumulet:se%25cr%2Fet@127.0.0.1:{free_port()}"
    url = rabbitmq.transport_url.replace("rabbit://", f"rabbit://{dead},")
    with over_amqp(url) as carrier, carrier.serving(host, {"echo": echo}):
        for _ in range(3):
            assert carrier.another().call(host, "echo") == {}


def test_without_a_broker_a_call_ends_at_its_deadline_and_says_so(
    host: str, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bus = make_bus(f"rabbit://cumulet:topsecret@127.0.0.1:{free_port()}/", tmp_path)
    stop = threading.Event()
    with caplog.at_level(logging.DEBUG):
        serving = threading.Thread(target=bus.serve, args=(host, {"echo": echo}, stop))
        serving.start()
        before = time.monotonic()
        with pytest.raises(HostUnreachable, match="no message broker answers"):
            bus.call(host, "echo", timeout_s=1)
        assert time.monotonic() - before < 2
        stop.set()
        serving.join(10)
        assert not serving.is_alive()
    bus.close()
    assert "topsecret" not in caplog.text


def test_a_wrong_password_is_an_unreachable_host_not_a_crash(rabbitmq: RabbitMq, host: str) -> None:
    bus = AmqpBus(f"rabbit://cumulet:wrong@127.0.0.1:{rabbitmq.port}/")
    with pytest.raises(HostUnreachable, match="no message broker answers"):
        bus.call(host, "echo", timeout_s=2)
    bus.close()


def test_two_servers_of_one_name_share_the_work(carrier: Carrier, host: str) -> None:
    """Several engines serve the name `engine`: each call goes to one of them."""
    meet = threading.Barrier(2, timeout=20)
    taken: list[str] = []

    def methods(name: str) -> Any:
        def work(call: Call) -> None:
            taken.append(name)
            meet.wait()

        return {"work": work}

    with carrier.serving(host, methods("a")), carrier.serving(host, methods("b")), ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: carrier.bus.call(host, "work"), range(2)))
    assert sorted(taken) == ["a", "b"]


def test_more_work_than_threads_waits_in_the_broker_and_is_all_done(carrier: Carrier, host: str) -> None:
    done: list[int] = []
    with carrier.serving(host, {"work": lambda call, n: (time.sleep(0.05), done.append(n))[1]}):
        for number in range(100):
            carrier.bus.cast(host, "work", {"n": number})
        eventually(lambda: len(done) == 100, timeout_s=20)
    assert sorted(done) == list(range(100))
