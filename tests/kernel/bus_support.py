"""One bus of each carrier, with servers that tests start and stop."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from cumulet.kernel.bus import Bus
from cumulet.kernel.bus.amqp import AmqpBus


class Carrier:
    """`clients()` makes the calling side of another process; `bus` is one of them."""

    def __init__(self, name: str, make: Callable[[], Bus]) -> None:
        self.name = name
        self._make = make
        self._made: list[Bus] = []
        self.bus = self.another()

    def another(self) -> Bus:
        self._made.append(self._make())
        return self._made[-1]

    def close(self) -> None:
        for bus in self._made:
            bus.close()

    @contextlib.contextmanager
    def serving(self, host: str | Sequence[str], methods: Mapping[str, Callable[..., Any]]) -> Iterator[None]:
        """Serve in a thread, on a bus of its own, while the block runs."""
        stop, ready = threading.Event(), threading.Event()
        bus = self.another()
        thread = threading.Thread(target=bus.serve, args=(host, methods, stop), kwargs={"ready": ready})
        thread.start()
        try:
            assert ready.wait(30), "the server did not get ready"
            yield
        finally:
            stop.set()
            thread.join(20)
            assert not thread.is_alive(), "the server did not stop"


@contextlib.contextmanager
def over_amqp(transport_url: str) -> Iterator[Carrier]:
    carrier = Carrier("amqp", lambda: AmqpBus(transport_url))
    try:
        yield carrier
    finally:
        carrier.close()
