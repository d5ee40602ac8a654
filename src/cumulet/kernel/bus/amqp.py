"""The carrier of many machines, calling side: RabbitMQ through kombu. Imported only where a transport_url is set.

Each host has a queue (a quorum queue where the broker has them), each calling process one for its replies.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from cumulet.kernel.bus.amqp_link import LINK_ERRORS, Brokers, Publishers
from cumulet.kernel.bus.amqp_replies import ReplyQueue, Waiter
from cumulet.kernel.bus.amqp_signs import SIGN, SILENT_S
from cumulet.kernel.bus.contract import CALL_TIMEOUT_S, CAST_LIFE_S, Method
from cumulet.kernel.bus.errors import CallTimeout, HostUnreachable
from cumulet.kernel.bus.transport_url import parse_transport_url
from cumulet.kernel.bus.wire import (
    CALL,
    CAST,
    FANOUT,
    LONGEST_FRAME,
    Request,
    decode_reply,
    encode,
    make_request,
    value_of,
)
from cumulet.kernel.context import Context

log = logging.getLogger(__name__)

_LOOK_S = 1.0
_AGAIN_S = 0.2
# After a broker's restart: a server tells a dead queue by three silences of 5 s, and makes it anew in as much again.
_BACK_S = 60.0
_ABSENT_S = 5.0  # a server that lost its connection comes back within less
_SEND_S = 10.0


class AmqpBus:
    """Calls hosts through a broker. Survives the broker's restart: waiting calls are sent again, under their ids."""

    def __init__(
        self, transport_url: str, *, prefix: str = "cumulet", tls_options: dict[str, Any] | None = None
    ) -> None:
        """`tls_options`: what kombu's `ssl` takes (ca_certs, certfile, keyfile, cert_reqs), for rabbits:// URLs."""
        self._brokers = Brokers(parse_transport_url(transport_url), tls_options)
        self._prefix = prefix
        self._publishers = Publishers(self._brokers, self._fanout_exchange)
        self._replies = ReplyQueue(self._brokers, prefix)

    def call(
        self,
        host: str,
        method: str,
        args: Mapping[str, Any] | None = None,
        *,
        timeout_s: float = CALL_TIMEOUT_S,
        ctx: Context | None = None,
        call_id: str | None = None,
    ) -> Any:
        request = make_request(CALL, host, method, args, timeout_s, ctx, call_id)
        _checked(request)
        waiter = self._replies.expect()
        try:
            return value_of(decode_reply(self._exchange(request, waiter, timeout_s)))
        finally:
            self._replies.forget(waiter)

    def _exchange(self, request: Request, waiter: Waiter, timeout_s: float) -> bytes:
        """Send the request until its reply is there.

        It is sent again when the connection for replies is a new one, and when nobody seems to hold it any more: its
        server died and another one is there already. Who has it after all answers it from memory.
        """
        deadline = time.monotonic() + timeout_s
        sent_in = 0  # the generation of the reply queue in which the request was sent last
        absent_since: float | None = None
        while (remaining := deadline - time.monotonic()) > 0:
            if not self._replies.connected.wait(min(remaining, _LOOK_S)):
                continue
            generation = self._replies.generation
            present = True
            if generation != sent_in:
                routed = self._send(request, waiter, deadline)
                if routed is None:
                    # No broker took it, which says nothing about the host: one that is just back knows no server yet.
                    absent_since = None
                    waiter.arrived.wait(_AGAIN_S)
                    continue
                present = routed
                sent_in = generation if routed else sent_in
            if waiter.arrived.wait(min(_LOOK_S if present else _AGAIN_S, max(0.0, deadline - time.monotonic()))):
                assert waiter.data is not None
                return waiter.data
            if present and self._is_served(request.host, waiter):
                absent_since = None
                if time.monotonic() - waiter.heard_of >= SILENT_S:
                    log.warning("%s at %s is asked for again: nobody holds it", request.method, request.host)
                    sent_in = 0
                continue
            absent_since = absent_since or time.monotonic()
            patience_s = _BACK_S if self._replies.is_new() else _ABSENT_S if sent_in else 0.0
            if time.monotonic() - absent_since >= patience_s:
                raise HostUnreachable(request.host, "nobody serves it")
        if not sent_in:
            raise HostUnreachable(request.host, "no message broker answers")
        raise CallTimeout(request.host, request.method, timeout_s)

    def _send(self, request: Request, waiter: Waiter, deadline: float) -> bool | None:
        """Publish the request with what is left of its time.

        False when there is no queue for its host, None when no broker took it.
        """
        request.timeout_s = max(0.001, deadline - time.monotonic())
        waiter.heard_of = time.monotonic()
        try:
            return self._publishers.publish(
                encode(request),
                exchange="",
                routing_key=self._queue(request.host),
                life_s=request.timeout_s,
                until=min(deadline, time.monotonic() + _SEND_S),
                correlation_id=waiter.correlation,
                reply_to=self._replies.name,
                type=SIGN,
            )
        except LINK_ERRORS:
            return None

    def _is_served(self, host: str, waiter: Waiter) -> bool:
        """Whether somebody takes messages for the host. A broken connection is no proof of the contrary."""
        try:
            with self._publishers.one() as publisher:
                consumers, waiting = publisher.look_at(self._queue(host))
        except LINK_ERRORS:
            return True
        if waiting:
            waiter.heard_of = time.monotonic()  # the request may be among them
        return consumers > 0

    def cast(
        self, host: str, method: str, args: Mapping[str, Any] | None = None, *, ctx: Context | None = None
    ) -> None:
        request = make_request(CAST, host, method, args, CAST_LIFE_S, ctx)
        if not self._publish(host, request, exchange="", routing_key=self._queue(host)):
            raise HostUnreachable(host, "nobody serves it")

    def fanout(self, method: str, args: Mapping[str, Any] | None = None, *, ctx: Context | None = None) -> None:
        request = make_request(FANOUT, "", method, args, CAST_LIFE_S, ctx)
        self._publish("(all)", request, exchange=self._fanout_exchange, routing_key="")

    def _publish(self, host: str, request: Request, *, exchange: str, routing_key: str) -> bool:
        data = _checked(request)
        until = time.monotonic() + _SEND_S
        try:
            return self._publishers.publish(
                data, exchange=exchange, routing_key=routing_key, life_s=request.timeout_s, until=until
            )
        except LINK_ERRORS as error:
            raise HostUnreachable(host, "no message broker answers") from error

    def serve(
        self,
        host: str | Sequence[str],
        methods: Mapping[str, Method],
        stop: threading.Event,
        *,
        ready: threading.Event | None = None,
    ) -> None:
        from cumulet.kernel.bus.amqp_server import AmqpServer

        hosts = [host] if isinstance(host, str) else host
        queues = {self._queue(name) for name in hosts}
        server = AmqpServer(self._brokers, self._publishers, queues, self._fanout_exchange, hosts, methods)
        server.run(stop, ready)

    def close(self) -> None:
        self._replies.close()
        self._publishers.close()

    @property
    def _fanout_exchange(self) -> str:
        return f"{self._prefix}.fanout"

    def _queue(self, host: str) -> str:
        return f"{self._prefix}.host.{host}"


def _checked(request: Request) -> bytes:
    """Encode, so that what cannot be sent is told to the caller at once."""
    data = encode(request)
    if len(data) > LONGEST_FRAME:
        raise ValueError(f"a message of {len(data)} bytes is too long for the bus ({LONGEST_FRAME})")
    return data
