"""The container driver: Nova's virt_type lxc. Guests have their image's user space and this host's kernel."""

from __future__ import annotations

import contextlib
import logging
import signal
import time
from collections.abc import Iterator
from typing import Any, Final, NoReturn

from cumulet.agents.compute import console_logs, numa, resources
from cumulet.agents.compute.container import (
    building,
    cards,
    cgroups,
    disks,
    hotplug,
    loops,
    moving,
    power,
    processes,
    rebuilding,
    snapshots,
)
from cumulet.agents.compute.folders import CONSOLE_LOG, Record, boot_id
from cumulet.agents.compute.protocols import Disk, Guest, NoSuchGuest, Resources
from cumulet.agents.compute.qemu import transfer
from cumulet.agents.compute.qemu.host import Host
from cumulet.agents.compute.run import CommandFailed
from cumulet.agents.compute.waking import Waiting

log = logging.getLogger(__name__)

_VERSION: Final = 1_000
_REST_S: Final = 10.0
_SWEEP_S: Final = 600.0
_TRAITS: Final = (
    "COMPUTE_NODE COMPUTE_NET_ATTACH_INTERFACE COMPUTE_NET_ATTACH_INTERFACE_WITH_TAG COMPUTE_IMAGE_TYPE_QCOW2 "
    "COMPUTE_IMAGE_TYPE_RAW COMPUTE_DEVICE_TAGGING COMPUTE_VOLUME_ATTACH_WITH_TAG COMPUTE_VOLUME_EXTEND "
    "COMPUTE_STORAGE_BUS_VIRTIO"
)

_STATES: Final = {
    power.RUNNING: "running",
    power.PAUSED: "paused",
    power.SHUTDOWN: "shutdown",
    power.SUSPENDED: "suspended",
}


class Unsupported(ValueError):
    """What a container cannot do."""


