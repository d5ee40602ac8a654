"""Making a container: its drives and cards laid out, its own disks made. Each step finds what was made before."""

from __future__ import annotations

import string
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec

from cumulet.agents.compute.container import disks
from cumulet.agents.compute.folders import Card, Drive, Record
from cumulet.agents.compute.protocols import Disk, Guest
from cumulet.agents.compute.qemu import disks as plain
from cumulet.agents.compute.qemu import volumes
from cumulet.agents.compute.qemu.host import Host


def prepare(host: Host, guest: Guest) -> Record:
    """A record with everything on disk that the container needs to start."""
    guest = with_image(host, guest)
    directory = host.folders.make(guest.id)
    record = host.folders.find(guest.id) or Record(guest=guest, machine={"type": "container"})
    record.guest = guest
    host.folders.save(record)
    lay_out(record)
    make_disks(host, record, directory)
    record.state = "built"
    host.folders.save(record)
    return record


def with_image(host: Host, guest: Guest) -> Guest:
    """The guest with what Image says of its image, where whoever asked has not said it."""
    if guest.image_id is None or (guest.image.get("id") == guest.image_id and guest.image.get("disk_format")):
        return guest
    return msgspec.structs.replace(guest, image=host.images.show(guest.image_id) | guest.image)


def lay_out(record: Record) -> None:
    """Disks in Nova's order (root, ephemeral, swap, volumes), then the cards. The first drive is the root."""
    guest, flavor = record.guest, record.guest.flavor
    record.drives, record.cards = [], []
    booting = [disk for disk in guest.volumes if disk.boot_index is not None and disk.boot_index >= 0]
    booting.sort(key=lambda disk: disk.boot_index or 0)
    if guest.image_id is not None and not any(disk.boot_index == 0 for disk in booting):
        _add(record, "disk-root", disks.ROOT, "root")
    for disk in booting:
        add_volume(record, disk)
    if not record.drives:
        raise ValueError("the container has neither an image nor a volume to start from")
    if int(flavor.get("ephemeral") or 0):
        _add(record, "disk-ephemeral0", plain.ephemeral(0), "ephemeral0")
    if int(flavor.get("swap") or 0):
        _add(record, "disk-swap", plain.SWAP, "swap")
    for disk in guest.volumes:
        add_volume(record, disk)
    if guest.config_drive and guest.drive:
        node = plain.flat_node(disks.CONFIG, "config", readonly=True)
        record.drives.append(Drive(id="config", slot=-1, node=node, readonly=True, kind="cdrom", device="/dev/sr0"))
    for vif in guest.vifs:
        add_card(record, vif)


def _add(record: Record, name: str, file: str, node: str) -> None:
    made = plain.flat_node(file, node)
    record.drives.append(Drive(id=name, slot=len(record.drives), node=made, device=free_name(record)))


def free_name(record: Record, taken: Collection[str] = ()) -> str:
    used = {drive.device for drive in record.drives} | set(taken)
    letters = [*string.ascii_lowercase, *(a + b for a in string.ascii_lowercase for b in string.ascii_lowercase)]
    return next(f"/dev/vd{letter}" for letter in letters if f"/dev/vd{letter}" not in used)


def add_volume(record: Record, disk: Disk) -> Drive:
    """Enter a volume, under the name that was asked for where nothing has it; one that is there is given back.

    Raises ValueError for a connection that this host cannot make.
    """
    for drive in record.drives:
        if drive.volume_id == disk.volume_id:
            return drive
    node = volumes.node_of(disk)
    used = {drive.device for drive in record.drives}
    asked = disk.device if disk.device.startswith("/dev/vd") and disk.device not in used else free_name(record)
    drive = Drive(
        id=f"volume-{disk.volume_id}",
        slot=len(record.drives),
        node=node,
        objects=volumes.objects_of(disk),
        keys=volumes.keys_of(disk),
        serial=(disk.serial or disk.volume_id)[:20],
        readonly=bool(node["read-only"]),
        volume_id=disk.volume_id,
        device=asked if record.drives else "/dev/vda",
    )
    record.drives.append(drive)
    return drive


def add_card(record: Record, vif: dict[str, Any]) -> Card:
    for card in record.cards:
        if card.port_id == vif["id"]:
            return card
    slot = max((one.slot for one in record.cards), default=-1) + 1
    mac = str(vif.get("mac_address") or vif.get("mac"))
    card = Card(port_id=vif["id"], mac=mac, slot=slot, mtu=int(vif.get("mtu") or 0))
    record.cards.append(card)
    return card


def make_disks(host: Host, record: Record, directory: Path) -> None:
    """The files of its own disks, those that are not there yet."""
    guest, flavor = record.guest, record.guest.flavor
    names = {drive.id for drive in record.drives}
    if "disk-root" in names:
        gb = int(flavor.get("disk") or 0)
        disks.make_root(directory, disks.ROOT, host.images, host.config, guest.image, gb)
    if "disk-ephemeral0" in names and not (directory / plain.ephemeral(0)).exists():
        plain.make_ephemeral(directory, 0, int(flavor["ephemeral"]), host.config.ephemeral_format)
    if "disk-swap" in names and not (directory / plain.SWAP).exists():
        plain.make_swap(directory, int(flavor["swap"]))
    if "config" in names and not (directory / disks.CONFIG).exists():
        disks.make_config_drive(directory, guest)
