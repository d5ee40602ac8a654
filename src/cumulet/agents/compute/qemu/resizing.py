"""A guest with another flavor, here or on another host. What it was stays in `before` until it is confirmed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

from cumulet.agents.compute.folders import RECORD, Record, load, save
from cumulet.agents.compute.protocols import Disk, Guest
from cumulet.agents.compute.qemu import building, disks, firmware, machine, power, processes, tpm, transfer, volumes
from cumulet.agents.compute.qemu.host import Host
from cumulet.agents.compute.run import image_tool, run

BEFORE: Final = "before"
_OF_FLAVOR: Final = ("topology", "queues", "cpu", "accelerator", "rng", "watchdog", "tpm")
_LOCAL: Final = (disks.ROOT, disks.ephemeral(0), disks.SWAP, disks.CONFIG, firmware.VARIABLES)


def resize(host: Host, record: Record, guest: Guest, *, power_on: bool, patience_s: float) -> None:
    """On this host. Interrupted, it begins again from what was kept."""
    directory = host.folders.of(record.id)
    _require_room(record, guest)
    if not (directory / BEFORE).exists():
        power.off(host, record, within_s=patience_s)
        _keep(directory)
    else:
        processes.kill(directory)
        _bring_back(directory, keep=True)
    record = host.folders.load(record.id)
    _reform(host, record, guest)
    if power_on:
        power.on(host, record)


def _require_room(record: Record, guest: Guest) -> None:
    old, new = int(record.guest.flavor.get("disk") or 0), int(guest.flavor.get("disk") or 0)
    if any(drive.id == "disk-root" for drive in record.drives) and (new < old and (new or old)):
        raise ValueError("Unable to resize disk down.")


def _keep(directory: Path) -> None:
    """A copy of its local disks and its record: complete as soon as it has its name."""
    part = directory / f".{BEFORE}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700)
    (part / tpm.STATE).mkdir(mode=0o700)
    for name in (*_LOCAL, *tpm.files(directory), RECORD):
        if (directory / name).exists():
            run(["cp", "--reflink=auto", "--sparse=always", directory / name, part / name], timeout_s=3600.0)
    part.rename(directory / BEFORE)


def _bring_back(directory: Path, *, keep: bool) -> None:
    for name in (*_LOCAL, *tpm.files(directory / BEFORE)):
        kept = directory / BEFORE / name
        if not kept.exists():
            (directory / name).unlink(missing_ok=True)
        elif keep:
            run(["cp", "--reflink=auto", "--sparse=always", kept, directory / name], timeout_s=3600.0)
        else:
            kept.replace(directory / name)
    kept = directory / BEFORE / RECORD
    if keep:
        shutil.copyfile(kept, directory / RECORD)
    else:
        kept.replace(directory / RECORD)


def _reform(host: Host, record: Record, guest: Guest) -> None:
    """Its disks as the new flavor has them. The machine stays the kind it is, its processors change."""
    directory = host.folders.of(record.id)
    flat = _root_is_flat(record)
    guest = building.with_image(host, guest)
    chosen = machine.choose(guest, host.config)
    record.machine |= {name: chosen[name] for name in _OF_FLAVOR}
    host.hold_cards(record, gone=True)
    record.guest = guest
    (directory / disks.SWAP).unlink(missing_ok=True)
    building.lay_out(host, record)
    if flat:
        make_root_flat(record)
    host.folders.save(record)
    size = int(guest.flavor.get("disk") or 0)
    if size and (directory / disks.ROOT).exists():
        image_tool("resize", "-q", "-f", "qcow2", directory / disks.ROOT, str(size * disks.GB))
    eph, wanted = directory / disks.ephemeral(0), int(guest.flavor.get("ephemeral") or 0) * disks.GB
    if eph.exists() and eph.stat().st_size < wanted:
        with eph.open("r+b") as file:
            file.truncate(wanted)
    building.make_local(host, record)


def _root_is_flat(record: Record) -> bool:
    return any(drive.id == "disk-root" and drive.node.get("backing") is None for drive in record.drives)


def make_root_flat(record: Record) -> None:
    """Its root came from another host in one piece: there is no shared image below."""
    for drive in record.drives:
        if drive.id == "disk-root":
            drive.node = disks.flat_node(disks.ROOT, "root", kind="qcow2")


def send(host: Host, record: Record, *, patience_s: float) -> dict[str, Any]:
    power.off(host, record, within_s=patience_s)
    record.moved_to = "another host"
    host.folders.save(record)
    host.unplug(record)
    offer = transfer.export(host, record)
    return offer | {"machine": record.machine}


def receive(host: Host, guest: Guest, offer: dict[str, Any], *, power_on: bool) -> None:
    directory = host.folders.make(guest.id)
    record = host.folders.find(guest.id)
    if record is not None and record.state == "built":
        if power_on:
            power.on(host, record)
        return
    guest = building.with_image(host, guest)
    record = record or Record(guest=guest, machine=dict(offer["machine"]))
    host.folders.save(record)
    for name, file, kind in (
        ("disk-root", disks.ROOT, "qcow2"),
        ("disk-ephemeral0", disks.ephemeral(0), "raw"),
        ("disk-swap", disks.SWAP, "raw"),
    ):
        if name in offer["disks"] and not (directory / file).exists():
            transfer.fetch(host, directory, offer, name, directory / file, kind)
    building.lay_out(host, record)
    make_root_flat(record)
    host.folders.save(record)
    _reform(host, record, guest)
    transfer.fetch_memories(host, directory, offer)
    firmware.make(directory, record.machine["firmware"])
    record.state = "built"
    host.folders.save(record)
    if power_on:
        power.on(host, record)
    else:
        power.wish(host, record, "stopped")


def confirm(host: Host, record: Record) -> None:
    """What was kept goes: the old form here, or all of it where it left."""
    directory = host.folders.of(record.id)
    if record.moved_to:
        transfer.withdraw(directory)
        host.unplug(record)
        host.folders.remove(record.id)
        return
    shutil.rmtree(directory / BEFORE, ignore_errors=True)


def revert(host: Host, record: Record, disks_now: list[Disk], *, power_on: bool) -> None:
    directory = host.folders.of(record.id)
    if record.moved_to:
        transfer.withdraw(directory)
        _renew_volumes(host, record, disks_now)
        record.moved_to = ""
        host.folders.save(record)
    elif (directory / BEFORE / RECORD).exists():
        processes.kill(directory)
        host.hold_cards(record, gone=True)
        kept = load(directory / BEFORE)
        _renew_volumes(host, kept, disks_now)
        save(directory / BEFORE, kept)
        _bring_back(directory, keep=False)
        record = host.folders.load(record.id)
    shutil.rmtree(directory / BEFORE, ignore_errors=True)
    if power_on:
        power.on(host, record)
    else:
        power.wish(host, record, "stopped")


def _renew_volumes(host: Host, record: Record, disks_now: list[Disk]) -> None:
    directory = host.folders.of(record.id)
    for disk in volumes.renew(directory, record, disks_now):
        volumes.write_keys(directory, building.add_volume(host, record, disk))
