"""Volumes as images of a Ceph pool: thin, snapshots and clones are the pool's own.

All that is known of a volume is in the pool: its image `volume-<id>`, snapshots `snapshot-<id>` of that, and its
attachments as the image's metadata. What takes several steps is made as `making-<id>` and renamed at the end. A volume
that clones stand upon is renamed to `deleted-<id>` and goes with the last of them.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from cumulet.agents.volume.protocols import (
    BackendReport,
    BlockDevice,
    Connector,
    Extended,
    InUse,
    Made,
    Manageable,
    NoSuchSnapshot,
    NoSuchVolume,
    Refused,
    Volume,
)
from cumulet.agents.volume.rbd import managing
from cumulet.agents.volume.rbd.connecting import Connecting
from cumulet.agents.volume.rbd.device import ImageDevice
from cumulet.agents.volume.rbd.images import Image, Images
from cumulet.agents.volume.rbd.options import RbdOptions
from cumulet.agents.volume.rbd.reporting import Reporting
from cumulet.agents.volume.transfer import opened_node, sweep

_CLONING, _READING = "cloning-", "reading-"
"""Snapshots that are there for a moment: of a volume that is cloned, by the clone's id, or read, by the reader."""
_COLLECT_S: Final = 600.0
_DEAD_CLIENT_S: Final = 45.0
_LOOK_S: Final = 1.0


