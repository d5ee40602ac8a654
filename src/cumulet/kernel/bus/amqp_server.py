"""The carrier of many machines, serving side.

A message is acknowledged when its method starts, not when it ends: what was interrupted by a crash is repeated by
its caller, who misses the signs of life and knows whether it is still wanted, and never by the broker, which would hand
a request that kills its server to the next one. What has not started waits in the broker, where its time runs out.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import threading
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import amqp
from kombu import Connection, Consumer, Exchange, Queue

from cumulet.kernel.bus.amqp_link import (
    HEARTBEAT_S,
    LINK_ERRORS,
    Brokers,
    Publishers,
    discard,
    pauses,
    release,
    wait_at_most,
)
from cumulet.kernel.bus.amqp_signs import Held, Signs
from cumulet.kernel.bus.contract import Method
from cumulet.kernel.bus.responder import Responder
from cumulet.kernel.bus.wire import CALL, Request, decode_request

log = logging.getLogger(__name__)

_THREADS = 16
_LOOK_S = 0.5
_BUSY_LOOK_S = 0.005
_DRAIN_S = 5.0
_SILENCES = 2
_DELETE_S = 15.0
_HOST_EXPIRES_MS = 24 * 3600 * 1000  # the queue of a host that is gone for good
_FANOUT_EXPIRES_MS = 60_000
_REPLY_LIFE_S = 60.0


class AmqpServer:
    """Serves hosts from their queues with a few threads; one thread (the caller of `run`) owns the connection."""

    def __init__(
        self,
        brokers: Brokers,
        publishers: Publishers,
        queues: Collection[str],
        fanout_exchange: str,
        hosts: Sequence[str],
        methods: Mapping[str, Method],
    ) -> None:
        self._brokers = brokers
        self._publishers = publishers
        self._queues = queues
        self._fanout_exchange = fanout_exchange
        self._fanout_queue = f"{fanout_exchange}.{uuid.uuid4().hex}"
        self._responder = Responder(hosts, methods)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="bus-serve")
        self._slots = threading.Semaphore(_THREADS)
        self._signs = Signs(publishers)
        self._arrived: collections.deque[tuple[float, Any, Held | None]] = collections.deque()
        self._quorum = True
        self._silent: collections.Counter[str] = collections.Counter()

    def run(self, stop: threading.Event, ready: threading.Event | None) -> None:
        pause = pauses()
        complained = False
        threading.Thread(target=self._signs.run, args=(stop,), name="bus-signs", daemon=True).start()
        while not stop.is_set():
            connection: Connection | None = None
            consuming = threading.Event()
            try:
                connection = self._brokers.open(heartbeat_s=HEARTBEAT_S)
                self._consume(connection, stop, consuming, ready)
                release(connection)
                connection = None
            except LINK_ERRORS as error:
                level = logging.WARNING if consuming.is_set() or not complained else logging.DEBUG
                log.log(level, "hosts cannot be reached through the message broker: %s", error)
                complained = True
                if consuming.is_set():
                    pause = pauses()
            finally:
                self._forget_arrived()
                if connection is not None:
                    discard(connection)
            stop.wait(next(pause))
        self._responder.wait_idle(_DRAIN_S)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _consume(
        self, connection: Connection, stop: threading.Event, consuming: threading.Event, ready: threading.Event | None
    ) -> None:
        exchange = Exchange(self._fanout_exchange, "fanout", durable=True)
        arguments = {"x-expires": _FANOUT_EXPIRES_MS}
        fanout = Queue(self._fanout_queue, exchange, durable=True, queue_arguments=arguments)
        with contextlib.ExitStack() as consumers:
            channel = connection.channel()
            channel.basic_qos(0, _THREADS, False)
            consumers.enter_context(Consumer(channel, [fanout], on_message=self._on_message))
            for name in self._queues:
                consumers.enter_context(self._host_consumer(connection, channel, name))
            consuming.set()
            if ready is not None:
                ready.set()
            checked = time.monotonic()
            while not stop.is_set():
                try:
                    connection.drain_events(timeout=_BUSY_LOOK_S if self._arrived else _LOOK_S)
                except TimeoutError:
                    log.debug("nothing arrived")
                self._start_arrived()
                if time.monotonic() - checked >= 1:
                    connection.heartbeat_check()
                    checked = time.monotonic()

    def _host_consumer(self, connection: Connection, channel: Any, name: str) -> Consumer:
        """Declare and consume a host's queue; one that stays silent is made anew.

        RabbitMQ forgets the members of a quorum queue that was declared less than a second before a power cut, but
        not the queue: it then never answers for it (seen with 3.10). Nothing of value is in it: callers repeat.
        """
        if self._silent[name] >= _SILENCES:
            log.warning("queue %s does not answer and is made anew", name)
            self._silent[name] = 0
            wait_at_most(connection, _DELETE_S)  # the broker itself waits 5 s for the queue's members
            connection.channel().queue_delete(queue=name)
        try:
            self._declare_host_queue(connection, name)
            consumer = Consumer(channel, [Queue(name, no_declare=True)], on_message=self._on_message)
            consumer.consume()
        except TimeoutError:
            self._silent[name] += 1
            raise
        self._silent[name] = 0
        return consumer

    def _declare_host_queue(self, connection: Connection, name: str) -> None:
        """Declare a quorum queue; a plain durable one where the broker or an older queue of that name forbids it."""
        if self._quorum:
            try:
                _declare(connection, name, {"x-queue-type": "quorum", "x-expires": _HOST_EXPIRES_MS})
                return
            except amqp.ChannelError as error:
                log.warning("queue %s is not a quorum queue: %s", name, error)
            except amqp.AMQPError:
                self._quorum = False  # the broker broke the connection over it: plain queues from the next one on
                raise
        try:
            _declare(connection, name, {"x-expires": _HOST_EXPIRES_MS})
        except amqp.PreconditionFailed:
            # It exists, in a form of the operator's choice: use it as it is.
            connection.channel().queue_declare(queue=name, passive=True)

    def _on_message(self, message: Any) -> None:
        self._arrived.append((time.monotonic(), message, self._signs.hold(message.properties)))
        self._start_arrived()

    def _forget_arrived(self) -> None:
        """What did not start: it is not acknowledged, so the broker delivers it again."""
        while self._arrived:
            self._signs.let_go(self._arrived.popleft()[2])

    def _start_arrived(self) -> None:
        """Start as much of what has arrived as there are free threads. In the connection's thread only."""
        while self._arrived and self._slots.acquire(blocking=False):
            received, message, held = self._arrived.popleft()
            try:
                message.ack()
                self._threads.submit(self._answer, received, message.body, message.properties, held)
            except BaseException:
                self._signs.let_go(held)
                self._slots.release()
                raise

    def _answer(self, received: float, body: Any, properties: dict[str, Any], held: Held | None) -> None:
        try:
            request = decode_request(body.encode() if isinstance(body, str) else body)
            if request.kind != CALL:
                self._responder.accept(request)
                return
            reply = self._responder.run(request, received)
            if reply is not None:
                self._reply(request, received, reply, properties)
        except ValueError as error:
            log.warning("a message that is no request was dropped: %s", error)
        except Exception:
            log.exception("a message could not be answered")
        finally:
            self._signs.let_go(held)
            self._slots.release()

    def _reply(self, request: Request, received: float, reply: bytes, properties: dict[str, Any]) -> None:
        until = max(received + request.timeout_s, time.monotonic() + 1.0)
        try:
            self._publishers.publish(
                reply,
                exchange="",
                routing_key=properties.get("reply_to", ""),
                life_s=_REPLY_LIFE_S,
                until=until,
                correlation_id=properties.get("correlation_id"),
            )
        except LINK_ERRORS as error:
            # It stays in memory: the caller sends its request again when it is connected again.
            log.warning("the reply to %s could not be sent: %s", request.id, error)


def _declare(connection: Connection, name: str, arguments: dict[str, Any]) -> None:
    channel = connection.channel()  # its own: a refusal closes it
    channel.queue_declare(queue=name, durable=True, auto_delete=False, arguments=arguments)
    channel.close()
