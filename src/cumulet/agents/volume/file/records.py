"""What the back end knows of each volume: one small file, replaced whole. Replacing it is the change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from cumulet.agents.volume.durable import sync_directory, write_durably
from cumulet.agents.volume.protocols import NoSuchSnapshot, NoSuchVolume, Refused

_NAME_LENGTH: Final = 64


class Frozen(msgspec.Struct):
    """A snapshot: the layer that holds it."""

    layer: str
    size_gb: int


class Pending(msgspec.Struct):
    """A step that was begun: writing is to go on in `layer`, and what is there now becomes `snapshot_id` (None: it is
    only shared with a clone). With `over` the new layer has this name until it gets the head's, and what is there now
    is called `layer`."""

    layer: str
    snapshot_id: str | None = None
    over: str | None = None


class Moving(msgspec.Struct):
    """A guest that was to open the file `of` is on its way to an export of the layer `to` (the same: it is off)."""

    of: str
    to: str


class Record(msgspec.Struct):
    """`head`: the layer that is written to. `attachments`: how each reaches it (local or nbd)."""

    size_gb: int
    head: str
    encrypted: bool = False
    snapshots: dict[str, Frozen] = {}
    attachments: dict[str, str] = {}
    pending: Pending | None = None
    moving: Moving | None = None
    opened: str | None = None  # what a guest that follows has the head open as, where that is another name
    grows: bool = False  # the file is to have `size_gb` as soon as nobody has it open

    def layers(self) -> set[str]:
        """Those it needs, without what they stand upon."""
        needed = {self.head, *(frozen.layer for frozen in self.snapshots.values())}
        if self.pending is not None:
            needed |= {self.pending.layer, *([self.pending.over] if self.pending.over else [])}
        return needed | ({self.moving.of, self.moving.to} if self.moving is not None else set())

    def frozen(self, snapshot_id: str) -> Frozen:
        found = self.snapshots.get(snapshot_id)
        if found is None:
            raise NoSuchSnapshot(f"There is no snapshot {snapshot_id}.")
        return found


class Records:
    """The records of one host's volumes, below `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder

    def find(self, volume_id: str) -> Record | None:
        try:
            return msgspec.json.decode(self._file(volume_id).read_bytes(), type=Record)
        except FileNotFoundError:
            return None

    def get(self, volume_id: str) -> Record:
        """Raises NoSuchVolume."""
        record = self.find(volume_id)
        if record is None:
            raise NoSuchVolume(f"There is no volume {volume_id}.")
        return record

    def put(self, volume_id: str, record: Record) -> None:
        write_durably(self._file(volume_id), msgspec.json.encode(record))
        sync_directory(self._folder)

    def remove(self, volume_id: str) -> None:
        self._file(volume_id).unlink(missing_ok=True)
        sync_directory(self._folder)

    def all(self) -> Iterator[tuple[str, Record]]:
        for file in sorted(self._folder.glob("[!.]*.json")):
            record = self.find(file.stem)
            if record is not None:
                yield file.stem, record

    def _file(self, volume_id: str) -> Path:
        """Raises Refused for what cannot be a volume's id."""
        if not volume_id.replace("-", "").replace("_", "").isalnum() or len(volume_id) > _NAME_LENGTH:
            raise Refused(f"{volume_id!r} is no volume's id.")
        return self._folder / f"{volume_id}.json"