class RbdDriver:
    """One pool. Nothing is kept on the host, so any host that reaches the pool can look after its volumes."""

    simulated = False

    def __init__(self, options: RbdOptions) -> None:
        self._options = options
        self._images = Images(options)
        self._reporting = Reporting(options, self._images)
        self._connecting = Connecting(options, self._images)
        self._due = 0.0

    def report(self) -> BackendReport:
        return self._reporting.report()

    # -- volumes ---------------------------------------------------------------------------------------------------

    def create(self, volume: Volume) -> Made:
        return self._make(volume, lambda part: self._empty(part, volume.size_gb))

    def from_file(self, volume: Volume, file: Path, format_: Literal["raw", "qcow2"]) -> Made:
        def convert(part: str) -> None:
            self._empty(part, volume.size_gb)
            self._images.fill(part, volume.size_gb, file, format_)

        return self._make(volume, convert)

    def clone(self, volume: Volume, source_id: str) -> Made:
        """Of the source as it is at this moment, by a snapshot that Ceph keeps as long as the clone needs it."""
        source, moment = f"volume-{source_id}", f"{_CLONING}{volume.id}"

        def clone(part: str) -> None:
            if not self._images.take(source, moment):  # there is one of an attempt that was interrupted
                self._images.drop(source, moment)
                self._images.take(source, moment)
            self._clone(source, moment, part, volume.size_gb)
            self._images.drop(source, moment)

        return self._make(volume, clone)

    def from_snapshot(self, volume: Volume, snapshot_id: str, source_id: str) -> Made:
        source, snapshot = f"volume-{source_id}", f"snapshot-{snapshot_id}"

        def clone(part: str) -> None:
            self._clone(source, snapshot, part, volume.size_gb, flat=self._options.flatten_from_snapshot)

        return self._make(volume, clone)

    def _empty(self, part: str, size_gb: int) -> None:
        if not self._images.create(part, size_gb):
            self._clear(part)
            self._images.create(part, size_gb)

    def _clone(self, source: str, snapshot: str, part: str, size_gb: int, *, flat: bool = False) -> None:
        flat = flat or self._images.depth(source) >= self._options.max_clone_depth
        if not self._images.clone(source, snapshot, part):
            self._clear(part)
            self._images.clone(source, snapshot, part)
        if flat:
            self._images.flatten(part, size_gb)
        self._images.grow(part, size_gb)

    def _make(self, volume: Volume, make: Callable[[str], None]) -> Made:
        """One that is there already stays as it is."""
        if volume.key is not None or volume.source_key is not None:
            raise Refused("The Ceph back end keeps no encrypted volumes.")
        name, part = f"volume-{volume.id}", f"making-{volume.id}"
        image = self._images.find(name)
        if image is None:
            make(part)
            self._images.rename(part, name)
            self._reporting.changed()
        return Made(volume.size_gb if image is None else image.size_gb)

    def delete(self, volume_id: str) -> None:
        name = f"volume-{volume_id}"
        image = self._images.find(name)
        if image is None:
            self._clear(f"making-{volume_id}")
        elif image.snapshot_count and self._lasting_snapshots(name):
            raise Refused(f"Volume {volume_id} has snapshots.")
        else:
            self._must_be_still(volume_id)
        if not self._remove(name, image):
            self._images.rename(name, f"deleted-{volume_id}")
        self._reporting.changed()

    def _remove(self, name: str, image: Image | None = None) -> bool:
        """Remove an image, then those of deleted volumes that were kept for its sake. False when it has clones."""
        image = image or self._images.find(name)
        if not self._images.remove(name, image.size_gb if image else 0):
            return False
        parent = image.parent if image else None
        if parent is not None and parent.pool == self._options.pool and parent.image.startswith("deleted-"):
            with contextlib.suppress(InUse):  # `upkeep` tries again
                self._remove(parent.image)
        return True

    def _clear(self, part: str) -> None:
        """Remove what an agent that was killed has half made; its tool may still be at it."""
        with contextlib.suppress(NoSuchVolume):
            self._await_closed(part)
        self._remove(part)

    def _lasting_snapshots(self, name: str) -> bool:
        """Whether it has any but those of a moment, which are removed."""
        there = {snapshot.name for snapshot in self._images.snapshots(name)}
        moments = {one for one in there if one.startswith((_CLONING, _READING))}
        for moment in moments:
            self._images.drop(name, moment)
        return there != moments

    def extend(self, volume_id: str, size_gb: int, key: str | None = None) -> Extended:
        name = f"volume-{volume_id}"
        image = self._images.grow(name, size_gb)
        self._reporting.changed()
        return Extended(image.size_gb, online=bool(self._connecting.attachments(volume_id)))

    # -- snapshots -------------------------------------------------------------------------------------------------

    def create_snapshot(self, snapshot_id: str, volume_id: str, key: str | None = None) -> None:
        """Of an open image Ceph asks the client that writes to it, which writes out first what it has."""
        self._images.take(f"volume-{volume_id}", f"snapshot-{snapshot_id}")

    def delete_snapshot(self, snapshot_id: str, volume_id: str) -> None:
        name, snapshot = f"volume-{volume_id}", f"snapshot-{snapshot_id}"
        with contextlib.suppress(NoSuchVolume):
            there = {one.name: one for one in self._images.snapshots(name)}
            if snapshot in there:
                if there[snapshot].protected == "true":
                    self._images.release(name, snapshot)
                self._images.drop(name, snapshot)

    def revert(self, volume_id: str, snapshot_id: str, key: str | None = None) -> None:
        name, snapshot = f"volume-{volume_id}", f"snapshot-{snapshot_id}"
        image = self._images.get(name)
        if self._images.find(name, snapshot) is None:
            raise NoSuchSnapshot(f"There is no snapshot {snapshot_id}.")
        self._must_be_still(volume_id)
        self._images.roll_back(name, snapshot, image.size_gb)
        self._images.grow(name, image.size_gb)

    # -- reaching them ---------------------------------------------------------------------------------------------

    def connect(
        self, volume_id: str, attachment_id: str, connector: Connector, mode: str, key: str | None = None
    ) -> dict[str, Any]:
        return self._connecting.connect(volume_id, attachment_id, mode)

    def disconnect(self, volume_id: str, attachment_id: str) -> None:
        self._connecting.disconnect(volume_id, attachment_id)

    @contextlib.contextmanager
    def opened(
        self, volume_id: str, snapshot_id: str | None = None, *, writable: bool = False, key: str | None = None
    ) -> Iterator[BlockDevice]:
        name = f"volume-{volume_id}"
        snapshot = None if snapshot_id is None else f"snapshot-{snapshot_id}"
        with contextlib.ExitStack() as stack:
            if snapshot is not None:
                if self._images.find(name, snapshot) is None:
                    raise NoSuchSnapshot(f"There is no snapshot {snapshot_id}.")
            elif writable:
                self._must_be_still(volume_id)
            else:
                snapshot = stack.enter_context(self._moment(name))
            node = msgspec.json.encode(self._images.tools.node(name, snapshot, writable=writable)).decode()
            device = stack.enter_context(opened_node(["--blockdev", node], writable=writable))
            yield ImageDevice(device, partial(self._images.extents, name, snapshot))

    @contextlib.contextmanager
    def _moment(self, name: str) -> Iterator[str]:
        """A snapshot for as long as somebody reads it."""
        snapshot = f"{_READING}{self._options.host}-{os.getpid()}-{secrets.token_hex(4)}"
        self._images.take(name, snapshot)
        try:
            yield snapshot
        finally:
            self._images.drop(name, snapshot)

    def _must_be_still(self, volume_id: str) -> None:
        """Raises InUse."""
        self._await_closed(f"volume-{volume_id}", lambda: bool(self._connecting.attachments(volume_id)))

    def _await_closed(self, name: str, is_used: Callable[[], bool] = lambda: False) -> None:
        """A client that died has an image open until Ceph has missed it for half a minute. Raises InUse."""
        limit = time.monotonic() + _DEAD_CLIENT_S
        while self._images.is_open(name):
            if is_used() or time.monotonic() > limit:
                raise InUse(f"Somebody has image {name} open.")
            time.sleep(_LOOK_S)

    # -- what was there before -------------------------------------------------------------------------------------

    def manage(self, volume: Volume, reference: dict[str, str]) -> Made:
        self._reporting.changed()
        return managing.manage(self._images, volume, reference)

    def unmanage(self, volume_id: str) -> None:
        """The image keeps its name, by which it can be managed again."""
        if self._images.find(f"volume-{volume_id}") is not None:
            self._lasting_snapshots(f"volume-{volume_id}")

    def manage_snapshot(self, snapshot_id: str, volume_id: str, reference: dict[str, str]) -> Made:
        return managing.manage_snapshot(self._images, snapshot_id, volume_id, reference)

    def manageable(self, known: Sequence[str]) -> list[Manageable]:
        return managing.manageable(self._images, known)

    def manageable_snapshots(self, known: Sequence[str]) -> list[Manageable]:
        return managing.manageable_snapshots(self._images, known)

    # -- keeping order ---------------------------------------------------------------------------------------------

    def upkeep(self) -> list[str]:
        """Now and then remove what processes that were killed have left; the rest of the work is done at once."""
        sweep()
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _COLLECT_S
            self._collect()
        return []

    def _collect(self) -> None:
        for name in self._images.names():
            if name.startswith("deleted-"):
                with contextlib.suppress(InUse):
                    self._remove(name)
        mine = f"{_READING}{self._options.host}-"
        for one in self._images.listed():
            if one.snapshot is not None and one.snapshot.startswith(mine) and _is_left(one.snapshot):
                self._images.drop(one.image, one.snapshot)


def _is_left(moment: str) -> bool:
    """Whether the process that took the snapshot is gone."""
    return not Path("/proc", moment.split("-")[-2]).exists()
