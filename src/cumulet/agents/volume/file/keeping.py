"""Removing layers that nothing needs, and joining those that need not be apart."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from cumulet.agents.volume import qemu
from cumulet.agents.volume.durable import sync_directory, sync_file
from cumulet.agents.volume.file.layers import Layers, format_of
from cumulet.agents.volume.file.records import Record, Records
from cumulet.agents.volume.locks import Locks
from cumulet.agents.volume.protocols import Refused

log = logging.getLogger(__name__)


class _Users(NamedTuple):
    """Who needs each layer: `direct`, how many records name it; `above`, how many layers stand upon it."""

    direct: Counter[str]
    above: Counter[str | None]


class _Pair(NamedTuple):
    """Two layers that could be one: `upper` stands upon `lower`."""

    upper: str
    lower: str


class Keeping:
    """The order in a directory. Several hosts may share it: a file lock holds between a new layer and its record."""

    def __init__(self, folder: Path, layers: Layers, records: Records, locks: Locks) -> None:
        self._all_records = folder / "volumes"
        self._lock_file = folder / "lock"
        self._layers = layers
        self._records = records
        self._locks = locks
        self._used: Counter[str] = Counter()
        self._mutex = threading.Lock()

    @contextlib.contextmanager
    def undisturbed(self) -> Iterator[None]:
        """While layers are made that no record names yet. Any number at a time."""
        with self._locked(fcntl.LOCK_SH):
            yield

    @contextlib.contextmanager
    def _locked(self, kind: int) -> Iterator[None]:
        file = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, kind)
            yield
        finally:
            os.close(file)

    @contextlib.contextmanager
    def used(self, layer: str) -> Iterator[None]:
        """While a layer is read: it is neither removed nor joined with another."""
        with self._mutex:
            self._used[layer] += 1
        try:
            yield
        finally:
            with self._mutex:
                self._used[layer] -= 1

    def collect(self) -> None:
        """Remove what no record needs. Left for the next time while layers are being made."""
        with contextlib.suppress(BlockingIOError), self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
            self._layers.sweep()
            there = set(self._layers.all())
            needed = self._needed(there)
            for layer in there - needed:
                log.info("layer %s is not needed any more", layer)
                self._layers.path(layer).unlink(missing_ok=True)

    def _needed(self, there: set[str]) -> set[str]:
        with self._mutex:
            tops = {layer for layer, users in self._used.items() if users}
        for record in self._everywhere():
            tops |= record.layers()
        needed: set[str] = set()
        for top in tops & there:
            for layer in self._layers.chain(top):
                if layer in needed:
                    break
                needed.add(layer)
        return needed

    def _everywhere(self) -> Iterator[Record]:
        """The records of all hosts that share the directory."""
        for file in self._all_records.glob("*/[!.]*.json"):
            with contextlib.suppress(FileNotFoundError):
                yield msgspec.json.decode(file.read_bytes(), type=Record)

    # -- joining ---------------------------------------------------------------------------------------------------

    def flatten(self) -> None:
        """Join layers that need not be apart. What is in use is left alone."""
        users = self._users()
        for volume_id, record in list(self._records.all()):
            if not record.attachments and self._pair(record, users) is not None:
                self._join(volume_id)

    def _users(self) -> _Users:
        direct: Counter[str] = Counter()
        for record in self._everywhere():
            direct.update(record.layers())
        above = Counter(self._layers.below(layer) for layer in self._layers.all())
        return _Users(direct, above)

    def _pair(self, record: Record, users: _Users) -> _Pair | None:
        """The first layer, from the head down, that the volume does not need for itself, and the one upon it. Only
        layers that nothing but this volume stands upon are looked at, and that nobody reads."""
        upper = record.head
        if (
            record.pending is not None
            or record.moving is not None
            or record.encrypted
            or not self._layers.path(upper).exists()
            or users.direct[upper] != 1
            or users.above[upper]
        ):
            return None
        own = record.layers()
        while (lower := self._layers.below(upper)) is not None and users.above[lower] == 1:
            with self._mutex:
                read = self._used[lower] + self._used[upper]
            if read:
                return None
            if not users.direct[lower]:
                return _Pair(upper, lower)
            if lower not in own or users.direct[lower] != 1:
                return None
            upper = lower
        return None

    def _join(self, volume_id: str) -> None:
        with self._locks.unless_busy(volume_id) as held:
            if not held:
                return
            try:
                with self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
                    self._join_alone(volume_id)
            except BlockingIOError:
                log.debug("volume %s is joined later: layers are being made", volume_id)

    def _join_alone(self, volume_id: str) -> None:
        """Write a layer into what is below it, which then is the layer. Until then the upper one shows everything."""
        record = self._records.find(volume_id)
        if record is None or record.attachments:
            return
        pair = self._pair(record, self._users())
        if pair is None or (pair.upper != record.head and format_of(pair.lower) != format_of(pair.upper)):
            return
        upper, lower = (self._layers.path(layer) for layer in pair)
        try:
            qemu.img("commit", "-q", "-d", "-f", format_of(pair.upper), upper)
        except Refused as error:
            log.info("volume %s stays a chain for now: %s", volume_id, error)
            return
        sync_file(lower)
        if pair.upper != record.head:  # a snapshot, and the layer upon it, know it by its name
            lower.replace(upper)
            sync_directory(self._layers.folder)
            return
        record.head = pair.lower
        self._layers.grow(pair.lower, record.size_gb)
        self._records.put(volume_id, record)
        upper.unlink(missing_ok=True)
