"""Volumes as files: thin, snapshots and clones as chains of layers, every change one replaced record.

A crash leaves either the old record or the new one; layers that no record needs are removed by `Keeping`. The one
change with two actors, writing on in a new layer while a guest runs, is entered into the record before it is begun and
finished by whoever looks next.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from cumulet.agents.volume.exports import Exports
from cumulet.agents.volume.file.heads import Heads
from cumulet.agents.volume.file.keeping import Keeping
from cumulet.agents.volume.file.layers import GIB, Layers, format_of
from cumulet.agents.volume.file.managing import Managing
from cumulet.agents.volume.file.options import FileOptions
from cumulet.agents.volume.file.records import Frozen, Record, Records
from cumulet.agents.volume.file.reporting import report_of
from cumulet.agents.volume.locks import Locks
from cumulet.agents.volume.protocols import (
    BackendReport,
    BlockDevice,
    Connector,
    Extended,
    InUse,
    Made,
    Manageable,
    OpenDisks,
    Refused,
    Volume,
)
from cumulet.agents.volume.transfer import opened_file, sweep


class FileDriver:
    """One directory. `disks` is the hypervisor of this host, where there is one that can follow snapshots."""

    simulated = False

    def __init__(self, options: FileOptions, disks: OpenDisks | None = None) -> None:
        options.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._options = options
        self._layers = Layers(options.folder / "layers")
        self._records = Records(options.folder / "volumes" / options.host)
        self._exports = Exports(
            options.exports_folder, address=options.address, first_port=options.first_port, tls=options.tls
        )
        self._heads = Heads(options, self._layers, self._records, self._exports, disks)
        self._locks = Locks()
        self._keeping = Keeping(options.folder, self._layers, self._records, self._locks)
        self._managing = Managing(options.folder, self._layers, self._records)

    def report(self) -> BackendReport:
        return report_of(self._options, self._records)

    # -- volumes ---------------------------------------------------------------------------------------------------

    def create(self, volume: Volume) -> Made:
        return self._make(volume, lambda: self._layers.empty(volume.size_gb, self._format(volume), volume.key))

    def from_file(self, volume: Volume, file: Path, format_: Literal["raw", "qcow2"]) -> Made:
        def convert() -> str:
            target = self._format(volume)
            return self._layers.copy(file, format_, volume.size_gb, target, key=volume.key, foreign=True)

        return self._make(volume, convert)

    def clone(self, volume: Volume, source_id: str) -> Made:
        """A chain where that is cheap; a copy of raw and of encrypted volumes, and for encrypted ones."""
        with self._locks.alone(source_id):
            source = self._heads.settled(source_id)
            if self._records.find(volume.id) is None and self._shares(source, volume):
                shared = self._heads.freeze(source_id, source, None)
                return self._make(volume, lambda: self._layers.overlay(shared, volume.size_gb))
            self._heads.must_be_still(source_id, source)
            return self._make(volume, lambda: self._copy_of(source.head, source, volume))

    def from_snapshot(self, volume: Volume, snapshot_id: str, source_id: str) -> Made:
        with self._locks.alone(source_id):
            source = self._heads.settled(source_id)
            frozen = source.frozen(snapshot_id)
            if self._shares(source, volume):
                return self._make(volume, lambda: self._layers.overlay(frozen.layer, volume.size_gb))
            return self._make(volume, lambda: self._copy_of(frozen.layer, source, volume))

    def _make(self, volume: Volume, layer: Callable[[], str]) -> Made:
        """One that is there already stays as it is."""
        with self._locks.alone(volume.id), self._keeping.undisturbed():
            record = self._records.find(volume.id)
            if record is None:
                head = layer()
                record = Record(size_gb=volume.size_gb, head=head, encrypted=volume.key is not None)
                self._records.put(volume.id, record)
        return Made(record.size_gb, self._layers.path(record.head).stat().st_blocks * 512)

    def _format(self, volume: Volume) -> str:
        return "qcow2" if volume.key is not None else self._options.format

    def _shares(self, source: Record, volume: Volume) -> bool:
        return self._options.format == "qcow2" and not source.encrypted and volume.key is None

    def _copy_of(self, layer: str, source: Record, volume: Volume) -> str:
        return self._layers.copy(
            self._layers.path(layer),
            format_of(layer),
            volume.size_gb,
            self._format(volume),
            source_key=volume.source_key if source.encrypted else None,
            key=volume.key,
        )

    def delete(self, volume_id: str) -> None:
        with self._locks.alone(volume_id):
            record = self._records.find(volume_id)
            if record is not None:
                if record.snapshots:
                    raise Refused(f"Volume {volume_id} has snapshots.")
                self._exports.close(volume_id)
                if self._layers.path(record.head).exists() and self._layers.is_open(record.head):
                    raise InUse(f"A guest has volume {volume_id} open.")
                self._records.remove(volume_id)
            self._keeping.collect()

    def extend(self, volume_id: str, size_gb: int, key: str | None = None) -> Extended:
        with self._locks.alone(volume_id):
            record = self._heads.settled(volume_id)
            if size_gb > record.size_gb:
                record.size_gb, record.grows = size_gb, True
                self._records.put(volume_id, record)
            return Extended(record.size_gb, online=self._grow(volume_id, record, key))

    def _grow(self, volume_id: str, record: Record, key: str | None = None) -> bool:
        """Give the file its size; whether a guest has it open, so that its hypervisor has to do so."""
        if not record.grows:
            return bool(record.attachments)
        if self._exports.is_alive(volume_id):
            self._exports.grow(volume_id, record.size_gb * GIB)
        elif record.attachments and self._layers.is_open(record.head):
            return True
        else:
            self._layers.grow(record.head, record.size_gb, key)
        record.grows = False
        self._records.put(volume_id, record)
        return bool(record.attachments)

    # -- snapshots -------------------------------------------------------------------------------------------------

    def create_snapshot(self, snapshot_id: str, volume_id: str, key: str | None = None) -> None:
        with self._locks.alone(volume_id):
            record = self._heads.settled(volume_id)
            if snapshot_id in record.snapshots:
                return
            if not record.encrypted:
                self._heads.freeze(volume_id, record, snapshot_id)
                return
            self._heads.must_be_still(volume_id, record)
            head = self._layers.path(record.head)
            with self._keeping.undisturbed():
                copy = self._layers.copy(head, "qcow2", record.size_gb, "qcow2", source_key=key, key=key)
                record.snapshots[snapshot_id] = Frozen(copy, record.size_gb)
                self._records.put(volume_id, record)

    def delete_snapshot(self, snapshot_id: str, volume_id: str) -> None:
        with self._locks.alone(volume_id):
            if self._records.find(volume_id) is not None:
                record = self._heads.settled(volume_id)
                if record.snapshots.pop(snapshot_id, None) is not None:
                    self._records.put(volume_id, record)
            self._keeping.collect()

    def revert(self, volume_id: str, snapshot_id: str, key: str | None = None) -> None:
        with self._locks.alone(volume_id):
            record = self._heads.settled(volume_id)
            frozen = record.frozen(snapshot_id)
            self._heads.must_be_still(volume_id, record)
            with self._keeping.undisturbed():
                if record.encrypted:
                    source = self._layers.path(frozen.layer)
                    record.head = self._layers.copy(source, "qcow2", record.size_gb, "qcow2", source_key=key, key=key)
                else:
                    record.head = self._layers.overlay(frozen.layer, record.size_gb)
                self._records.put(volume_id, record)
            self._keeping.collect()

    # -- reaching them ---------------------------------------------------------------------------------------------

    def connect(
        self, volume_id: str, attachment_id: str, connector: Connector, mode: str, key: str | None = None
    ) -> dict[str, Any]:
        with self._locks.alone(volume_id):
            record = self._heads.settled(volume_id)
            direct = self._heads.is_direct(volume_id, record, connector)
            if not direct and "local" in record.attachments.values():
                self._heads.to_export(volume_id, record)
            if record.attachments.get(attachment_id) is None:
                record.attachments[attachment_id] = "local" if direct else "nbd"
                self._records.put(volume_id, record)
            head, format_ = self._layers.path(record.head), format_of(record.head)
            if direct:
                told: dict[str, Any] = {"path": str(head), "device_path": str(head), "format": format_}
            else:
                local = connector.host in (None, self._options.host)
                told = self._exports.open(
                    volume_id, head, format_, writable=mode == "rw", local=local, key=key, user=attachment_id
                )
            return self._heads.connection(volume_id, record, told, mode)

    def disconnect(self, volume_id: str, attachment_id: str) -> None:
        with self._locks.alone(volume_id):
            if self._records.find(volume_id) is None:
                return
            record = self._heads.settled(volume_id)
            if record.attachments.pop(attachment_id, None) is not None:
                self._records.put(volume_id, record)
            if "nbd" not in record.attachments.values():
                self._exports.close(volume_id)
            else:
                self._exports.withdraw(volume_id, attachment_id)
            self._grow(volume_id, record)

    @contextlib.contextmanager
    def opened(
        self, volume_id: str, snapshot_id: str | None = None, *, writable: bool = False, key: str | None = None
    ) -> Iterator[BlockDevice]:
        with contextlib.ExitStack() as stack:
            layer, size_gb = self._still_layer(stack, volume_id, snapshot_id, writable)
            path = self._layers.path(layer)
            yield stack.enter_context(opened_file(path, format_of(layer), size_gb * GIB, writable=writable, key=key))

    def _still_layer(
        self, stack: contextlib.ExitStack, volume_id: str, snapshot_id: str | None, writable: bool
    ) -> tuple[str, int]:
        """A layer that nobody else changes while `stack` is open, and the size of what it shows."""
        with self._locks.alone(volume_id):
            record = self._heads.settled(volume_id)
            layer, size_gb = record.head, record.size_gb
            if snapshot_id is not None:
                layer, size_gb = record.frozen(snapshot_id).layer, record.frozen(snapshot_id).size_gb
            elif writable:
                self._heads.must_be_still(volume_id, record)
            elif record.attachments:
                # A moment's picture: what the guest writes from now on goes to a layer above.
                if record.encrypted:
                    self._heads.must_be_still(volume_id, record)
                else:
                    layer = self._heads.freeze(volume_id, record, None)
            stack.enter_context(self._keeping.used(layer))
        return layer, size_gb

    # -- what was there before -------------------------------------------------------------------------------------

    def manage(self, volume: Volume, reference: dict[str, str]) -> Made:
        with self._locks.alone(volume.id), self._keeping.undisturbed():
            return self._managing.manage(volume, reference)

    def unmanage(self, volume_id: str) -> None:
        with self._locks.alone(volume_id), self._keeping.undisturbed():
            record = self._records.find(volume_id)
            if record is None:
                return
            if record.snapshots:
                raise Refused(f"Volume {volume_id} has snapshots.")
            self._exports.close(volume_id)
            self._managing.unmanage(volume_id, record)

    def manage_snapshot(self, snapshot_id: str, volume_id: str, reference: dict[str, str]) -> Made:
        with self._locks.alone(volume_id):
            return self._managing.manage_snapshot(snapshot_id, volume_id, reference)

    def manageable(self, known: Sequence[str]) -> list[Manageable]:
        return self._managing.manageable()

    def manageable_snapshots(self, known: Sequence[str]) -> list[Manageable]:
        return self._managing.manageable_snapshots()

    # -- keeping order ---------------------------------------------------------------------------------------------

    def upkeep(self) -> list[str]:
        sweep()
        lost = []
        for volume_id, record in list(self._records.all()):
            with self._locks.unless_busy(volume_id) as held:
                if held:
                    with contextlib.suppress(Refused):  # in use: the next one tries again
                        self._heads.settled(volume_id)
                    if self._restore_export(volume_id, record):
                        lost.append(volume_id)
        self._keeping.collect()
        self._keeping.flatten()
        return lost

    def _restore_export(self, volume_id: str, record: Record) -> bool:
        """Serve again what a daemon that died has served; whether that needs the engine: it has the key, and it knows
        who is to be served where nothing here does any more."""
        served = self._exports.of(volume_id)
        if served is None:
            return "nbd" in record.attachments.values() and record.moving is None
        if self._exports.is_alive(volume_id):
            with contextlib.suppress(Refused):
                self._exports.mend(volume_id)
            return False
        if "nbd" not in record.attachments.values():
            self._exports.close(volume_id)
            return False
        if served.encrypted:
            return True
        head = self._records.get(volume_id).head
        with contextlib.suppress(Refused):
            self._exports.open(
                volume_id,
                self._layers.path(head),
                format_of(head),
                writable=served.writable,
                local=served.port is None,
                key=None,
            )
        return False


__all__ = ["FileDriver", "FileOptions"]
