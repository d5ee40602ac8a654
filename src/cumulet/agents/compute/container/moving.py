"""A container with another flavor, here or on another host. What it was stays in `before` until it is confirmed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

from cumulet.agents.compute.container import building, disks, power
from cumulet.agents.compute.folders import RECORD, Record, load, save
from cumulet.agents.compute.protocols import Disk, Guest
from cumulet.agents.compute.qemu import disks as plain
from cumulet.agents.compute.qemu import transfer, volumes
from cumulet.agents.compute.qemu.host import Host

BEFORE: Final = "before"
_OWN: Final = {"disk-root": disks.ROOT, "disk-ephemeral0": plain.ephemeral(0), "disk-swap": plain.SWAP}


def resize(host: Host, record: Record, guest: Guest, *, power_on: bool, patience_s: float) -> None:
    """On this host. Interrupted, it begins again from what was kept."""
    directory = host.folders.of(record.id)
    _require_room(record, guest)
    power.off(host, record, within_s=0 if (directory / BEFORE).exists() else patience_s)
    if not (directory / BEFORE).exists():
        _keep(directory)
    else:
        _bring_back(directory, keep=True)
    record = host.folders.load(record.id)
    _reform(host, record, guest)
    if power_on:
        power.on(host, record)


def _require_room(record: Record, guest: Guest) -> None:
    old, new = int(record.guest.flavor.get("disk") or 0), int(guest.flavor.get("disk") or 0)
    if record.drives and record.drives[0].id == "disk-root" and new < old:
        raise ValueError("Unable to resize disk down.")


def _keep(directory: Path) -> None:
    """A copy of its own disks and its record: complete as soon as it has its name."""
    part = directory / f".{BEFORE}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700)
    for name in (*_OWN.values(), disks.CONFIG, RECORD):
        if (directory / name).exists():
            disks.copy(directory / name, part / name)
    part.rename(directory / BEFORE)


def _bring_back(directory: Path, *, keep: bool) -> None:
    for name in (*_OWN.values(), disks.CONFIG, RECORD):
        kept = directory / BEFORE / name
        if not kept.exists():
            (directory / name).unlink(missing_ok=True)
        elif keep:
            disks.copy(kept, directory / name)
        else:
            kept.replace(directory / name)


def _reform(host: Host, record: Record, guest: Guest) -> None:
    """Its disks as the new flavor has them."""
    directory = host.folders.of(record.id)
    record.guest = building.with_image(host, guest)
    (directory / plain.SWAP).unlink(missing_ok=True)
    building.lay_out(record)
    host.folders.save(record)
    if (directory / disks.ROOT).exists():
        disks.grow(directory / disks.ROOT, int(guest.flavor.get("disk") or 0))
    ephemeral, wanted = directory / plain.ephemeral(0), int(guest.flavor.get("ephemeral") or 0) * disks.GB
    if ephemeral.exists() and ephemeral.stat().st_size < wanted:
        with ephemeral.open("r+b") as file:
            file.truncate(wanted)
    building.make_disks(host, record, directory)


def send(host: Host, record: Record, *, patience_s: float) -> dict[str, Any]:
    """Stop it and offer its own disks; they stay here until it is confirmed or reverted."""
    power.off(host, record, within_s=patience_s)
    record.moved_to = "another host"
    host.folders.save(record)
    return transfer.export(host, record) | {"machine": record.machine}


def receive(host: Host, guest: Guest, offer: dict[str, Any], *, power_on: bool) -> None:
    record = host.folders.find(guest.id)
    if record is None or record.state != "built":
        directory = host.folders.make(guest.id)
        record = record or Record(guest=guest, machine=dict(offer["machine"]))
        host.folders.save(record)
        for name, file in _OWN.items():
            if name in offer["disks"] and not (directory / file).exists():
                transfer.fetch(host, directory, offer, name, directory / file, "raw")
        _reform(host, record, guest)
        record.state = "built"
        power.wish(host, record, "stopped")
    if power_on:
        power.on(host, record)


def confirm(host: Host, record: Record) -> None:
    """What was kept goes: the old form here, or all of it where it left."""
    directory = host.folders.of(record.id)
    if record.moved_to:
        transfer.withdraw(directory)
        host.folders.remove(record.id)
        return
    shutil.rmtree(directory / BEFORE, ignore_errors=True)


def revert(host: Host, record: Record, disks_now: list[Disk], *, power_on: bool, patience_s: float) -> None:
    directory = host.folders.of(record.id)
    if record.moved_to:
        transfer.withdraw(directory)
        _renew_volumes(directory, record, disks_now)
        record.moved_to = ""
        host.folders.save(record)
    elif (directory / BEFORE / RECORD).exists():
        power.off(host, record, within_s=patience_s)
        kept = load(directory / BEFORE)
        _renew_volumes(directory, kept, disks_now)
        save(directory / BEFORE, kept)
        _bring_back(directory, keep=False)
        record = host.folders.load(record.id)
    shutil.rmtree(directory / BEFORE, ignore_errors=True)
    if power_on:
        power.on(host, record)
    else:
        power.wish(host, record, "stopped")


def _renew_volumes(directory: Path, record: Record, disks_now: list[Disk]) -> None:
    for disk in volumes.renew(directory, record, disks_now):
        building.add_volume(record, disk)
