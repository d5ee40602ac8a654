"""A real QEMU (without a guest) opens what the back end hands out, in the words of Compute's agent."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.agents.compute.protocols import Disk
from cumulet.agents.compute.qemu import volumes
from cumulet.agents.volume.daemon import Daemon
from cumulet.agents.volume.file.driver import FileDriver
from cumulet.agents.volume.protocols import Refused, Volume
from cumulet.kernel.settings import write_private
from tests.agents.volume.backends import ELSEWHERE, HERE, file_options, serving_folder

pytestmark = pytest.mark.skipif(
    shutil.which("qemu-system-x86_64") is None, reason="qemu-system-x86_64 is not installed here"
)
VOLUME, SNAPSHOT = "aaaaaaaa-0000-4000-8000-000000000000", "5aaaaaaa-0000"


class Qemu(Daemon):
    """A QEMU whose monitor is at the place where `Daemon.ask` looks for it."""

    def run(self) -> subprocess.Popen[bytes]:
        monitor = f"unix:{self.folder / 'qmp'},server=on,wait=off"
        argv = ["qemu-system-x86_64", "-machine", "none", "-nodefaults", "-display", "none", "-qmp", monitor]
        process = subprocess.Popen(argv, cwd=self.folder)
        limit = time.monotonic() + 60
        while not (self.folder / "qmp").exists():
            assert time.monotonic() < limit
            time.sleep(0.02)
        return process


@pytest.fixture
def place() -> Iterator[Path]:
    with serving_folder() as folder:
        yield folder


@pytest.mark.parametrize("how", ["unix", "tls", "file", "encrypted"])
def test_it_reads_and_sees_it_grow(place: Path, how: str) -> None:
    key = "ab" * 32 if how == "encrypted" else None
    driver = FileDriver(file_options(place, nbd_local=how == "unix"))
    driver.create(Volume(VOLUME, 1, key=key))
    info = driver.connect(VOLUME, "one", ELSEWHERE if how == "tls" else HERE, "rw", key)
    disk = Disk(volume_id=VOLUME, device="/dev/vdb", connection=info)
    qemu = Qemu(place)
    process = qemu.run()
    try:
        _open(qemu, disk)
        if how in ("unix", "tls"):
            driver.create_snapshot(SNAPSHOT, VOLUME)
        assert driver.extend(VOLUME, 2, key).online
        _grow(qemu, volumes.node_name(VOLUME), 2 << 30)
    finally:
        process.kill()
        process.wait()
    driver.disconnect(VOLUME, "one")
    with driver.opened(VOLUME, key=key) as device:
        assert device.size == 2 << 30


def _open(qemu: Qemu, disk: Disk) -> None:
    for name, text in volumes.keys_of(disk).items():
        (qemu.folder / name).mkdir(mode=0o700)
        write_private(qemu.folder / name / "keys.psk", text.encode())
    objects: list[tuple[str, dict[str, Any]]] = [("object-add", one) for one in volumes.objects_of(disk)]
    qemu.ask(*objects, ("blockdev-add", volumes.node_of(disk)), _read(disk.volume_id))


def _read(volume_id: str) -> tuple[str, dict[str, Any]]:
    command = f'qemu-io {volumes.node_name(volume_id)} "read 0 512"'
    return "human-monitor-command", {"command-line": command}


def _grow(qemu: Qemu, node: str, size: int) -> None:
    """As Compute's `extend_volume`: asked again after a read, because that is when a client connects again."""
    limit = time.monotonic() + 60
    while True:
        try:
            qemu.ask(("block_resize", {"node-name": node, "size": size}))
            return
        except Refused:
            assert time.monotonic() < limit
        qemu.ask(_read(VOLUME))
        time.sleep(0.1)
