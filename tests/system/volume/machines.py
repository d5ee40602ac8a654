"""A virtual machine as Compute's agent keeps it, without a guest inside: what it would write, the monitor writes."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

from cumulet.agents.compute.config import HostConfig
from cumulet.agents.compute.folders import Drive, Folders, Record
from cumulet.agents.compute.images import ImageCache
from cumulet.agents.compute.protocols import Disk, Guest
from cumulet.agents.compute.qemu import command, devices, hotplug, processes, volumes
from cumulet.agents.compute.qemu.host import Host
from cumulet.agents.compute.qemu.monitor import is_socket
from cumulet.agents.compute.qemu.open_disks import OpenDisks
from cumulet.agents.host.disks import GuestDisks

SERVER = "bbbbbbbb-0000-4000-8000-000000000000"


def host_of(folder: Path) -> Host:
    """A host whose guests are below `folder`; it has no images."""
    config = HostConfig(host="node1", instances=folder / "g")
    # Nothing is asked of Image: these guests have no image.
    return Host(config, Folders(config.instances), ImageCache(config.cache, None))  # type: ignore[arg-type]


class Machine:
    """One guest of `host`. A second object for the same host finds what the first has left, as a new agent does."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.directory = host.folders.make(SERVER)
        self.disks = GuestDisks(OpenDisks(host))

    def build(self) -> None:
        guest = Guest(id=SERVER, name="g", hostname="g", number=1, flavor={}, image_id=None, vifs=[])
        self.host.folders.save(Record(guest=guest, state="built"))

    @property
    def record(self) -> Record:
        return self.host.folders.load(SERVER)

    def start(self) -> None:
        """With the disks that its record has."""
        for name in (command.MONITOR, command.PID):
            (self.directory / name).unlink(missing_ok=True)
        argv = ["qemu-system-x86_64", "-machine", "q35", "-S", "-m", "64", "-nodefaults", "-display", "none"]
        argv += ["-pidfile", command.PID, "-qmp", f"unix:{command.MONITOR},server=on,wait=off"]
        argv += ["-device", "pcie-root-port,id=port0,chassis=1"]
        self.process = subprocess.Popen(argv, cwd=self.directory)
        limit = time.monotonic() + 60
        while processes.pid_of(self.directory) is None or not is_socket(self.directory / command.MONITOR):
            assert time.monotonic() < limit
            time.sleep(0.02)
        for drive in self.record.drives:
            self._plug(drive)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()

    def enter(self, volume_id: str, connection: dict[str, Any]) -> Drive:
        """What Compute's agent writes down of an attachment."""
        disk = Disk(volume_id=volume_id, device="/dev/vdb", connection=connection)
        record = self.record
        node, objects = volumes.node_of(disk), volumes.objects_of(disk)
        drive = Drive(id=f"volume-{volume_id}", slot=1, node=node, objects=objects, volume_id=volume_id)
        record.drives = [drive]
        self.host.folders.save(record)
        return drive

    def attach(self, volume_id: str, connection: dict[str, Any]) -> None:
        self._plug(self.enter(volume_id, connection))

    def _plug(self, drive: Drive) -> None:
        with processes.monitor(self.directory) as monitor:
            for secret in drive.objects:
                monitor.execute("object-add", secret)
            monitor.execute("blockdev-add", drive.node)
            made = {"driver": "virtio-blk-pci", "id": drive.id, "drive": drive.node["node-name"], "bus": "port0"}
            monitor.execute("device_add", made)

    def write(self, byte: int, block: int) -> None:
        """64 KiB of this byte, as the guest would write and flush them."""
        self._io(f"write -f -P {byte} {block * 64}k 64k")

    def write_part(self, byte: int, block: int) -> None:
        """The third 4 KiB of a block."""
        self._io(f"write -f -P {byte} {block * 64 + 8}k 4k")

    def _io(self, what: str) -> None:
        """On the device, so that it goes the way that a guest's requests go."""
        line = f'qemu-io -d /machine/peripheral/{self.record.drives[0].id}/virtio-backend "{what}"'
        with processes.monitor(self.directory) as monitor:
            said = str(monitor.ask("human-monitor-command", command_line=line)).strip()
        assert not said, said

    def extend(self, volume_id: str, size_gb: int) -> None:
        hotplug.extend_volume(self.host, self.record, volume_id, size_gb)

    def size(self) -> int:
        with processes.monitor(self.directory) as monitor:
            block = devices.block_of(monitor, self.record.drives[0].id)
        assert block is not None
        return int(block["image"]["virtual-size"])

    def files(self) -> set[str]:
        """All that it has open for its disks."""
        with processes.monitor(self.directory) as monitor:
            nodes = monitor.ask("query-named-block-nodes", flat=True)
        return {str(node["file"]) for node in nodes if node["drv"] in ("file", "nbd")}
