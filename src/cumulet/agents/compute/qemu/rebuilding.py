"""A guest with another root disk: rebuilt for good, or rescued for a while."""

from __future__ import annotations

import shutil
from typing import Final

import msgspec

from cumulet.agents.compute.folders import CONSOLE_LOG, Card, Drive, Record
from cumulet.agents.compute.protocols import Guest
from cumulet.agents.compute.qemu import building, command, disks, firmware, limits, machine, power, processes, tpm
from cumulet.agents.compute.qemu.host import Host

RESCUE: Final = "disk.rescue"


def rebuild(host: Host, record: Record, guest: Guest) -> None:
    """Local disks anew. Said first that it is under way, so that an interrupted one is built to its end."""
    directory = host.folders.of(record.id)
    guest = building.with_image(host, guest)
    if guest.image_id is not None:
        host.images.fetch(guest.image)  # before anything is gone
    processes.kill(directory)
    record.guest, record.state, record.rescue = guest, "building", {}
    record.machine = machine.choose(guest, host.config)
    host.folders.save(record)
    for name in (disks.ROOT, disks.ephemeral(0), disks.SWAP, disks.CONFIG, RESCUE, firmware.VARIABLES, power.MEMORY):
        (directory / name).unlink(missing_ok=True)
    shutil.rmtree(directory / tpm.STATE, ignore_errors=True)
    (directory / CONSOLE_LOG).unlink(missing_ok=True)
    record = building.prepare(host, guest)
    power.on(host, record)


def rescue(host: Host, record: Record, guest: Guest, *, patience_s: float) -> None:
    """Start it from the rescue image; its own root is the second disk, or everything stays where it is and the rescue
    disk comes last (stable device rescue: the image has hw_rescue_device or hw_rescue_bus)."""
    directory = host.folders.of(record.id)
    guest = building.with_image(host, guest)
    base = host.images.fetch(guest.image)
    if not record.rescue:
        power.off(host, record, within_s=patience_s)
        kept = {"drives": record.drives, "cards": record.cards, "kernel": record.kernel, "image": record.guest.image}
        record.rescue = msgspec.to_builtins(kept)
        stable = bool(guest.image.get("hw_rescue_device") or guest.image.get("hw_rescue_bus"))
        _rearrange(host, record, disks.overlay_node(RESCUE, base.path, "rescue"), stable=stable)
        record.kernel = building.kernel_of(host, guest.image)
        host.folders.save(record)
    if not (directory / RESCUE).exists():
        disks.make_root(directory, base, 0, RESCUE)
    power.on(host, record)


def _rearrange(host: Host, record: Record, node: dict[str, object], *, stable: bool) -> None:
    root = next((drive for drive in record.drives if drive.id == "disk-root"), None)
    others = [drive for drive in record.drives if drive is not root]
    for drive in record.drives:
        drive.boot = None
    held, bus = limits.of_flavor(record.guest.flavor), str(record.machine["disk_bus"])
    new = Drive(id="disk-rescue", slot=0, node=node, bus=bus, boot=0, limits=held)
    if stable:
        new.slot = command.free_slot(record, host.config)
        record.drives.append(new)
        return
    record.drives = [new, *([root] if root is not None else []), *others]
    placed = [drive for drive in record.drives if drive.kind != "cdrom"]
    for slot, drive in enumerate(placed):
        drive.slot = slot
    for slot, card in enumerate(record.cards, len(placed)):
        card.slot = slot


def unrescue(host: Host, record: Record) -> None:
    if not record.rescue:
        power.on(host, record)
        return
    directory = host.folders.of(record.id)
    processes.kill(directory)
    kept = record.rescue
    record.drives = msgspec.convert(kept["drives"], list[Drive])
    record.cards = msgspec.convert(kept["cards"], list[Card])
    record.kernel = kept["kernel"]
    record.rescue = {}
    host.folders.save(record)
    (directory / RESCUE).unlink(missing_ok=True)
    power.on(host, record)
