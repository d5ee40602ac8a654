"""A container with another root disk: rebuilt for good, or rescued for a while."""

from __future__ import annotations

import msgspec

from cumulet.agents.compute.container import building, disks, power
from cumulet.agents.compute.folders import CONSOLE_LOG, Drive, Record
from cumulet.agents.compute.protocols import Guest
from cumulet.agents.compute.qemu import disks as plain
from cumulet.agents.compute.qemu.host import Host


def rebuild(host: Host, record: Record, guest: Guest) -> None:
    """Own disks anew. Said first that it is under way, so that an interrupted one is built to its end."""
    directory = host.folders.of(record.id)
    guest = building.with_image(host, guest)
    if guest.image_id is not None:
        host.images.fetch(guest.image)  # before anything is gone
    power.end(host, record)
    record.guest, record.state, record.rescue = guest, "building", {}
    host.folders.save(record)
    for name in (disks.ROOT, plain.ephemeral(0), plain.SWAP, disks.CONFIG, disks.RESCUE, CONSOLE_LOG):
        (directory / name).unlink(missing_ok=True)
    power.on(host, building.prepare(host, guest))


def rescue(host: Host, record: Record, guest: Guest, *, patience_s: float) -> None:
    """Start it from the rescue image; its own root is the second disk, and the others move on by one."""
    directory = host.folders.of(record.id)
    guest = building.with_image(host, guest)
    host.images.fetch(guest.image)
    if not record.rescue:
        power.off(host, record, within_s=patience_s)
        record.rescue = {"drives": msgspec.to_builtins(record.drives)}
        node = plain.flat_node(disks.RESCUE, "rescue")
        others, record.drives = record.drives, [Drive(id="disk-rescue", slot=0, node=node, device="/dev/vda")]
        for drive in others:
            if drive.id != "config":
                drive.device = building.free_name(record)
            record.drives.append(drive)
        host.folders.save(record)
    disks.make_root(directory, disks.RESCUE, host.images, host.config, guest.image, 0)
    power.on(host, record)


def unrescue(host: Host, record: Record) -> None:
    if record.rescue:
        power.end(host, record)
        _restore(record)
        host.folders.save(record)
        (host.folders.of(record.id) / disks.RESCUE).unlink(missing_ok=True)
    power.on(host, record)


def _restore(record: Record) -> None:
    """The drives that it had, without those that were detached meanwhile."""
    there = {drive.id for drive in record.drives}
    kept = msgspec.convert(record.rescue["drives"], list[Drive])
    record.drives = [drive for drive in kept if drive.id in there]
    record.rescue = {}
