"""An opened image as plain bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cumulet.agents.volume.protocols import BlockDevice

Extents = Callable[[int], Iterator[tuple[int, int]]]


class ImageDevice:
    """QEMU reads and writes it; which parts have data, Ceph tells (`extents`, by the image's size in bytes)."""

    def __init__(self, device: BlockDevice, extents: Extents) -> None:
        self.size = device.size
        self.read, self.write, self.zero, self.flush = device.read, device.write, device.zero, device.flush
        self._extents = extents

    def extents(self) -> Iterator[tuple[int, int]]:
        """`flush` comes first, where something was written."""
        return self._extents(self.size)
