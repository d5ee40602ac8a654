"""The back ends that share the contract, and how tests look at what is in them."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from cumulet.agents.volume.daemon import Daemon
from cumulet.agents.volume.file.driver import FileDriver
from cumulet.agents.volume.file.options import FileOptions
from cumulet.agents.volume.protocols import BlockDevice, Connector, VolumeDriver
from cumulet.agents.volume.transfer import short_folder
from cumulet.simulator.volume import SimulatedVolumes
from tests.daemons import free_port

GIB = 1 << 30
HERE = Connector(host="node1")
ELSEWHERE = Connector(host="node2", ip="127.0.0.1")

Make = Callable[[Path], VolumeDriver]


@contextlib.contextmanager
def serving_folder() -> Iterator[Path]:
    """A directory whose path is short enough for sockets; daemons that are left in it are ended."""
    with short_folder() as folder:
        yield folder
        for pid in folder.rglob("pid"):
            Daemon(pid.parent).stop()


def simulated(folder: Path) -> VolumeDriver:
    return SimulatedVolumes(folder / "simulated")


def file_options(folder: Path, **rest: object) -> FileOptions:
    values: dict[str, object] = {
        "name": "file",
        "host": "node1",
        "folder": folder / "data",
        "exports_folder": folder / "x",
        "volume_backend_name": "file",
        "first_port": free_port(),
        **rest,
    }
    return FileOptions(**values)  # type: ignore[arg-type]


def qcow2(folder: Path) -> VolumeDriver:
    return FileDriver(file_options(folder))


def raw(folder: Path) -> VolumeDriver:
    return FileDriver(file_options(folder, format="raw"))


BACKENDS: dict[str, Make] = {"simulated": simulated, "qcow2": qcow2, "raw": raw}


def pattern(seed: str, length: int = 1 << 16) -> bytes:
    """Bytes that are not like those of another seed, nor compressible to nothing."""
    return b"".join(hashlib.sha256(f"{seed}{number}".encode()).digest() for number in range(length // 32))


def write(driver: VolumeDriver, volume_id: str, offset: int, data: bytes, key: str | None = None) -> None:
    with driver.opened(volume_id, writable=True, key=key) as device:
        device.write(offset, data)
        device.flush()


def read(
    driver: VolumeDriver,
    volume_id: str,
    offset: int,
    length: int = 1 << 16,
    *,
    snapshot_id: str | None = None,
    key: str | None = None,
) -> bytes:
    with driver.opened(volume_id, snapshot_id, key=key) as device:
        return device.read(offset, length)


def digest(driver: VolumeDriver, volume_id: str, snapshot_id: str | None = None, key: str | None = None) -> str:
    """Of every byte that is not zero, with its place: two volumes with the same one are equal bit for bit."""
    found = hashlib.sha256()
    with driver.opened(volume_id, snapshot_id, key=key) as device:
        found.update(device.size.to_bytes(8))
        pieces = {offset >> 16 for start, end in _spans(device) for offset in range(start, end, 1 << 16)}
        pieces |= {(end - 1) >> 16 for _, end in _spans(device)}
        for number in sorted(pieces):
            data = device.read(number << 16, 1 << 16)
            if data.strip(b"\0"):
                found.update(number.to_bytes(8) + data)
    return found.hexdigest()


def _spans(device: BlockDevice) -> list[tuple[int, int]]:
    return [(start, start + length) for start, length in device.extents()]
