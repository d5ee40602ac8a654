"""What an agent process is made of: each part has methods for the bus and work of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Protocol

from cumulet.kernel.bus import Bus, Method

log = logging.getLogger(__name__)
_END_S = 10.0


class Part(Protocol):
    """One agent in the process."""

    def methods(self) -> Mapping[str, Method]:
        """What it answers to under its host's name on the bus."""

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set."""


class Hosts:
    """The parts of one or several hosts (simulated ones) in this process, served together."""

    def __init__(self, bus: Bus, parts: Mapping[str, Sequence[Part]]) -> None:
        self._bus = bus
        self._parts = parts

    def run(self, stop: threading.Event) -> None:
        """Serve and work until `stop` is set. A part that ends by an error ends all: the process starts anew."""
        threads = [
            threading.Thread(target=self._work, args=(part, stop), name=f"{type(part).__name__}-{host}", daemon=True)
            for host, parts in self._parts.items()
            for part in parts
        ]
        threads += [
            threading.Thread(
                target=self._bus.serve, args=(host, _together(parts), stop), name=f"bus-{host}", daemon=True
            )
            for host, parts in self._parts.items()
        ]
        for thread in threads:
            thread.start()
        stop.wait()
        for thread in threads:
            thread.join(_END_S)

    @staticmethod
    def _work(part: Part, stop: threading.Event) -> None:
        try:
            part.run(stop)
        except Exception:  # a thread of its own: the process ends with it and is started anew
            log.exception("%s ended", type(part).__name__)
        finally:
            stop.set()


def _together(parts: Sequence[Part]) -> dict[str, Method]:
    found: dict[str, Method] = {}
    for part in parts:
        found.update(part.methods())
    return found
