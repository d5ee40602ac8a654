"""Files that were there before: taken over as volumes, and given back."""

from __future__ import annotations

import contextlib
from pathlib import Path

from oslo_utils.imageutils import format_inspector

from cumulet.agents.volume import qemu
from cumulet.agents.volume.durable import sync_directory
from cumulet.agents.volume.file.layers import GIB, Layers, format_of
from cumulet.agents.volume.file.records import Record, Records
from cumulet.agents.volume.protocols import Made, Manageable, NoSuchReference, Refused, Volume

_FORMATS = ("raw", "qcow2")


class Managing:
    """What an operator puts into the directory itself can become a volume: `source-name` is the file's name.

    A snapshot that stands alone does not exist here: only those of a managed volume do.
    """

    def __init__(self, folder: Path, layers: Layers, records: Records) -> None:
        self._folder = folder
        self._layers = layers
        self._records = records

    def manage(self, volume: Volume, reference: dict[str, str]) -> Made:
        """Raises NoSuchReference for what is no raw or qcow2 file there, or has a backing file.

        The file loses its name last: a layer that no record names yet is not needed, and what was interrupted must not
        cost anybody's data.
        """
        record = self._records.find(volume.id)
        if record is None:
            file = self._file(reference)
            format_, size = _inspected(file)
            size_gb = -(-size // GIB)
            layer = self._layers.adopt(file, format_)
            record = Record(size_gb=size_gb, head=layer)
            self._records.put(volume.id, record)
        with contextlib.suppress(NoSuchReference):  # taken away before, or never its
            file = self._file(reference)
            if file.samefile(self._layers.path(record.head)):
                file.unlink()
                sync_directory(self._folder)
        self._layers.grow(record.head, record.size_gb)
        return Made(record.size_gb)

    def _file(self, reference: dict[str, str]) -> Path:
        name = reference.get("source-name") or reference.get("source-id") or ""
        file = self._folder / name
        if not name or Path(name).name != name or name.startswith(".") or file.is_symlink() or not file.is_file():
            raise NoSuchReference(f"There is no file called {name!r}.")
        if name == "lock":
            raise NoSuchReference("That file is no volume.")
        return file

    def unmanage(self, volume_id: str, record: Record) -> None:
        """Leave the data behind as `volume-<id>.<format>`, whole."""
        target = self._folder / f"volume-{volume_id}.{format_of(record.head)}"
        path = self._layers.path(record.head)
        if path.exists():  # otherwise it was renamed already, before a crash
            if self._layers.below(record.head) is not None:
                qemu.img("rebase", "-q", "-f", "qcow2", "-b", "", path)
            path.rename(target)
            sync_directory(self._folder)
        self._records.remove(volume_id)

    def manage_snapshot(self, snapshot_id: str, volume_id: str, reference: dict[str, str]) -> Made:
        record = self._records.get(volume_id)
        if snapshot_id in record.snapshots:
            return Made(record.snapshots[snapshot_id].size_gb)
        raise NoSuchReference(f"Volume {volume_id} has no snapshot {reference.get('source-name', '')!r}.")

    def manageable(self) -> list[Manageable]:
        found = [
            Manageable({"source-name": f"volume-{volume_id}"}, record.size_gb, False, "already managed", volume_id)
            for volume_id, record in self._records.all()
        ]
        for file in sorted(self._folder.iterdir()):
            if file.is_file() and not file.is_symlink() and file.name != "lock" and not file.name.startswith("."):
                found.append(_offered(file))
        return found

    def manageable_snapshots(self) -> list[Manageable]:
        return [
            Manageable(
                {"source-name": f"snapshot-{snapshot_id}"},
                frozen.size_gb,
                False,
                "already managed",
                snapshot_id,
                source={"source-name": f"volume-{volume_id}"},
            )
            for volume_id, record in self._records.all()
            for snapshot_id, frozen in record.snapshots.items()
        ]


def _offered(file: Path) -> Manageable:
    try:
        _, size = _inspected(file)
    except Refused as error:
        return Manageable({"source-name": file.name}, -(-file.stat().st_size // GIB), False, str(error))
    return Manageable({"source-name": file.name}, -(-size // GIB), True)


def _inspected(file: Path) -> tuple[str, int]:
    """Format and size in bytes. Never trusts a file: one with a backing file could show any other of this host."""
    try:
        found = format_inspector.detect_file_format(str(file))
        name = "raw" if str(found) in ("gpt", "iso", "luks", "None") else str(found)
        if name not in _FORMATS:
            raise NoSuchReference(f"{file.name} is {name}, which is no format of volumes.")
        if found is None or name == "raw":
            return "raw", file.stat().st_size
        found.safety_check()
        return name, int(found.virtual_size)
    except (format_inspector.ImageFormatError, format_inspector.SafetyCheckFailed) as error:
        raise NoSuchReference(f"{file.name} is not safe to use: {error}") from None
