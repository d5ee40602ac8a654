"""A simulated volume back end: volumes are small records, with a sparse file each once something is written to them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from cumulet.agents.volume.devices.files import FileDevice, copy_sparse
from cumulet.agents.volume.protocols import (
    BackendReport,
    Connector,
    Extended,
    Made,
    Manageable,
    NoSuchReference,
    NoSuchSnapshot,
    NoSuchVolume,
    Pool,
    Refused,
    Volume,
)

GIB: Final = 1 << 30
_EMPTY: Final = ".empty"


class SimulatedVolume(msgspec.Struct):
    """`data`: the file with its bytes, in the driver's directory; without one all are zeros."""

    size_gb: int
    data: str | None = None
    encrypted: bool = False
    attachments: list[str] = []
    snapshots: dict[str, SimulatedSnapshot] = {}


class SimulatedSnapshot(msgspec.Struct):
    size_gb: int
    data: str | None = None


class Faults(msgspec.Struct):
    """How the driver behaves, by method: `delays` in seconds, `errors` as the sentence a call is refused with."""

    delays: dict[str, float] = msgspec.field(default_factory=dict)
    errors: dict[str, str] = msgspec.field(default_factory=dict)


class SimulatedVolumes:
    """A back end without storage of its own. What is in `folder` is there again when the agent is started anew."""

    simulated = True

    def __init__(
        self, folder: Path, *, name: str = "simulated", total_gb: int = 1_000_000, faults: Faults | None = None
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / _EMPTY).touch(0o600)
        self._folder = folder
        self._name = name
        self._total_gb = total_gb
        self.faults = faults or Faults()
        self._lock = threading.RLock()
        self._volumes: dict[str, SimulatedVolume] = {}
        for file in folder.glob("*.json"):
            self._volumes[file.stem] = msgspec.json.decode(file.read_bytes(), type=SimulatedVolume)

    # -- what tests and the agent ask ------------------------------------------------------------------------------

    def report(self) -> BackendReport:
        with self._lock:
            sizes = [volume.size_gb for volume in self._volumes.values()]
            data = {volume.data for volume in self._volumes.values() if volume.data}
        used = sum((self._folder / file).stat().st_blocks * 512 for file in data if (self._folder / file).exists())
        free = self._total_gb - used / GIB
        pool = Pool(
            name=self._name,
            total_gb=self._total_gb,
            free_gb=round(free, 2),
            provisioned_gb=sum(sizes),
            volumes=len(sizes),
        )
        return BackendReport(
            name=self._name,
            volume_backend_name=self._name,
            driver="simulated",
            storage_protocol="simulated",
            pools=[pool],
            multiattach=True,
        )

    def upkeep(self) -> list[str]:
        return []

    # -- volumes ---------------------------------------------------------------------------------------------------

    def create(self, volume: Volume) -> Made:
        self._behave("create")
        return self._make(volume, lambda: None)

    def clone(self, volume: Volume, source_id: str) -> Made:
        self._behave("clone")
        source = self._volume(source_id)
        return self._make(volume, lambda: self._copied(source.data, volume.id))

    def from_snapshot(self, volume: Volume, snapshot_id: str, source_id: str) -> Made:
        self._behave("from_snapshot")
        snapshot = self._snapshot(source_id, snapshot_id)
        return self._make(volume, lambda: self._copied(snapshot.data, volume.id))

    def from_file(self, volume: Volume, file: Path, format_: Literal["raw", "qcow2"]) -> Made:
        """The file's bytes as they are, whatever its format."""
        self._behave("from_file")

        def take() -> str:
            copy_sparse(file, self._folder / f"{volume.id}.data")
            return f"{volume.id}.data"

        return self._make(volume, take)

    def delete(self, volume_id: str) -> None:
        self._behave("delete")
        with self._lock:
            volume = self._volumes.get(volume_id)
            if volume is not None and volume.snapshots:
                raise Refused(f"Volume {volume_id} has snapshots.")
            self._volumes.pop(volume_id, None)
            (self._folder / f"{volume_id}.json").unlink(missing_ok=True)
            (self._folder / f"{volume_id}.data").unlink(missing_ok=True)

    def extend(self, volume_id: str, size_gb: int, key: str | None = None) -> Extended:
        self._behave("extend")
        with self._changing(volume_id) as volume:
            volume.size_gb = max(volume.size_gb, size_gb)
            return Extended(volume.size_gb, online=bool(volume.attachments))

    # -- snapshots -------------------------------------------------------------------------------------------------

    def create_snapshot(self, snapshot_id: str, volume_id: str, key: str | None = None) -> None:
        self._behave("create_snapshot")
        with self._changing(volume_id) as volume:
            if snapshot_id not in volume.snapshots:
                data = self._copied(volume.data, f"{volume_id}@{snapshot_id}")
                volume.snapshots[snapshot_id] = SimulatedSnapshot(volume.size_gb, data)

    def delete_snapshot(self, snapshot_id: str, volume_id: str) -> None:
        self._behave("delete_snapshot")
        with self._lock:
            if volume_id not in self._volumes:
                return
        with self._changing(volume_id) as volume:
            volume.snapshots.pop(snapshot_id, None)
            (self._folder / f"{volume_id}@{snapshot_id}.data").unlink(missing_ok=True)

    def revert(self, volume_id: str, snapshot_id: str, key: str | None = None) -> None:
        self._behave("revert")
        snapshot = self._snapshot(volume_id, snapshot_id)
        with self._changing(volume_id) as volume:
            (self._folder / f"{volume_id}.data").unlink(missing_ok=True)
            volume.data = self._copied(snapshot.data, volume_id)

    # -- reaching them ---------------------------------------------------------------------------------------------

    def connect(
        self, volume_id: str, attachment_id: str, connector: Connector, mode: str, key: str | None = None
    ) -> dict[str, Any]:
        self._behave("connect")
        with self._changing(volume_id) as volume:
            if attachment_id not in volume.attachments:
                volume.attachments.append(attachment_id)
            path = str(self._folder / f"{volume_id}.data")
            data = {
                "path": path,
                "device_path": path,
                "format": "raw",
                "volume_id": volume_id,
                "access_mode": mode,
                "encrypted": volume.encrypted,
                "qos_specs": None,
                "discard": True,
                "size": volume.size_gb * GIB,
            }
            return {"driver_volume_type": "simulated", "data": data}

    def disconnect(self, volume_id: str, attachment_id: str) -> None:
        self._behave("disconnect")
        with self._lock:
            if volume_id not in self._volumes:
                return
        with self._changing(volume_id) as volume, contextlib.suppress(ValueError):
            volume.attachments.remove(attachment_id)

    @contextlib.contextmanager
    def opened(
        self, volume_id: str, snapshot_id: str | None = None, *, writable: bool = False, key: str | None = None
    ) -> Iterator[FileDevice]:
        """What tests and backups read. A volume without data gets its file with the first writer."""
        self._behave("opened")
        subject: SimulatedVolume | SimulatedSnapshot = (
            self._volume(volume_id) if snapshot_id is None else self._snapshot(volume_id, snapshot_id)
        )
        if writable and subject.data is None:
            with self._changing(volume_id) as volume:
                (self._folder / f"{volume_id}.data").touch(0o600)
                volume.data = f"{volume_id}.data"
        file = self._folder / (subject.data or _EMPTY)
        with FileDevice(file, subject.size_gb * GIB, writable=writable) as device:
            yield device

    # -- things that were there before -----------------------------------------------------------------------------

    def manage(self, volume: Volume, reference: dict[str, str]) -> Made:
        self._behave("manage")
        with self._lock:
            name = reference.get("source-name", "").removeprefix("volume-")
            if volume.id in self._volumes:
                return Made(self._volumes[volume.id].size_gb)
            there = self._folder / f"unmanaged-{name}"
            if not name or "/" in name or not there.exists():
                raise NoSuchReference(f"There is no volume called {reference.get('source-name', '')}.")
            kept = msgspec.json.decode(there.read_bytes(), type=SimulatedVolume)
            if kept.data is not None:
                (self._folder / kept.data).replace(self._folder / f"{volume.id}.data")
                kept.data = f"{volume.id}.data"
            self._volumes[volume.id] = kept
            self._save(volume.id)
            there.unlink()
            return Made(kept.size_gb)

    def unmanage(self, volume_id: str) -> None:
        self._behave("unmanage")
        with self._lock:
            volume = self._volumes.get(volume_id)
            if volume is None:
                return
            volume.attachments = []
            self._write(self._folder / f"unmanaged-{volume_id}", volume)
            del self._volumes[volume_id]
            (self._folder / f"{volume_id}.json").unlink(missing_ok=True)

    def manage_snapshot(self, snapshot_id: str, volume_id: str, reference: dict[str, str]) -> Made:
        raise NoSuchReference("Snapshots of simulated volumes cannot stand alone.")

    def manageable(self, known: Sequence[str]) -> list[Manageable]:
        self._behave("manageable")
        with self._lock:
            ours = {volume_id: volume.size_gb for volume_id, volume in self._volumes.items()}
            found = [_taken(f"volume-{volume_id}", size, volume_id) for volume_id, size in sorted(ours.items())]
            for file in sorted(self._folder.glob("unmanaged-*")):
                volume = msgspec.json.decode(file.read_bytes(), type=SimulatedVolume)
                name = f"volume-{file.name.removeprefix('unmanaged-')}"
                found.append(Manageable(reference={"source-name": name}, size_gb=volume.size_gb, safe=True))
        return found

    def manageable_snapshots(self, known: Sequence[str]) -> list[Manageable]:
        self._behave("manageable_snapshots")
        with self._lock:
            return [
                msgspec.structs.replace(
                    _taken(f"snapshot-{snapshot_id}", snapshot.size_gb, snapshot_id),
                    source={"source-name": f"volume-{volume_id}"},
                )
                for volume_id, volume in sorted(self._volumes.items())
                for snapshot_id, snapshot in sorted(volume.snapshots.items())
            ]

    # -- the parts of it -------------------------------------------------------------------------------------------

    def _behave(self, method: str) -> None:
        delay = self.faults.delays.get(method, 0.0)
        if delay:
            time.sleep(delay)
        if method in self.faults.errors:
            raise Refused(self.faults.errors[method])

    def _volume(self, volume_id: str) -> SimulatedVolume:
        with self._lock:
            volume = self._volumes.get(volume_id)
        if volume is None:
            raise NoSuchVolume(f"There is no volume {volume_id}.")
        return volume

    def _snapshot(self, volume_id: str, snapshot_id: str) -> SimulatedSnapshot:
        snapshot = self._volume(volume_id).snapshots.get(snapshot_id)
        if snapshot is None:
            raise NoSuchSnapshot(f"Volume {volume_id} has no snapshot {snapshot_id}.")
        return snapshot

    def _make(self, volume: Volume, data: Callable[[], str | None]) -> Made:
        with self._lock:
            there = self._volumes.get(volume.id)
            if there is None:
                there = SimulatedVolume(volume.size_gb, data(), volume.key is not None)
                self._volumes[volume.id] = there
                self._save(volume.id)
            return Made(there.size_gb)

    def _copied(self, data: str | None, name: str) -> str | None:
        if data is None:
            return None
        copy_sparse(self._folder / data, self._folder / f"{name}.data")
        return f"{name}.data"

    @contextlib.contextmanager
    def _changing(self, volume_id: str) -> Iterator[SimulatedVolume]:
        with self._lock:
            volume = self._volume(volume_id)
            yield volume
            self._save(volume_id)

    def _save(self, volume_id: str) -> None:
        self._write(self._folder / f"{volume_id}.json", self._volumes[volume_id])

    def _write(self, file: Path, volume: SimulatedVolume) -> None:
        temporary = self._folder / f".{file.name}.new"
        temporary.write_bytes(msgspec.json.encode(volume))
        temporary.replace(file)


def _taken(name: str, size_gb: int, id_: str) -> Manageable:
    return Manageable(reference={"source-name": name}, size_gb=size_gb, safe=False, reason="already managed", id=id_)
