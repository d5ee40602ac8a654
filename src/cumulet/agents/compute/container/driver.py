"""The container driver: Nova's virt_type lxc. Guests have their image's user space and this host's kernel."""

from __future__ import annotations

import contextlib
import logging
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec

from cumulet.agents.compute import config_drive, console_logs, resources
from cumulet.agents.compute.config import HostConfig
from cumulet.agents.compute.container import cards, cgroups, processes, rootfs
from cumulet.agents.compute.folders import CONSOLE_LOG, RECORD, Card, Folders, Record, boot_id
from cumulet.agents.compute.images import ImageCache
from cumulet.agents.compute.protocols import Disk, Guest, NoSuchGuest, Resources
from cumulet.agents.compute.run import image_tool, run

log = logging.getLogger(__name__)

RUNNING, PAUSED, SHUTDOWN = 1, 3, 4
ROOT, RESCUE, BEFORE, AT_REST = "rootfs", "rootfs.own", "before", "at rest"
_VERSION: Final = 1_000
_REST_S: Final = 10.0
_TRAITS: Final = ["COMPUTE_NODE", "COMPUTE_NET_ATTACH_INTERFACE", "COMPUTE_IMAGE_TYPE_QCOW2", "COMPUTE_IMAGE_TYPE_RAW"]


class Unsupported(ValueError):
    """What a container cannot do."""


