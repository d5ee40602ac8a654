"""Guests that are to go on after the host's start, as long as something that they need is still on its way.

A guest may have volumes of another host that is still down, or of this one, whose volume agent is only starting. It is
tried again until that is there. What keeps it waiting is told in the log once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

log = logging.getLogger(__name__)

WITHIN_S: Final = 3600.0
EVERY_S: Final = 5.0
Waiting = dict[str, str]
"""Why each guest that is to run does not, by server id."""


def insist(
    wake: Callable[[], Waiting], stop: threading.Event, *, within_s: float = WITHIN_S, every_s: float = EVERY_S
) -> Waiting:
    """Call `wake` until no guest waits, `stop` is set or the time is over; those that still wait then.

    They are tried again at the agent's next start.
    """
    told: Waiting = {}
    deadline = time.monotonic() + within_s
    while waiting := wake():
        for server_id, reason in waiting.items():
            if told.get(server_id) != reason:
                log.warning("guest %s cannot run yet after the host's start: %s", server_id, reason)
        told = waiting
        if time.monotonic() > deadline:
            log.error("given up after %.0f s, these guests stay off: %s", within_s, ", ".join(waiting))
            break
        if stop.wait(every_s):
            break
    return waiting
