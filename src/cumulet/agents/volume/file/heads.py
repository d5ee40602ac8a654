"""Where guests write: a head that goes on in a new layer, and one that moves from a guest's file to an export.

Each change is entered into the record before it is begun, and finished by whoever looks next (`settled`).

A head that a guest has open as a file keeps its name when a layer is put on top of it; what was there gets another
one. So a guest's definition names the newest layer at any time, also when the guest is off or is started again.

The name changes hands after QEMU has gone on in the new layer, not before: it opens what it wrote to so far anew, to
read only, and by the name that it knows. For the same reason the new layer, which it knows by its first name
(`opened`), is called so again when it is frozen itself.
"""

from __future__ import annotations

import contextlib
from typing import Any, Final

from cumulet.agents.volume.exports import Exports
from cumulet.agents.volume.file.layers import GIB, Layers, format_of, new_name
from cumulet.agents.volume.file.options import FileOptions
from cumulet.agents.volume.file.records import Frozen, Moving, Pending, Record, Records
from cumulet.agents.volume.protocols import Connector, InUse, OpenDisks, Refused

MOST_LAYERS: Final = 256
"""Of a volume in use, whose layers stay apart: a guest's QEMU opens each, and looks for what it reads in each."""


class Heads:
    """The volume's lock is held by who calls. `disks` is the hypervisor of this host, where it can follow."""

    def __init__(
        self, options: FileOptions, layers: Layers, records: Records, exports: Exports, disks: OpenDisks | None
    ) -> None:
        self._options = options
        self._layers = layers
        self._records = records
        self._exports = exports
        self._disks = disks

    def is_direct(self, volume_id: str, record: Record, connector: Connector) -> bool:
        """Whether this attachment is to open the file itself.

        An encrypted volume is opened by this host's own daemon, so its key goes to nobody else. qcow2 has one writer:
        volumes for several guests have the daemon between. Without a hypervisor that follows, or with raw files, whose
        first snapshot is of another format, snapshots of attached volumes need the daemon too.
        """
        follows = self._disks is not None and format_of(record.head) == "qcow2"
        as_files = follows if self._options.nbd_local is None else not self._options.nbd_local
        sees_file = (connector.host in (None, self._options.host) and as_files) or self._options.shared
        plain = not record.encrypted and not connector.shared
        return sees_file and plain and self._exports.of(volume_id) is None

    def must_be_still(self, volume_id: str, record: Record) -> None:
        if self._exports.is_alive(volume_id) or self._layers.is_open(record.head):
            raise InUse(f"Volume {volume_id} is attached.")

    # -- on top of what is there -----------------------------------------------------------------------------------

    def freeze(self, volume_id: str, record: Record, snapshot_id: str | None) -> str:
        """From now on writes go to a new layer. The layer that was written to; InUse when a guest cannot be told."""
        as_file = "local" in record.attachments.values()
        follows = self._disks is not None and format_of(record.head) == "qcow2"
        if record.attachments and not (follows if as_file else self._exports.is_alive(volume_id)):
            self.must_be_still(volume_id, record)
            raise InUse(f"Volume {volume_id} is attached, and nothing tells its guest of a snapshot.")
        if record.attachments and sum(1 for _ in self._layers.chain(record.head)) >= MOST_LAYERS:
            raise InUse(f"Volume {volume_id} has {MOST_LAYERS} layers, which are joined when it is detached.")
        layer = (record.opened if as_file else None) or new_name("qcow2")
        record.pending = Pending(layer, snapshot_id, new_name("qcow2") if as_file else None)
        frozen = record.pending.layer if as_file else record.head
        self._records.put(volume_id, record)
        self._settle(volume_id, record)
        return frozen

    def settled(self, volume_id: str) -> Record:
        """The record, with what was begun and not finished at its end."""
        record = self._records.get(volume_id)
        if record.pending is not None:
            self._settle(volume_id, record)
        if record.moving is not None:
            self._go_on_moving(volume_id, record)
        return record

    def _settle(self, volume_id: str, record: Record) -> None:
        pending = record.pending
        if pending is None:
            return
        if pending.over is not None:
            frozen, head = pending.layer, record.head
            self._cover(volume_id, record, frozen, pending.over)
            record.opened = pending.over
        else:
            frozen, head = record.head, self._layers.overlay(record.head, record.size_gb, pending.layer)
            self._switch_export(volume_id, record, head)
        if pending.snapshot_id is not None:
            record.snapshots[pending.snapshot_id] = Frozen(frozen, record.size_gb)
        record.head, record.pending = head, None
        self._records.put(volume_id, record)

    def _switch_export(self, volume_id: str, record: Record, head: str) -> None:
        if self._exports.is_alive(volume_id):
            self._exports.switch(volume_id, self._layers.path(head))
        elif self._layers.is_open(record.head):
            self._give_up(volume_id, record)
            raise InUse(f"A guest writes to volume {volume_id}.")

    def _cover(self, volume_id: str, record: Record, frozen: str, over: str) -> None:
        head = self._layers.path(record.head)
        self._layers.prepare(record.head, frozen, over, record.size_gb)

        def name() -> None:
            if self._layers.is_open(frozen):
                raise InUse(f"A guest writes to volume {volume_id}, and nothing tells it of a snapshot.")
            self._layers.rename(over, record.head, frozen)

        try:
            if self._disks is None:
                name()
            else:
                self._disks.switch(head, self._layers.path(over), self._layers.path(frozen), name)
        except Refused:
            if self._layers.forget(record.head, frozen, over):
                self._give_up(volume_id, record)
            raise
        self._layers.path(over).unlink(missing_ok=True)

    def _give_up(self, volume_id: str, record: Record) -> None:
        record.pending = None
        self._records.put(volume_id, record)

    # -- from a guest's file to an export --------------------------------------------------------------------------

    def to_export(self, volume_id: str, record: Record) -> None:
        """Have the guest that opened the file reach it through this host's daemon, so that others can join.

        Raises InUse when nothing can tell the guest so.
        """
        if self._disks is None or format_of(record.head) != "qcow2":
            raise InUse(f"Volume {volume_id} is attached as a file; another host cannot join.")
        if self._layers.is_open(record.head):
            self.freeze(volume_id, record, None)
            record.moving = Moving(record.head, new_name("qcow2"))
        else:
            record.moving = Moving(record.head, record.head)
        self._records.put(volume_id, record)
        self._move(volume_id, record, record.moving)

    def _move(self, volume_id: str, record: Record, moving: Moving) -> None:
        """The guest writes to both until they are the same; then the export alone counts."""
        if self._disks is None:
            raise InUse(f"Volume {volume_id} is attached as a file.")

        def ready() -> None:
            record.head = moving.to
            record.attachments = dict.fromkeys(record.attachments, "nbd")
            self._records.put(volume_id, record)

        try:
            found = self._disks.hand_over(
                self._layers.path(moving.of), self._export_of(volume_id, record, moving), ready
            )
            if not found and "local" in record.attachments.values():
                raise InUse(f"Volume {volume_id} is attached as a file, by no guest that could be told of another way.")
        except Refused:
            if "local" in record.attachments.values():  # the file still counts
                self._stay(volume_id, record)
            raise
        record.moving = None
        self._records.put(volume_id, record)

    def _export_of(self, volume_id: str, record: Record, moving: Moving) -> dict[str, Any]:
        if moving.to != moving.of:
            below = self._layers.below(moving.of)
            if below is None:
                raise InUse(f"Volume {volume_id} has nothing below its head.")
            self._layers.overlay(below, record.size_gb, moving.to)
        path = self._layers.path(moving.to)
        told = self._exports.open(volume_id, path, "qcow2", writable=True, local=True, key=None)
        return self.connection(volume_id, record, told, "rw")

    def _go_on_moving(self, volume_id: str, record: Record) -> None:
        """Of a move that was interrupted: its end, or nothing of it."""
        if record.moving is not None:
            with contextlib.suppress(Refused):
                self._move(volume_id, record, record.moving)

    def _stay(self, volume_id: str, record: Record) -> None:
        self._exports.close(volume_id)
        record.moving = None
        self._records.put(volume_id, record)

    @staticmethod
    def connection(volume_id: str, record: Record, told: dict[str, Any], mode: str) -> dict[str, Any]:
        """A connection_info: `told` is how the export is reached, or the file."""
        direct = "path" in told
        data = {
            **told,
            "volume_id": volume_id,
            "access_mode": mode,
            "encrypted": False,
            "qos_specs": None,
            "discard": True,
            "size": record.size_gb * GIB,
        }
        if not direct:
            data |= {"format": "raw", "decrypted": record.encrypted}
        return {"driver_volume_type": "local" if direct else "nbd", "data": data}
