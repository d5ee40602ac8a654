"""The guides' volume group: thin logical volumes (`cinder-volumes`), snapshots and clones as thin snapshots.

It needs a kernel with device mapper. Volumes are called `volume-<id>`, snapshots `_snapshot-<id>`, as operators know
them; what is being made has the tag `cumulet-new`, so that a crash leaves nothing that passes for a volume.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from cumulet.agents.volume import qemu
from cumulet.agents.volume.devices.files import FileDevice
from cumulet.agents.volume.exports import Exports
from cumulet.agents.volume.protocols import (
    BackendReport,
    BlockDevice,
    Connector,
    Extended,
    InUse,
    Made,
    Manageable,
    NoSuchReference,
    NoSuchSnapshot,
    NoSuchVolume,
    Pool,
    Refused,
    Volume,
    raw_disk,
)

GIB: Final = 1 << 30
_NEW: Final = "cumulet-new"
_POOL: Final = "cumulet-pool"
_SNAPSHOT: Final = "_snapshot-"  # lvcreate refuses names that begin with "snapshot"
_TOOL_S: Final = 120.0


def lvm_is_missing() -> str | None:
    """Why LVM cannot work on this host, None where it can."""
    if "device-mapper" not in Path("/proc/misc").read_text() or not Path("/dev/mapper/control").exists():
        return "the kernel has no device mapper"
    if shutil.which("lvs") is None:
        return "lvm2 is not installed"
    return None


class LvmDriver:
    """One volume group with one thin pool that takes all of it."""

    simulated = False

    def __init__(self, *, name: str, host: str, group: str, volume_backend_name: str, exports: Exports) -> None:
        self._name, self._host, self._group = name, host, group
        self._backend_name = volume_backend_name
        self._exports = exports

    # -- LVM itself ------------------------------------------------------------------------------------------------

    def _lvs(self) -> dict[str, dict[str, str]]:
        fields = "lv_name,lv_size,lv_tags,lv_attr,origin,data_percent,lv_device_open"
        said = qemu.run(
            ["lvs", "--reportformat", "json", "--units", "b", "--nosuffix", "-o", fields, self._group],
            timeout_s=_TOOL_S,
        )
        rows = msgspec.json.decode(said)["report"][0]["lv"]
        return {row["lv_name"]: row for row in rows}

    def _run(self, *argv: str) -> None:
        qemu.run(argv, timeout_s=_TOOL_S)

    def _path(self, name: str) -> Path:
        return Path("/dev") / self._group / name

    def _pool(self) -> None:
        if _POOL not in self._lvs():
            self._run("lvcreate", "-y", "-T", "-l", "95%VG", f"{self._group}/{_POOL}")

    def _size_gb(self, name: str) -> int:
        row = self._lvs().get(name)
        if row is None:
            raise NoSuchVolume(f"There is no logical volume {name}.")
        return -(-int(row["lv_size"]) // GIB)

    def _make(self, name: str, make: Callable[[], None]) -> None:
        """Make it under a tag that is taken away at its end; what was left half made is removed first."""
        row = self._lvs().get(name)
        if row is not None and _NEW not in row["lv_tags"].split(","):
            return
        if row is not None:
            self._run("lvremove", "-f", f"{self._group}/{name}")
        make()
        self._run("lvchange", "--deltag", _NEW, f"{self._group}/{name}")

    def _thin(self, name: str, size_gb: int) -> None:
        self._pool()
        self._run("lvcreate", "-y", "-V", f"{size_gb}g", "-T", f"{self._group}/{_POOL}", "-n", name, "--addtag", _NEW)

    def _snapshot(self, name: str, of: str) -> None:
        self._run("lvcreate", "-y", "-s", "-kn", "-n", name, "--addtag", _NEW, f"{self._group}/{of}")
        self._run("lvchange", "-ay", "-K", f"{self._group}/{name}")

    def _remove(self, name: str) -> None:
        row = self._lvs().get(name)
        if row is None:
            return
        if row.get("lv_device_open") == "open":
            raise InUse(f"Logical volume {name} is open.")
        self._run("lvremove", "-f", f"{self._group}/{name}")

    def _grow(self, name: str, size_gb: int) -> None:
        if self._size_gb(name) < size_gb:
            self._run("lvextend", "-L", f"{size_gb}g", f"{self._group}/{name}")

    # -- the driver ------------------------------------------------------------------------------------------------

    def report(self) -> BackendReport:
        said = qemu.run(
            ["vgs", "--reportformat", "json", "--units", "b", "--nosuffix", "-o", "vg_size,vg_free", self._group],
            timeout_s=_TOOL_S,
        )
        group, volumes = msgspec.json.decode(said)["report"][0]["vg"][0], self._lvs()
        total, free = int(group["vg_size"]) / GIB, int(group["vg_free"]) / GIB
        if _POOL in volumes:
            size = int(volumes[_POOL]["lv_size"]) / GIB
            free += size * (1 - float(volumes[_POOL]["data_percent"] or 0) / 100)
        sizes = [int(row["lv_size"]) / GIB for name, row in volumes.items() if name.startswith("volume-")]
        pool = Pool(self._backend_name, round(total, 2), round(free, 2), round(sum(sizes), 2), len(sizes))
        return BackendReport(
            name=self._name,
            volume_backend_name=self._backend_name,
            driver="lvm",
            storage_protocol="nbd",
            pools=[pool],
            multiattach=True,
            encryption=False,
        )

    def upkeep(self) -> list[str]:
        return []

    def create(self, volume: Volume) -> Made:
        self._plain_only(volume)
        name = f"volume-{volume.id}"
        self._make(name, lambda: self._thin(name, volume.size_gb))
        return Made(self._size_gb(name))

    @staticmethod
    def _plain_only(volume: Volume) -> None:
        if volume.key is not None or volume.source_key is not None:
            raise Refused("The LVM back end keeps no encrypted volumes.")

    def clone(self, volume: Volume, source_id: str) -> Made:
        return self._copied(volume, f"volume-{source_id}")

    def from_snapshot(self, volume: Volume, snapshot_id: str, source_id: str) -> Made:
        return self._copied(volume, f"{_SNAPSHOT}{snapshot_id}")

    def _copied(self, volume: Volume, source: str) -> Made:
        self._plain_only(volume)
        name = f"volume-{volume.id}"

        def make() -> None:
            self._snapshot(name, source)
            self._grow(name, volume.size_gb)

        self._make(name, make)
        return Made(self._size_gb(name))

    def from_file(self, volume: Volume, file: Path, format_: Literal["raw", "qcow2"]) -> Made:
        self._plain_only(volume)
        name = f"volume-{volume.id}"

        def make() -> None:
            self._thin(name, volume.size_gb)
            given = ("-n", "--target-is-zero", "-f", format_, "-O", "raw", file, self._path(name))
            qemu.img("convert", *given, foreign=True)

        self._make(name, make)
        return Made(self._size_gb(name))

    def delete(self, volume_id: str) -> None:
        self._exports.close(volume_id)
        self._remove(f"volume-{volume_id}")

    def extend(self, volume_id: str, size_gb: int, key: str | None = None) -> Extended:
        name = f"volume-{volume_id}"
        self._grow(name, size_gb)
        if self._exports.is_alive(volume_id):
            self._exports.grow(volume_id, size_gb * GIB)
        return Extended(self._size_gb(name), online=self._lvs()[name].get("lv_device_open") == "open")

    def create_snapshot(self, snapshot_id: str, volume_id: str, key: str | None = None) -> None:
        name = f"{_SNAPSHOT}{snapshot_id}"
        self._make(name, lambda: self._snapshot(name, f"volume-{volume_id}"))

    def delete_snapshot(self, snapshot_id: str, volume_id: str) -> None:
        self._remove(f"{_SNAPSHOT}{snapshot_id}")

    def revert(self, volume_id: str, snapshot_id: str, key: str | None = None) -> None:
        """The snapshot stays: the volume is put aside, made anew from it, then what was aside is removed."""
        name, aside = f"volume-{volume_id}", f"reverted-{volume_id}"
        there = self._lvs()
        if f"{_SNAPSHOT}{snapshot_id}" not in there:
            raise NoSuchSnapshot(f"There is no snapshot {snapshot_id}.")
        size_gb = self._size_gb(name if name in there else aside)
        if aside not in there:
            if there[name].get("lv_device_open") == "open":
                raise InUse(f"Volume {volume_id} is attached.")
            self._run("lvrename", self._group, name, aside)

        def make() -> None:
            self._snapshot(name, f"{_SNAPSHOT}{snapshot_id}")
            self._grow(name, size_gb)

        self._make(name, make)
        self._remove(aside)

    def connect(
        self, volume_id: str, attachment_id: str, connector: Connector, mode: str, key: str | None = None
    ) -> dict[str, Any]:
        path, size = self._path(f"volume-{volume_id}"), self._size_gb(f"volume-{volume_id}") * GIB
        direct = connector.host in (None, self._host)
        told: dict[str, Any] = {"path": str(path), "device_path": str(path)}
        if not direct:
            told = self._exports.open(
                volume_id, path, "raw", writable=mode == "rw", local=False, key=None, user=attachment_id
            )
        data = {**told, **raw_disk(volume_id, mode, size)}
        return {"driver_volume_type": "local" if direct else "nbd", "data": data}

    def disconnect(self, volume_id: str, attachment_id: str) -> None:
        self._exports.end(volume_id, attachment_id)

    @contextlib.contextmanager
    def opened(
        self, volume_id: str, snapshot_id: str | None = None, *, writable: bool = False, key: str | None = None
    ) -> Iterator[BlockDevice]:
        name = f"volume-{volume_id}" if snapshot_id is None else f"{_SNAPSHOT}{snapshot_id}"
        size = self._size_gb(name) * GIB
        passing = None
        if snapshot_id is None and not writable and self._lvs()[name].get("lv_device_open") == "open":
            passing = f"reading-{volume_id}"
            self._make(passing, lambda: self._snapshot(passing or "", name))
        try:
            with FileDevice(self._path(passing or name), size, writable=writable) as device:
                yield device
        finally:
            if passing is not None:
                self._remove(passing)

    def manage(self, volume: Volume, reference: dict[str, str]) -> Made:
        name, given = f"volume-{volume.id}", reference.get("source-name", "")
        there = self._lvs()
        if name not in there:
            if given not in there or given == _POOL:
                raise NoSuchReference(f"There is no logical volume {given!r}.")
            self._run("lvrename", self._group, given, name)
        return Made(self._size_gb(name))

    def unmanage(self, volume_id: str) -> None:
        self._exports.close(volume_id)
        if f"volume-{volume_id}" in self._lvs():
            self._run("lvrename", self._group, f"volume-{volume_id}", f"unmanaged-{volume_id}")

    def manage_snapshot(self, snapshot_id: str, volume_id: str, reference: dict[str, str]) -> Made:
        name, given, there = f"{_SNAPSHOT}{snapshot_id}", reference.get("source-name", ""), self._lvs()
        if name not in there:
            if given not in there or there[given]["origin"] != f"volume-{volume_id}":
                raise NoSuchReference(f"Volume {volume_id} has no snapshot {given!r}.")
            self._run("lvrename", self._group, given, name)
        return Made(self._size_gb(name))

    def manageable(self, known: Sequence[str]) -> list[Manageable]:
        return [self._offered(row, "volume-", known) for row in self._lvs().values() if not row["origin"]]

    def manageable_snapshots(self, known: Sequence[str]) -> list[Manageable]:
        return [
            msgspec.structs.replace(self._offered(row, _SNAPSHOT, known), source={"source-name": row["origin"]})
            for row in self._lvs().values()
            if row["origin"]
        ]

    @staticmethod
    def _offered(row: dict[str, str], prefix: str, known: Sequence[str]) -> Manageable:
        name, size_gb = row["lv_name"], -(-int(row["lv_size"]) // GIB)
        id_ = name.removeprefix(prefix)
        if id_ in known:
            return Manageable({"source-name": name}, size_gb, False, "already managed", id_)
        if row.get("lv_device_open") == "open" or name == _POOL:
            return Manageable({"source-name": name}, size_gb, False, "volume in use")
        return Manageable({"source-name": name}, size_gb, True)
