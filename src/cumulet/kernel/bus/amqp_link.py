"""Connections to RabbitMQ: which broker answers, and publishing with the broker's confirmation."""

from __future__ import annotations

import contextlib
import itertools
import logging
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import amqp
from amqp.exceptions import MessageNacked
from kombu import Connection, Exchange, Producer
from kombu.exceptions import KombuError

from cumulet.kernel.bus.transport_url import Broker, TransportUrl

log = logging.getLogger(__name__)

LINK_ERRORS = (amqp.AMQPError, KombuError, MessageNacked, OSError, AttributeError)
"""What a broken connection raises. AttributeError is py-amqp's own when the socket vanishes below it."""

HEARTBEAT_S = 20
_CONNECT_S = 5.0
_CONFIRM_S = 5.0
_ANSWER_S = 5.0  # for whatever else a broker is asked: a queue without a leader does not answer at all
_LONGEST_PAUSE_S = 2.0
_MOST_IDLE = 8


def pauses() -> Iterator[float]:
    """Seconds to wait between attempts to connect: doubling, at random, never long, since a call is waiting."""
    for step in itertools.count():
        yield min(_LONGEST_PAUSE_S, 0.1 * 2 ** min(step, 10)) * random.uniform(0.5, 1.0)


class Brokers:
    """Opens connections to whichever broker answers; starts at the one that answered last."""

    def __init__(self, url: TransportUrl, tls_options: dict[str, Any] | None = None) -> None:
        self._url = url
        self._first = random.randrange(len(url.brokers))
        self._tls_options = tls_options or {}

    def open(self, *, heartbeat_s: float = 0, confirm: bool = False) -> Connection:
        """A connection, established. Raises one of LINK_ERRORS when no broker answers."""
        problem: Exception | None = None
        for step in range(len(self._url.brokers)):
            index = (self._first + step) % len(self._url.brokers)
            broker = self._url.brokers[index]
            connection = self._connection(broker, heartbeat_s, confirm)
            try:
                connection.connect()
                wait_at_most(connection, _ANSWER_S)
            except LINK_ERRORS as error:
                log.debug("broker %s: %s", broker, error)
                discard(connection)
                problem = error
                continue
            self._first = index
            return connection
        assert problem is not None
        raise problem

    def _connection(self, broker: Broker, heartbeat_s: float, confirm: bool) -> Connection:
        return Connection(
            hostname=broker.host,
            port=broker.port,
            userid=broker.user,
            password=broker.password,
            virtual_host=self._url.virtual_host,
            transport="pyamqp",
            # The name is given always: without it the certificate's would not be compared.
            ssl={"server_hostname": broker.host, **self._tls_options} if self._url.tls else False,
            connect_timeout=_CONNECT_S,
            heartbeat=heartbeat_s,
            transport_options={"confirm_publish": confirm},
        )


def wait_at_most(connection: Connection, seconds: float) -> None:
    """From here on a question to the broker that is not answered in time raises TimeoutError."""
    connection.connection.transport.sock.settimeout(seconds)


def discard(connection: Connection) -> None:
    """Drop a connection that may be broken, without waiting for its broker."""
    try:
        connection.collect(socket_timeout=0.1)
    except LINK_ERRORS as error:
        log.debug("a broken connection was dropped: %s", error)


def release(connection: Connection) -> None:
    """Close a connection in order; a broken one is dropped."""
    try:
        connection.release()
    except LINK_ERRORS:
        discard(connection)


class Publisher:
    """One connection that publishes. Used by one thread at a time."""

    def __init__(self, brokers: Brokers, fanout_exchange: str) -> None:
        self.connection = brokers.open(confirm=True)
        self._returned = False
        try:
            channel = self.connection.channel()
            Exchange(fanout_exchange, "fanout", durable=True).declare(channel=channel)
            self._producer = Producer(channel, on_return=self._on_return)
        except BaseException:
            discard(self.connection)
            raise

    def _on_return(self, error: Exception, exchange: str, routing_key: str, message: Any) -> None:
        self._returned = True

    def publish(self, body: bytes, *, exchange: str, routing_key: str, life_s: float, **properties: Any) -> bool:
        """Hand a message to the broker, to be dropped after `life_s`; False when no queue takes it."""
        self._returned = False
        self._producer.publish(
            body,
            exchange=exchange,
            routing_key=routing_key,
            content_type="application/x-msgpack",
            content_encoding="binary",
            delivery_mode=1,
            mandatory=not exchange,
            expiration=max(0.001, life_s),
            timeout=_CONFIRM_S,
            confirm_timeout=_CONFIRM_S,
            **properties,
        )
        return not self._returned

    def look_at(self, queue: str) -> tuple[int, int]:
        """How many processes take messages from the queue, and how many wait in it; none where there is no queue."""
        channel = self.connection.channel()
        try:
            seen = channel.queue_declare(queue=queue, passive=True)
            return int(seen.consumer_count), int(seen.message_count)
        except amqp.NotFound:
            return 0, 0
        finally:
            with contextlib.suppress(*LINK_ERRORS):
                channel.close()


class Publishers:
    """A few publishers, handed to one thread at a time; one that failed is not used again."""

    def __init__(self, brokers: Brokers, fanout_exchange: str) -> None:
        self._brokers = brokers
        self._fanout_exchange = fanout_exchange
        self._idle: list[Publisher] = []
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def one(self) -> Iterator[Publisher]:
        with self._lock:
            publisher = self._idle.pop() if self._idle else None
        if publisher is None:
            publisher = Publisher(self._brokers, self._fanout_exchange)
        try:
            yield publisher
        except LINK_ERRORS:
            discard(publisher.connection)
            self._drop_idle()  # they go to the same broker
            raise
        except BaseException:
            discard(publisher.connection)
            raise
        with self._lock:
            if len(self._idle) < _MOST_IDLE:
                self._idle.append(publisher)
                return
        discard(publisher.connection)

    def publish(
        self, body: bytes, *, exchange: str, routing_key: str, life_s: float, until: float, **properties: Any
    ) -> bool:
        """Publish, over a new connection where the old one is broken, until `until` (time.monotonic()).

        False when no queue takes the message; raises one of LINK_ERRORS when no broker does.
        """
        for pause in pauses():
            try:
                with self.one() as publisher:
                    return publisher.publish(
                        body, exchange=exchange, routing_key=routing_key, life_s=life_s, **properties
                    )
            except LINK_ERRORS:
                if time.monotonic() + pause >= until:
                    raise
            time.sleep(pause)
        raise AssertionError("unreachable")

    def _drop_idle(self) -> None:
        with self._lock:
            dropped, self._idle = self._idle, []
        for publisher in dropped:
            discard(publisher.connection)

    def close(self) -> None:
        """Close what is idle. A publisher in use is closed by its thread's end."""
        with self._lock:
            idle, self._idle = self._idle, []
        for publisher in idle:
            release(publisher.connection)