class ContainerHypervisor:
    """Containers outlive this object: whatever it knows of them is in their directories."""

    def __init__(self, config: HostConfig, folders: Folders, images: ImageCache) -> None:
        self._config = config
        self._folders = folders
        self._images = images
        config.instances.mkdir(mode=0o711, parents=True, exist_ok=True)

    # -- the host -----------------------------------------------------------------------------------------------------

    def resources(self) -> Resources:
        for record in self._folders.all():
            console_logs.trim(self._folders.of(record.id) / CONSOLE_LOG)
        facts = {"hypervisor_types": ["lxc"]}
        return resources.of_host(self._config, "LXC", _VERSION, facts, _TRAITS)

    def guests(self) -> dict[str, int]:
        processes.bury()
        return {record.id: self._state(record) for record in self._folders.all() if record.state == "built"}

    def _state(self, record: Record) -> int:
        if processes.keeper_of(self._folders.of(record.id)) is None:
            return SHUTDOWN
        return PAUSED if cgroups.is_frozen(record.id) else RUNNING

    def wake(self) -> None:
        for record in self._folders.all():
            if record.state != "built" or record.boot_id == boot_id() or record.wanted == "stopped":
                continue
            if record.boot_id == AT_REST or self._config.resume_at_boot:
                try:
                    self.start(record.id)
                except Exception:  # one guest's trouble does not keep the others from starting
                    log.exception("container %s could not be started", record.id)

    def rest(self) -> None:
        records = self._folders.all()
        for record in records:
            cgroups.freeze(record.id, False)
            processes.ask(self._folders.of(record.id), signal.SIGUSR2)
        deadline = time.monotonic() + _REST_S
        for record in records:
            with self._folders.locked(record.id) as directory:
                processes.ended(directory, max(0.0, deadline - time.monotonic()))
                self._end(record)
                record.boot_id = AT_REST
                self._folders.save(record)

    @contextlib.contextmanager
    def _guest(self, server_id: str) -> Iterator[tuple[Record, Path]]:
        with self._folders.locked(server_id) as directory:
            yield self._folders.load(server_id), directory

    # -- life ---------------------------------------------------------------------------------------------------------

    def spawn(self, guest: Guest) -> None:
        with self._folders.locked(guest.id) as directory:
            present = self._folders.find(guest.id)
            if present is not None and present.state == "built":
                if present.wanted == "running":
                    self._start(present, directory)
                return
            try:
                record = self._build(guest, directory)
                self._start(record, directory)
            except BaseException:
                self._remove(guest.id)
                raise

    def _build(self, guest: Guest, directory: Path) -> Record:
        if guest.image_id is None or guest.volumes:
            raise Unsupported("a container starts from an image, and has no volumes")
        if guest.image.get("id") != guest.image_id or not guest.image.get("disk_format"):
            guest = msgspec.structs.replace(guest, image=self._images.show(guest.image_id) | guest.image)
        self._folders.make(guest.id)
        record = self._folders.find(guest.id) or Record(guest=guest, machine={"type": "container"})
        record.guest = guest
        record.cards = [_card(vif, number) for number, vif in enumerate(guest.vifs)]
        self._folders.save(record)
        if not (directory / ROOT).exists():
            rootfs.clone(self._tree(guest.image), directory / ROOT, processes.first_id(guest.number))
        if guest.config_drive and guest.drive:
            self._config_drive(guest, directory)
        record.state = "built"
        self._folders.save(record)
        return record

    def _tree(self, image: dict[str, Any]) -> Path:
        """The image's root file system, unpacked once for all its guests."""
        base = self._images.fetch(image)
        tree = self._config.cache / f".{image['id']}.tree"
        with self._folders.locked(f"tree-{image['id']}"):
            if not tree.exists():
                rootfs.unpack(base, tree)
        return tree

    def _config_drive(self, guest: Guest, directory: Path) -> None:
        owner = processes.first_id(guest.number)
        folder = directory / ROOT / "config-2"
        for name, content in config_drive.decoded(guest.drive).items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        rootfs.shift(folder, owner)

    def destroy(self, server_id: str) -> None:
        with self._folders.locked(server_id):
            self._remove(server_id)

    def _remove(self, server_id: str) -> None:
        record = self._folders.find(server_id)
        if record is not None:
            self._end(record)
        elif self._folders.of(server_id).exists():
            processes.kill(self._folders.of(server_id), server_id)
        self._folders.remove(server_id)

    def _end(self, record: Record) -> None:
        processes.kill(self._folders.of(record.id), record.id)
        for card in record.cards:
            cards.unplug(self._config.host_namespace, card)

    def _start(self, record: Record, directory: Path) -> None:
        if processes.keeper_of(directory) is None:
            self._wish(record, "running")
            processes.start(directory, record, self._config.host_namespace)

    def _wish(self, record: Record, wanted: str) -> None:
        record.wanted, record.boot_id = wanted, boot_id()
        self._folders.save(record)

    def start(self, server_id: str) -> None:
        with self._guest(server_id) as (record, directory):
            self._start(record, directory)

    def stop(self, server_id: str) -> None:
        with self._guest(server_id) as (record, directory):
            self._stop(record, directory)

    def _stop(self, record: Record, directory: Path) -> None:
        self._wish(record, "stopped")
        cgroups.freeze(record.id, False)
        processes.ask(directory, signal.SIGUSR2)
        processes.ended(directory, self._config.shutdown_s)
        self._end(record)

    def reboot(self, server_id: str, *, hard: bool) -> None:
        with self._guest(server_id) as (record, directory):
            if hard:
                self._end(record)
            else:
                self._stop(record, directory)
            self._start(record, directory)

    def pause(self, server_id: str) -> None:
        with self._guest(server_id) as (record, _):
            cgroups.freeze(record.id, True)

    def unpause(self, server_id: str) -> None:
        with self._guest(server_id) as (record, _):
            cgroups.freeze(record.id, False)

    def suspend(self, server_id: str) -> None:
        self._refuse(server_id, "be suspended to disk")

    def resume(self, server_id: str) -> None:
        self.start(server_id)

    # -- other disks --------------------------------------------------------------------------------------------------

    def rebuild(self, guest: Guest) -> None:
        with self._guest(guest.id) as (record, directory):
            self._end(record)
            record.state = "building"
            self._folders.save(record)
            for name in (ROOT, RESCUE):
                shutil.rmtree(directory / name, ignore_errors=True)
            (directory / CONSOLE_LOG).unlink(missing_ok=True)
            self._start(self._build(guest, directory), directory)

    def rescue(self, guest: Guest) -> None:
        """Its own root file system is at /mnt of the rescue one."""
        with self._guest(guest.id) as (record, directory):
            if not (directory / RESCUE).exists():
                self._stop(record, directory)
                (directory / ROOT).rename(directory / RESCUE)
            if not (directory / ROOT).exists():
                image = guest.image if guest.image.get("disk_format") else self._images.show(str(guest.image_id))
                number = processes.first_id(record.guest.number)
                rootfs.clone(self._tree(image | {"id": guest.image_id}), directory / ROOT, number)
                (directory / ROOT / "mnt").rmdir()
                run(["cp", "-a", "--reflink=auto", directory / RESCUE, directory / ROOT / "mnt"], timeout_s=600.0)
            self._start(record, directory)

    def unrescue(self, server_id: str) -> None:
        """What was changed below /mnt is what it starts with."""
        with self._guest(server_id) as (record, directory):
            if (directory / RESCUE).exists():
                self._stop(record, directory)
                repaired = directory / ROOT / "mnt"
                if (repaired / "sbin").is_dir():
                    shutil.rmtree(directory / RESCUE)
                    repaired.rename(directory / RESCUE)
                shutil.rmtree(directory / ROOT, ignore_errors=True)
                (directory / RESCUE).rename(directory / ROOT)
            self._start(record, directory)

    def snapshot(self, server_id: str, image_id: str) -> None:
        shown = self._images.show(image_id)
        if shown.get("status") == "active":
            return
        with self._guest(server_id) as (record, directory):
            raw, kind = directory / "snapshot.raw", str(shown.get("disk_format") or "qcow2")
            ready = directory / f"snapshot.{kind}"
            running = self._state(record) == RUNNING
            try:
                cgroups.freeze(server_id, running)  # a moment's picture, not a film
                try:
                    rootfs.pack(directory / ROOT, processes.first_id(record.guest.number), raw, 0)
                finally:
                    if running:
                        cgroups.freeze(server_id, False)
                if ready != raw:
                    image_tool("convert", "-f", "raw", "-O", "qcow2" if kind == "qcow2" else "raw", raw, ready)
                self._images.service.write(image_id, ready, disk_format=kind)
            finally:
                raw.unlink(missing_ok=True)
                ready.unlink(missing_ok=True)

    def resize(self, guest: Guest, *, power_on: bool) -> None:
        """Other limits; the old ones are kept until it is confirmed."""
        with self._guest(guest.id) as (record, directory):
            if not (directory / BEFORE).exists():
                shutil.copyfile(directory / RECORD, directory / BEFORE)
            self._stop(record, directory)
            record.guest = msgspec.structs.replace(record.guest, flavor=guest.flavor)
            self._folders.save(record)
            if power_on:
                self._start(record, directory)

    def confirm_resize(self, server_id: str) -> None:
        with self._folders.locked(server_id) as directory:
            (directory / BEFORE).unlink(missing_ok=True)

    def revert_resize(self, server_id: str, *, power_on: bool) -> None:
        with self._guest(server_id) as (record, directory):
            if (directory / BEFORE).exists():
                self._stop(record, directory)
                (directory / BEFORE).replace(directory / RECORD)
                record = self._folders.load(server_id)
            if power_on:
                self._start(record, directory)

    # -- what containers do not do ------------------------------------------------------------------------------------

    def _refuse(self, server_id: str, what: str) -> NoReturn:
        self._folders.load(server_id)
        raise Unsupported(f"a container cannot {what}")

    def send(self, server_id: str) -> dict[str, Any]:
        self._refuse(server_id, "move to another host")

    def receive(self, guest: Guest, offer: dict[str, Any], *, power_on: bool) -> None:
        raise Unsupported("a container cannot come from another host")

    def prepare_live(self, guest: Guest, *, copy_disks: bool) -> dict[str, Any]:
        raise Unsupported("a container cannot move while it runs")

    def live_migrate(self, server_id: str, target: dict[str, Any]) -> None:
        self._refuse(server_id, "move while it runs")

    def abort_live(self, server_id: str) -> None:
        self._refuse(server_id, "move while it runs")

    def force_live(self, server_id: str) -> None:
        self._refuse(server_id, "move while it runs")

    def live_progress(self, server_id: str) -> dict[str, int]:
        self._refuse(server_id, "move while it runs")

    def cancel_live(self, server_id: str) -> None:
        """Nothing was ever prepared."""

    def attach_volume(self, server_id: str, disk: Disk) -> None:
        self._refuse(server_id, "have volumes")

    def detach_volume(self, server_id: str, volume_id: str) -> None:
        """It has none."""
        self._folders.load(server_id)

    def extend_volume(self, server_id: str, volume_id: str, size_gb: int) -> None:
        self._refuse(server_id, "have volumes")

    def swap_volume(self, server_id: str, volume_id: str, disk: Disk, name: str) -> None:
        self._refuse(server_id, "have volumes")

    def cancel_swap(self, server_id: str, volume_id: str, disk: Disk, name: str) -> bool:
        self._folders.load(server_id)
        return False

    def addresses(self, server_id: str) -> dict[str, dict[str, str]]:
        """Its cards are no devices on a bus."""
        self._folders.load(server_id)
        return {}

    def set_password(self, server_id: str, password: str) -> None:
        self._refuse(server_id, "be given a password: it has no guest agent")

    def inject_nmi(self, server_id: str) -> None:
        self._refuse(server_id, "be interrupted: its kernel is the host's")

    # -- devices, inside, consoles ------------------------------------------------------------------------------------

    def attach_interface(self, server_id: str, vif: dict[str, Any]) -> None:
        with self._guest(server_id) as (record, directory):
            card = next((one for one in record.cards if one.port_id == vif["id"]), None)
            if card is None:
                number = max((one.slot for one in record.cards), default=-1) + 1
                card = _card(vif, number)
                record.cards.append(card)
                self._folders.save(record)
            if processes.keeper_of(directory) is not None:
                inside = Path("/proc", (directory / "holder").read_text(), "ns", "net")
                cards.plug(self._config.host_namespace, card, inside, f"eth{card.slot}")

    def detach_interface(self, server_id: str, port_id: str) -> None:
        with self._guest(server_id) as (record, _):
            for card in [one for one in record.cards if one.port_id == port_id]:
                cards.unplug(self._config.host_namespace, card)
                record.cards.remove(card)
            self._folders.save(record)

    def diagnostics(self, server_id: str) -> dict[str, Any]:
        record = self._folders.load(server_id)
        state = {RUNNING: "running", PAUSED: "paused", SHUTDOWN: "shutdown"}[self._state(record)]
        vcpus, memory = int(record.guest.flavor["vcpus"]), int(record.guest.flavor["ram"])
        return {
            "state": state,
            "driver": "libvirt",
            "hypervisor": "lxc",
            "hypervisor_os": "linux",
            "uptime": 0,
            "config_drive": record.guest.config_drive,
            "num_cpus": vcpus,
            "num_nics": len(record.cards),
            "num_disks": 1,
            "cpu_details": [{"id": 0, "time": cgroups.processor_time_ns(server_id), "utilisation": None}],
            "nic_details": [{"mac_address": card.mac} for card in record.cards],
            "disk_details": [],
            "memory_details": {"maximum": memory, "used": cgroups.memory_used_mb(server_id)},
        }

    def console(self, server_id: str, kind: str) -> dict[str, Any]:
        self._folders.load(server_id)
        if kind != "serial":
            raise ValueError(f"a container has no console of type {kind}")
        return {"path": str(self._folders.of(server_id) / "serial")}

    def console_log(self, server_id: str) -> str:
        if self._folders.find(server_id) is None:
            raise NoSuchGuest(f"there is no guest {server_id}")
        return console_logs.tail(self._folders.of(server_id) / CONSOLE_LOG)


def _card(vif: dict[str, Any], number: int) -> Card:
    mac = str(vif.get("mac_address") or vif.get("mac"))
    return Card(port_id=vif["id"], mac=mac, slot=number, mtu=int(vif.get("mtu") or 0))
