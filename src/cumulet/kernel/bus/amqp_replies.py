"""The calling side's queue of replies: one thread receives for every call of the process."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from typing import Any

from kombu import Connection, Consumer, Queue

from cumulet.kernel.bus.amqp_link import HEARTBEAT_S, LINK_ERRORS, Brokers, discard, pauses, release
from cumulet.kernel.bus.amqp_signs import SIGN

log = logging.getLogger(__name__)

_EXPIRES_MS = 120_000
_LOOK_S = 0.5
_NEW_S = 90.0


class Waiter:
    """One call that waits. `correlation` comes back with the reply."""

    def __init__(self) -> None:
        self.correlation = uuid.uuid4().hex
        self.data: bytes | None = None
        self.arrived = threading.Event()
        self.heard_of = 0.0
        """When the request was sent or its server gave a sign of life, by time.monotonic()."""


class ReplyQueue:
    """Receives replies, and comes back after a lost connection with a higher `generation`.

    Replies may have been lost with the connection, so every call that waits across generations is sent again.
    """

    def __init__(self, brokers: Brokers, prefix: str) -> None:
        self.name = f"{prefix}.reply.{uuid.uuid4().hex}"
        self.generation = 0
        self.connected = threading.Event()
        self._brokers = brokers
        self._connected_at = 0.0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._waiting: dict[str, Waiter] = {}
        self._thread: threading.Thread | None = None

    def expect(self) -> Waiter:
        waiter = Waiter()
        with self._lock:
            self._waiting[waiter.correlation] = waiter
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="bus-replies", daemon=True)
                self._thread.start()
        return waiter

    def is_new(self) -> bool:
        """Whether the connection was lost a short while ago, so that servers may still be coming back too."""
        return self.generation > 1 and time.monotonic() - self._connected_at < _NEW_S

    def forget(self, waiter: Waiter) -> None:
        with self._lock:
            self._waiting.pop(waiter.correlation, None)

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        pause = pauses()
        while not self._stop.is_set():
            connection: Connection | None = None
            try:
                connection = self._brokers.open(heartbeat_s=HEARTBEAT_S)
                self._receive(connection)
                release(connection)
                connection = None
            except LINK_ERRORS as error:
                if self.connected.is_set():
                    log.warning("the connection for replies broke: %s", error)
                    pause = pauses()
            finally:
                self.connected.clear()
                if connection is not None:
                    discard(connection)
            self._stop.wait(next(pause))

    def _receive(self, connection: Connection) -> None:
        # The queue outlives a short absence, but not its process.
        queue = Queue(self.name, durable=True, queue_arguments={"x-expires": _EXPIRES_MS})
        with Consumer(connection.channel(), [queue], on_message=self._arrived, no_ack=True):
            self.generation += 1
            self._connected_at = time.monotonic()
            self.connected.set()
            checked = time.monotonic()
            while not self._stop.is_set():
                try:
                    connection.drain_events(timeout=_LOOK_S)
                except TimeoutError:
                    log.debug("no reply within %s seconds", _LOOK_S)
                if time.monotonic() - checked >= 1:
                    connection.heartbeat_check()
                    checked = time.monotonic()

    def _arrived(self, message: Any) -> None:
        correlation = message.properties.get("correlation_id")
        if message.properties.get("type") == SIGN:
            with self._lock:
                waiter = self._waiting.get(correlation)
            if waiter is not None:
                waiter.heard_of = time.monotonic()
            return
        with self._lock:
            waiter = self._waiting.pop(correlation, None)
        if waiter is not None:
            waiter.data = bytes(message.body)
            waiter.arrived.set()
