"""Signs of life: a server tells its callers over and over that it still holds what they wait for.

A message is acknowledged when its method starts, so that no broker hands a request that kills its server to the next
one. Then nobody but the server knows of it, and a caller that hears nothing any more has to send it again.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from cumulet.kernel.bus.amqp_link import LINK_ERRORS, Publishers

log = logging.getLogger(__name__)

SIGN = "sign"
"""The AMQP property `type` of a sign of life, and of a request whose caller understands them."""
SILENT_S = 12.0
"""Seconds without a sign after which nobody holds the request any more: four in a row did not come."""
_EVERY_S = 3.0


class Held:
    """One request that arrived and is not answered yet."""

    __slots__ = ("correlation", "reply_to", "told")

    def __init__(self, properties: dict[str, Any]) -> None:
        self.reply_to = str(properties["reply_to"])
        self.correlation = str(properties["correlation_id"])
        self.told = time.monotonic()


class Signs:
    """What a server holds. One thread tells the callers, so a short call costs no message more."""

    def __init__(self, publishers: Publishers) -> None:
        self._publishers = publishers
        self._held: set[Held] = set()
        self._lock = threading.Lock()

    def hold(self, properties: dict[str, Any]) -> Held | None:
        """None for what nobody waits for, or whose caller knows no signs."""
        if properties.get("type") != SIGN or not properties.get("reply_to") or not properties.get("correlation_id"):
            return None
        held = Held(properties)
        with self._lock:
            self._held.add(held)
        return held

    def let_go(self, held: Held | None) -> None:
        if held is not None:
            with self._lock:
                self._held.discard(held)

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(_EVERY_S / 3):
            due = time.monotonic() - _EVERY_S
            with self._lock:
                silent = [held for held in self._held if held.told < due]
            for held in silent:
                if not self._tell(held):
                    break

    def _tell(self, held: Held) -> bool:
        """Whether a broker took it; what could not be told is told at the next turn."""
        try:
            waits = self._publishers.publish(
                b"",
                exchange="",
                routing_key=held.reply_to,
                life_s=SILENT_S,
                until=time.monotonic(),
                correlation_id=held.correlation,
                type=SIGN,
            )
        except LINK_ERRORS as error:
            log.debug("signs of life could not be sent: %s", error)
            return False
        held.told = time.monotonic()
        if not waits:
            self.let_go(held)  # its caller is gone
        return True
