"""The compute agent as a part of a host's process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cumulet.agents.compute import waking
from cumulet.agents.compute.agent import Agent
from cumulet.agents.volume.protocols import OpenDisks
from cumulet.kernel.bus import Bus, Method
from cumulet.kernel.context import Context


class _OwnServer:
    """The bus as the compute agent sees it: it calls as always, but its methods are served with those of the host's
    other agents, because a name on the bus has one server."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def call(self, host: str, method: str, args: Mapping[str, Any] | None = None, **rest: Any) -> Any:
        return self._bus.call(host, method, args, **rest)

    def cast(
        self, host: str, method: str, args: Mapping[str, Any] | None = None, *, ctx: Context | None = None
    ) -> None:
        self._bus.cast(host, method, args, ctx=ctx)

    def fanout(self, method: str, args: Mapping[str, Any] | None = None, *, ctx: Context | None = None) -> None:
        self._bus.fanout(method, args, ctx=ctx)

    def serve(
        self,
        host: str | Sequence[str],
        methods: Mapping[str, Method],
        stop: threading.Event,
        *,
        ready: threading.Event | None = None,
    ) -> None:
        if ready is not None:
            ready.set()
        stop.wait()

    def close(self) -> None:
        """The bus belongs to the process."""


class ComputePart:
    """Reports and answers for a host's hypervisor. `make` makes the agent on the bus it is given. `disks`: what the
    volume agent may ask of the hypervisor, if that can follow its volumes' snapshots. `wake`: has guests go on after
    the host's start, where some wait for what is not there yet."""

    def __init__(
        self,
        bus: Bus,
        make: Callable[[Bus], Agent],
        disks: OpenDisks | None = None,
        wake: Callable[[], waking.Waiting] | None = None,
    ) -> None:
        self.disks = disks
        self._wake = wake
        self._agent = make(_OwnServer(bus))

    def methods(self) -> Mapping[str, Method]:
        return self._agent.methods()

    def run(self, stop: threading.Event) -> None:
        if self._wake is not None:
            threading.Thread(target=waking.insist, args=(self._wake, stop), name="wake", daemon=True).start()
        self._agent.run(stop)