class ContainerHypervisor:
    """Containers outlive this object: whatever it knows of them is in their directories."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._folders = host.folders
        self._sweep_at = time.monotonic() + _SWEEP_S
        host.config.instances.mkdir(mode=0o711, parents=True, exist_ok=True)

    # -- the host -----------------------------------------------------------------------------------------------------

    def resources(self) -> Resources:
        for record in self._folders.all():
            console_logs.trim(self._folders.of(record.id) / CONSOLE_LOG)
        self._sweep()
        facts = {"hypervisor_types": ["lxc"]}
        return resources.of_host(self.host.config, "LXC", _VERSION, facts, _TRAITS.split())

    def _sweep(self) -> None:
        """Now and then, images that nobody asked for lately go: a container that is made needs its image no more."""
        config = self.host.config
        if config.unused_image_s is None or time.monotonic() < self._sweep_at:
            return
        self._sweep_at = time.monotonic() + _SWEEP_S
        gone = self.host.images.sweep(set(), older_than_s=config.unused_image_s)
        if gone:
            log.info("images nobody uses are gone: %s", ", ".join(gone))
        disks.sweep(config, self.host.images)

    def guests(self) -> dict[str, int]:
        processes.bury()
        bound, found = loops.bound(), {}
        for record in self._folders.all():
            if record.state != "built" or record.moved_to:
                continue
            found[record.id] = power.state_of(self._folders.of(record.id), record)
            if found[record.id] == power.SHUTDOWN:
                self._release(record.id, bound)
        return found

    def _release(self, server_id: str, bound: dict[str, int]) -> None:
        with contextlib.suppress(TimeoutError), self._folders.locked(server_id, within_s=0):  # else it is being changed
            record = self._folders.find(server_id)
            if record is not None:
                power.release(self.host, record, bound)

    def wake(self) -> Waiting:
        waiting = {}
        for each in self._folders.all():
            with self._folders.locked(each.id) as directory:
                snapshots.thaw(directory)
                try:
                    self._wake(each.id)
                except Exception as error:  # noqa: BLE001 - one guest's trouble does not keep the others from starting
                    waiting[each.id] = str(error) or repr(error)
        return waiting

    def _wake(self, server_id: str) -> None:
        record = self._folders.find(server_id)
        if record is None or record.boot_id == boot_id():
            return
        if record.state != "built" or record.moved_to or record.wanted == "stopped":
            return
        if record.boot_id == power.AT_REST or self.host.config.resume_at_boot:
            power.on(self.host, record, again=True)

    def rest(self) -> None:
        records = self._folders.all()
        for record in records:
            cgroups.freeze(record.id, False)
            processes.ask(self._folders.of(record.id), signal.SIGUSR2)
        deadline = time.monotonic() + _REST_S
        for record in records:
            with self._folders.locked(record.id) as directory:
                processes.ended(directory, max(0.0, deadline - time.monotonic()))
                try:
                    power.end(self.host, record)
                except CommandFailed:  # the others are to be laid to rest all the same
                    log.exception("container %s was not ended in order", record.id)
                transfer.withdraw(directory)
                record.boot_id = power.AT_REST
                self._folders.save(record)

    @contextlib.contextmanager
    def _guest(self, server_id: str) -> Iterator[Record]:
        """Its record, with nobody else at work on it. Raises NoSuchGuest."""
        with self._folders.locked(server_id):
            yield self._folders.load(server_id)

    # -- life ---------------------------------------------------------------------------------------------------------

    def spawn(self, guest: Guest) -> None:
        with self._folders.locked(guest.id):
            present = self._folders.find(guest.id)
            if present is not None and present.state == "built":
                if present.wanted == "running":
                    power.on(self.host, present)
                return
            try:
                power.on(self.host, building.prepare(self.host, guest))
            except BaseException:
                self._remove(guest.id)
                raise

    def destroy(self, server_id: str) -> None:
        with self._folders.locked(server_id):
            self._remove(server_id)

    def _remove(self, server_id: str) -> None:
        directory = self._folders.of(server_id)
        record = self._folders.find(server_id)
        if record is not None:
            transfer.withdraw(directory)
            power.end(self.host, record)
        elif directory.exists():
            processes.kill(directory, server_id)
        self._folders.remove(server_id)

    def start(self, server_id: str) -> None:
        with self._guest(server_id) as record:
            power.on(self.host, record)

    def stop(self, server_id: str) -> None:
        with self._guest(server_id) as record:
            power.off(self.host, record, within_s=self.host.config.shutdown_s)

    def reboot(self, server_id: str, *, hard: bool) -> None:
        with self._guest(server_id) as record:
            power.off(self.host, record, within_s=0 if hard else self.host.config.shutdown_s)
            power.on(self.host, record)

    def pause(self, server_id: str) -> None:
        with self._guest(server_id) as record:
            power.wish(self.host, record, "paused")
            cgroups.freeze(record.id, True)

    def unpause(self, server_id: str) -> None:
        with self._guest(server_id) as record:
            cgroups.freeze(record.id, False)
            power.wish(self.host, record, "running")

    def suspend(self, server_id: str) -> None:
        """Its processes stand still and stay in memory: a container's state cannot be written to a disk."""
        with self._guest(server_id) as record:
            if processes.keeper_of(self._folders.of(server_id)) is None:
                raise ValueError("the container is not running")
            power.wish(self.host, record, "suspended")
            cgroups.freeze(record.id, True)

    def resume(self, server_id: str) -> None:
        """Goes on; after a new start of the host it begins anew."""
        self.start(server_id)

    # -- other disks, other hosts -------------------------------------------------------------------------------------

    def rebuild(self, guest: Guest) -> None:
        with self._guest(guest.id) as record:
            rebuilding.rebuild(self.host, record, guest)

    def rescue(self, guest: Guest) -> None:
        with self._guest(guest.id) as record:
            rebuilding.rescue(self.host, record, guest, patience_s=self.host.config.shutdown_s)

    def unrescue(self, server_id: str) -> None:
        with self._guest(server_id) as record:
            rebuilding.unrescue(self.host, record)

    def snapshot(self, server_id: str, image_id: str) -> None:
        with self._guest(server_id) as record:
            snapshots.take(self.host, record, image_id)

    def resize(self, guest: Guest, *, power_on: bool) -> None:
        with self._guest(guest.id) as record:
            moving.resize(self.host, record, guest, power_on=power_on, patience_s=self.host.config.shutdown_s)

    def send(self, server_id: str) -> dict[str, Any]:
        with self._guest(server_id) as record:
            return moving.send(self.host, record, patience_s=self.host.config.shutdown_s)

    def receive(self, guest: Guest, offer: dict[str, Any], *, power_on: bool) -> None:
        with self._folders.locked(guest.id):
            moving.receive(self.host, guest, offer, power_on=power_on)

    def confirm_resize(self, server_id: str) -> None:
        with self._folders.locked(server_id):
            record = self._folders.find(server_id)
            if record is not None:  # else it was confirmed before, and left this host
                moving.confirm(self.host, record)

    def revert_resize(self, server_id: str, *, volumes: list[Disk], power_on: bool) -> None:
        with self._guest(server_id) as record:
            moving.revert(self.host, record, volumes, power_on=power_on, patience_s=self.host.config.shutdown_s)

    # -- what containers do not do ------------------------------------------------------------------------------------

    def _refuse(self, server_id: str, what: str) -> NoReturn:
        self._folders.load(server_id)
        raise Unsupported(f"a container cannot {what}")

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

    def cache_image(self, image_id: str) -> None:
        self.host.images.fetch(self.host.images.show(image_id))

    def swap_volume(self, server_id: str, volume_id: str, disk: Disk, name: str) -> None:
        self._refuse(server_id, "have a volume swapped for another")

    def cancel_swap(self, server_id: str, volume_id: str, disk: Disk, name: str) -> bool:
        self._folders.load(server_id)
        return False

    def take_assisted_snapshot(self, server_id: str, volume_id: str, new_file: str) -> None:
        self._refuse(server_id, "help with a snapshot of a volume: its back end makes it itself")

    def merge_assisted_snapshot(self, server_id: str, volume_id: str, file: str | None, into: str | None) -> None:
        self._refuse(server_id, "help with a snapshot of a volume: its back end deletes it itself")

    def addresses(self, server_id: str) -> dict[str, dict[str, str]]:
        """Its cards and disks are no devices on a bus."""
        self._folders.load(server_id)
        return {}

    def set_password(self, server_id: str, password: str) -> None:
        self._refuse(server_id, "be given a password: it has no guest agent")

    def inject_nmi(self, server_id: str) -> None:
        self._refuse(server_id, "be interrupted: its kernel is the host's")

    # -- devices ------------------------------------------------------------------------------------------------------

    def attach_volume(self, server_id: str, disk: Disk) -> None:
        with self._guest(server_id) as record:
            hotplug.attach_volume(self.host, record, disk)

    def detach_volume(self, server_id: str, volume_id: str) -> None:
        with self._guest(server_id) as record:
            hotplug.detach_volume(self.host, record, volume_id)

    def extend_volume(self, server_id: str, volume_id: str, size_gb: int) -> None:
        with self._guest(server_id) as record:
            hotplug.extend_volume(self.host, record, volume_id, size_gb)

    def attach_interface(self, server_id: str, vif: dict[str, Any]) -> None:
        with self._guest(server_id) as record:
            card = building.add_card(record, vif)
            self._folders.save(record)
            directory = self._folders.of(server_id)
            if processes.keeper_of(directory) is not None:
                cards.plug(self.host.config.host_namespace, card, power.inside(directory), f"eth{card.slot}")

    def detach_interface(self, server_id: str, port_id: str) -> None:
        with self._guest(server_id) as record:
            for card in [one for one in record.cards if one.port_id == port_id]:
                cards.unplug(self.host.config.host_namespace, card)
                record.cards.remove(card)
            self._folders.save(record)

    # -- inside, consoles ---------------------------------------------------------------------------------------------

    def topology(self, server_id: str) -> dict[str, Any]:
        """A container sees no NUMA nodes."""
        self._folders.load(server_id)
        return numa.shown(None, [])

    def diagnostics(self, server_id: str) -> dict[str, Any]:
        record = self._folders.load(server_id)
        state = _STATES[power.state_of(self._folders.of(server_id), record)]
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
            "num_disks": len(record.drives),
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
