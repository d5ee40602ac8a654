"""What the volume agent asks of the hypervisor of the same host, in the volume agent's words."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cumulet.agents.compute.qemu.monitor import MonitorError
from cumulet.agents.compute.qemu.open_disks import OpenDisks
from cumulet.agents.volume.protocols import InUse


class GuestDisks:
    """`agents.volume.protocols.OpenDisks`: whatever keeps a guest from being told makes the volume one in use."""

    def __init__(self, disks: OpenDisks) -> None:
        self._disks = disks

    def switch(self, path: Path, over: Path, below: Path, name: Callable[[], None]) -> None:
        with _said():
            self._disks.switch(path, over, below, name)

    def hand_over(self, path: Path, connection: dict[str, Any], ready: Callable[[], None]) -> bool:
        with _said():
            return self._disks.hand_over(path, connection, ready)


@contextlib.contextmanager
def _said() -> Iterator[None]:
    try:
        yield
    except (MonitorError, OSError, RuntimeError) as error:  # a monitor that is gone or late is an OSError
        raise InUse(f"The guest that has the volume open could not be told: {error}") from error
