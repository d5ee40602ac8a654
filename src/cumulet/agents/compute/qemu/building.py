"""Making a guest: its machine chosen, its disks made, its cards plugged. Each step finds what was made before."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from cumulet.agents.compute.folders import Card, Drive, Record
from cumulet.agents.compute.protocols import Disk, Guest
from cumulet.agents.compute.qemu import addresses, command, disks, firmware, limits, machine, volumes
from cumulet.agents.compute.qemu.host import Host

_CONFIG_SLOT: Final = 200
_CMDLINE: Final = "root=/dev/vda console=tty0 console=ttyS0 no_timer_check"


def prepare(host: Host, guest: Guest) -> Record:
    """A record with everything on disk that the guest needs to start."""
    guest = with_image(host, guest)
    directory = host.folders.make(guest.id)
    record = host.folders.find(guest.id) or Record(guest=guest)
    record.guest = guest
    record.machine = record.machine or machine.choose(guest, host.config)
    host.folders.save(record)
    lay_out(host, record)
    make_local(host, record)
    firmware.make(directory, record.machine["firmware"])
    record.state = "built"
    host.folders.save(record)
    return record


def with_image(host: Host, guest: Guest) -> Guest:
    """The guest with what Image says of its image, where whoever asked has not said it."""
    if guest.image_id is None or (guest.image.get("id") == guest.image_id and guest.image.get("disk_format")):
        return guest
    return msgspec.structs.replace(guest, image=host.images.show(guest.image_id) | guest.image)


def lay_out(host: Host, record: Record) -> None:
    """Disks and cards in Nova's order, each at its place: root, ephemeral, swap, volumes; then the cards."""
    guest, flavor = record.guest, record.guest.flavor
    record.drives, record.cards = [], []
    booting = [disk for disk in guest.volumes if disk.boot_index is not None and disk.boot_index >= 0]
    booting.sort(key=lambda disk: disk.boot_index or 0)
    if guest.image_id is not None and not any(disk.boot_index == 0 for disk in booting):
        base = host.images.fetch(guest.image)
        _add(host, record, "root", disks.overlay_node(disks.ROOT, base.path, "root"), boot=0)
    for disk in booting:
        add_volume(host, record, disk)
    if int(flavor.get("ephemeral") or 0):
        _add(host, record, "ephemeral0", disks.flat_node(disks.ephemeral(0), "ephemeral0"))
    if int(flavor.get("swap") or 0):
        _add(host, record, "swap", disks.flat_node(disks.SWAP, "swap"))
    for disk in guest.volumes:
        if disk not in booting:
            add_volume(host, record, disk)
    if guest.config_drive and guest.drive:
        node = disks.flat_node(disks.CONFIG, "config", readonly=True)
        bus = str(record.machine["cdrom_bus"])
        kind = "disk" if bus == "virtio" else "cdrom"
        slot = command.free_slot(record, host.config) if kind == "disk" else _CONFIG_SLOT
        record.drives.append(Drive(id="config", slot=slot, node=node, bus=bus, kind=kind, readonly=True))
    for vif in guest.vifs:
        add_card(host, record, vif)
    record.kernel = kernel_of(host, guest.image)


def _add(host: Host, record: Record, name: str, node: dict[str, Any], *, boot: int | None = None) -> None:
    slot, bus = command.free_slot(record, host.config), str(record.machine["disk_bus"])
    held = limits.of_flavor(record.guest.flavor)
    record.drives.append(Drive(id=f"disk-{name}", slot=slot, node=node, bus=bus, boot=boot, limits=held))


def add_volume(host: Host, record: Record, disk: Disk) -> Drive:
    """Enter a volume; one that is there is given back."""
    for drive in record.drives:
        if drive.volume_id == disk.volume_id:
            return drive
    serial = disk.serial or disk.volume_id
    drive = Drive(
        id=f"volume-{disk.volume_id}",
        slot=command.free_slot(record, host.config),
        node=volumes.node_of(disk),
        objects=volumes.objects_of(disk),
        keys=volumes.keys_of(disk),
        bus=disk.bus or str(record.machine["disk_bus"]),
        kind="cdrom" if disk.device_type == "cdrom" else "disk",
        serial=serial[:20] if (disk.bus or record.machine["disk_bus"]) == "virtio" else serial,
        boot=disk.boot_index if disk.boot_index is not None and disk.boot_index >= 0 else None,
        volume_id=disk.volume_id,
        device=disk.device,
        limits=limits.of_volume(disk),
    )
    record.drives.append(drive)
    return drive


def add_card(host: Host, record: Record, vif: dict[str, Any]) -> Card:
    for card in record.cards:
        if card.port_id == vif["id"]:
            return card
    mac = str(vif.get("mac_address") or vif.get("mac"))
    slot = command.free_slot(record, host.config)
    model = str(record.machine["card_model"])
    queues = int(record.machine.get("queues") or 1)
    card = Card(port_id=vif["id"], mac=mac, slot=slot, mtu=int(vif.get("mtu") or 0), model=model, queues=queues)
    record.cards.append(card)
    return card


def make_local(host: Host, record: Record) -> None:
    """The files of its local disks, those that are not there yet."""
    guest, flavor, directory = record.guest, record.guest.flavor, host.folders.of(record.id)
    names = {drive.id for drive in record.drives}
    for drive in record.drives:
        volumes.write_keys(directory, drive)
    if "disk-root" in names and not (directory / disks.ROOT).exists():
        disks.make_root(directory, host.images.fetch(guest.image), int(flavor.get("disk") or 0))
    if "disk-ephemeral0" in names and not (directory / disks.ephemeral(0)).exists():
        disks.make_ephemeral(directory, 0, int(flavor["ephemeral"]), host.config.ephemeral_format)
    if "disk-swap" in names and not (directory / disks.SWAP).exists():
        disks.make_swap(directory, int(flavor["swap"]))
    if "config" in names and not (directory / disks.CONFIG).exists():
        disks.make_config_drive(directory, addresses.filled(record))


def kernel_of(host: Host, image: dict[str, Any]) -> dict[str, str]:
    """A kernel of its own, where the image names one."""
    if not image.get("kernel_id"):
        return {}
    kernel = host.images.fetch(host.images.show(str(image["kernel_id"])))
    found = {"kernel": str(kernel.path), "append": str(image.get("os_command_line") or _CMDLINE)}
    if image.get("ramdisk_id"):
        found["ramdisk"] = str(host.images.fetch(host.images.show(str(image["ramdisk_id"]))).path)
    return found
