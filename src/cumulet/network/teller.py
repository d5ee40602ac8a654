"""Telling the engine what has changed for the hosts, a moment after the commit and not in the request's own time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from cumulet.kernel.bus import Bus, BusError
from cumulet.network.service import Topic

log = logging.getLogger(__name__)
_GATHER_S: Final = 0.005
_MOST: Final = 1000
"""Topics in one message: after a flood of changes every host is asked to look."""


class Teller:
    """Collects topics and casts them to the engine from a thread of its own. A lost message costs some seconds: hosts
    ask by themselves."""

    def __init__(self, bus: Callable[[], Bus]) -> None:
        self._bus = bus
        self._topics: set[Topic] = set()
        self._lock = threading.Lock()
        self._some = threading.Event()
        self._thread: threading.Thread | None = None

    def __call__(self, topics: set[Topic]) -> None:
        with self._lock:
            self._topics |= topics
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="network-teller", daemon=True)
                self._thread.start()
        self._some.set()

    def _run(self) -> None:
        while True:
            self._some.wait()
            time.sleep(_GATHER_S)  # one message for changes that come together
            self._some.clear()
            with self._lock:
                topics, self._topics = self._topics, set()
            if topics:
                self._tell(topics)

    def _tell(self, topics: set[Topic]) -> None:
        said = [("tunnels", "")] if len(topics) > _MOST else sorted(topics)
        try:
            self._bus().cast("engine", "network.changed", {"topics": [list(topic) for topic in said]})
        except BusError as error:
            log.info("the engine was not told of changes: %s", error)
        except Exception:
            log.exception("the engine could not be told of changes")
