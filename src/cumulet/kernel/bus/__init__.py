"""The bus between engine and agents: `call`, `cast` and `fanout` to hosts, `serve` at them. See `contract`.

This package knows no database, so an agent that imports it stays small; kombu is loaded only for a transport_url.
"""

from __future__ import annotations

import os
from typing import Any

from cumulet.kernel.bus.contract import Bus, Call, Method
from cumulet.kernel.bus.errors import BusError, CallTimeout, HostUnreachable, RemoteError
from cumulet.kernel.bus.local import LocalBus
from cumulet.kernel.bus.memory import MemoryBus

__all__ = [
    "Bus",
    "BusError",
    "Call",
    "CallTimeout",
    "HostUnreachable",
    "LocalBus",
    "MemoryBus",
    "Method",
    "RemoteError",
    "make_bus",
]


def make_bus(
    transport_url: str | None, run_dir: str | os.PathLike[str], *, tls_options: dict[str, Any] | None = None
) -> Bus:
    """The bus of this cloud: RabbitMQ where a `transport_url` is set, Unix sockets below `run_dir` otherwise.

    Raises ValueError for a URL that is none. A broker that does not answer is no error here: each call tries again.
    """
    if not transport_url:
        return LocalBus(run_dir)
    from cumulet.kernel.bus.amqp import AmqpBus

    return AmqpBus(transport_url, tls_options=tls_options)
