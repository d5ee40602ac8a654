"""Opening what a connection_info names, as plain bytes; copying it into a volume."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from cumulet.agents.volume.connector import EXPORT, Connector, served
from cumulet.agents.volume.daemon import Daemon
from cumulet.agents.volume.devices.files import FileDevice
from cumulet.agents.volume.devices.nbd import NbdDevice
from cumulet.agents.volume.nodes import qcow2_node, rbd_node
from cumulet.agents.volume.protocols import BlockDevice, Refused

_PIECE: Final = 4 << 20
_PREFIX: Final = "cumulet-open-"


def copy_into(device: BlockDevice, connection: Mapping[str, Any], key: str | None) -> None:
    """Make `device` hold what the connection's volume does; what it held before is lost. Flushed at the end."""
    with opened_connection(connection, key) as source:
        if source.size > device.size:
            raise Refused("The volume is smaller than what is to be copied into it.")
        position = 0
        for start, length in source.extents():
            if start > position:
                device.zero(position, start - position)
            for offset in range(start, start + length, _PIECE):
                device.write(offset, source.read(offset, min(_PIECE, start + length - offset)))
            position = start + length
        if position < device.size:
            device.zero(position, device.size - position)
        device.flush()


@contextlib.contextmanager
def opened_connection(connection: Mapping[str, Any], key: str | None = None) -> Iterator[BlockDevice]:
    """For reading."""
    data = connection["data"]
    if connection["driver_volume_type"] in ("local", "simulated"):
        with opened_file(Path(data["path"]), data["format"], data["size"], key=key) as device:
            yield device
        return
    if connection["driver_volume_type"] == "rbd":
        pool, _, image = data["name"].partition("/")
        node = rbd_node(pool, image, None, conf=Path(data["ceph_conf"]), user=data["auth_username"], writable=False)
        with opened_node(["--blockdev", msgspec.json.encode(node).decode()]) as opened:
            yield opened
        return
    with short_folder() as folder:
        connector = Connector(folder)
        disk = connector.attach(connection)
        try:
            with NbdDevice(Path(disk.socket or ""), disk.export or "") as device:
                yield device
        finally:
            connector.detach(data["volume_id"])


@contextlib.contextmanager
def opened_file(
    path: Path, format_: str, size: int, *, writable: bool = False, key: str | None = None
) -> Iterator[BlockDevice]:
    """A raw file or device directly, a qcow2 file through a storage daemon of its own."""
    if format_ == "raw":
        if not path.exists():  # a simulated volume to which nothing was written yet
            path = Path("/dev/zero")
        with FileDevice(path, size, writable=writable) as device:
            yield device
        return
    node = qcow2_node(path, writable=writable, encrypted=key is not None)
    with opened_node(node, writable=writable, key=key) as opened:
        yield opened


@contextlib.contextmanager
def opened_node(node: Sequence[str], *, writable: bool = False, key: str | None = None) -> Iterator[BlockDevice]:
    """QEMU's block node `disk`, which these arguments make; the secret object `key` may open it."""
    with short_folder() as folder:
        daemon, socket = Daemon(folder), folder / "nbd"
        arguments = [*node, *served(socket, "disk", EXPORT, writable=writable)]
        daemon.start(arguments, {"key": key} if key is not None else {})
        try:
            with NbdDevice(socket, EXPORT) as device:
                yield device
        finally:
            daemon.stop()


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A directory for sockets, whose path is short enough for them."""
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=_place()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """End what processes that are gone had opened: a daemon of theirs would hold its files for ever."""
    for folder in Path(_place()).glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if not pid.isdigit() or Path("/proc", pid).exists():
            continue
        with contextlib.suppress(FileNotFoundError):  # another process sweeps it away at this moment
            if folder.stat().st_uid == os.geteuid():
                for daemon in folder.rglob("pid"):
                    Daemon(daemon.parent).stop()
                shutil.rmtree(folder, ignore_errors=True)


def _place() -> str:
    return "/run" if os.access("/run", os.W_OK) else tempfile.gettempdir()
