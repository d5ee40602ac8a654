"""The QEMU driver: a Hypervisor whose guests are QEMU processes. Each method is one module's work under one lock."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from cumulet.agents.compute import console_logs, numa, resources
from cumulet.agents.compute.folders import CONSOLE_LOG, Record, boot_id
from cumulet.agents.compute.protocols import Disk, Guest, NoSuchGuest, Resources
from cumulet.agents.compute.qemu import (
    accelerator,
    addresses,
    assisted_snapshots,
    building,
    command,
    diagnostics,
    firmware,
    guest_agent,
    hotplug,
    live,
    placement,
    power,
    processes,
    rebuilding,
    resizing,
    snapshots,
    swapping,
    tpm,
    transfer,
)
from cumulet.agents.compute.qemu.host import Host
from cumulet.agents.compute.waking import Waiting

log = logging.getLogger(__name__)
_SWEEP_S: Final = 600.0

_TRAITS: Final = (
    "COMPUTE_DEVICE_TAGGING COMPUTE_GRAPHICS_MODEL_VGA COMPUTE_GRAPHICS_MODEL_VIRTIO "
    "COMPUTE_IMAGE_TYPE_AKI COMPUTE_IMAGE_TYPE_AMI COMPUTE_IMAGE_TYPE_ARI COMPUTE_IMAGE_TYPE_ISO "
    "COMPUTE_IMAGE_TYPE_QCOW2 COMPUTE_IMAGE_TYPE_RAW COMPUTE_NET_ATTACH_INTERFACE COMPUTE_NET_VIF_MODEL_E1000 "
    "COMPUTE_NET_VIF_MODEL_E1000E COMPUTE_NET_VIF_MODEL_RTL8139 COMPUTE_NET_VIF_MODEL_VIRTIO COMPUTE_NODE "
    "COMPUTE_RESCUE_BFV "
    "COMPUTE_STORAGE_BUS_SCSI COMPUTE_STORAGE_BUS_VIRTIO "
    "COMPUTE_VOLUME_ATTACH_WITH_TAG COMPUTE_VOLUME_EXTEND COMPUTE_NET_ATTACH_INTERFACE_WITH_TAG"
)


class QemuHypervisor:
    """Guests outlive this object: whatever it knows of them is in their directories."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._sweep_at = time.monotonic() + _SWEEP_S
        host.config.instances.mkdir(mode=0o711, parents=True, exist_ok=True)

    # -- the host -----------------------------------------------------------------------------------------------------

    def resources(self) -> Resources:
        records = self.host.folders.all()
        for record in records:
            console_logs.trim(self.host.folders.of(record.id) / CONSOLE_LOG)
        self._sweep()
        major, minor, patch = accelerator.version()
        facts: dict[str, Any] = {"hypervisor_types": ["qemu", "kvm"] if accelerator.has_kvm() else ["qemu"]}
        facts["numa"] = placement.report(self.host, records)
        traits = _TRAITS.split() + firmware.traits() + tpm.traits()
        return resources.of_host(self.host.config, "QEMU", major * 1_000_000 + minor * 1_000 + patch, facts, traits)

    def _sweep(self) -> None:
        """Now and then: images that no guest is made of, and that nobody has asked for in a while, go."""
        config = self.host.config
        if config.unused_image_s is None or time.monotonic() < self._sweep_at:
            return
        self._sweep_at = time.monotonic() + _SWEEP_S
        used = {Path(path).name for record in self.host.folders.all() for path in _shared(record)}
        gone = self.host.images.sweep(used, older_than_s=config.unused_image_s)
        if gone:
            log.info("images nobody uses are gone: %s", ", ".join(gone))

    def guests(self) -> dict[str, int]:
        processes.bury()
        return {
            record.id: power.state_of(self.host.folders.of(record.id))
            for record in self.host.folders.all()
            if self._is_here(record)
        }

    def _is_here(self, record: Record) -> bool:
        if record.state != "built" or record.moved_to:
            return False
        return not live.has_left(self.host.folders.of(record.id), record)

    def wake(self) -> Waiting:
        """At the agent's start: guests that were laid to rest go on, and so do, where that is configured, those that a
        new start of the host has ended. One that cannot yet is tried by the next call."""
        waiting = {}
        for each in self.host.folders.all():
            with self.host.folders.locked(each.id):
                try:
                    self._wake(each.id)
                except Exception as error:  # noqa: BLE001 - one guest's trouble does not keep the others from starting
                    waiting[each.id] = str(error) or repr(error)
        return waiting

    def _wake(self, server_id: str) -> None:
        record = self.host.folders.find(server_id)
        if record is None or record.state != "built" or record.boot_id == boot_id():
            return
        if record.wanted == "suspended" or record.moved_to:
            return
        if record.wanted == "stopped" or not (record.boot_id == power.AT_REST or self.host.config.resume_at_boot):
            power.wish(self.host, record, "stopped")
            return
        power.on(self.host, record, paused=record.wanted == "paused", again=True)

    def rest(self) -> None:
        """Before the host is left: every guest's memory is saved, its process and devices go. `wake` takes them up."""
        for record in self.host.folders.all():
            with self.host.folders.locked(record.id):
                try:
                    power.rest(self.host, record)
                except Exception:  # nor from being saved
                    log.exception("guest %s could not be laid to rest", record.id)

    @contextlib.contextmanager
    def _guest(self, server_id: str) -> Iterator[Record]:
        """Its record, with nobody else at work on it. Raises NoSuchGuest."""
        with self.host.folders.locked(server_id):
            yield self.host.folders.load(server_id)

    # -- life ---------------------------------------------------------------------------------------------------------

    def spawn(self, guest: Guest) -> None:
        with self.host.folders.locked(guest.id):
            present = self.host.folders.find(guest.id)
            if present is not None and present.state == "built":
                if present.wanted == "running":
                    power.on(self.host, present)
                return
            try:
                record = building.prepare(self.host, guest)
                power.on(self.host, record)
            except BaseException:
                self._remove(guest.id)
                raise

    def destroy(self, server_id: str) -> None:
        swapping.interrupt(self.host.folders.of(server_id))
        with self.host.folders.locked(server_id):
            self._remove(server_id)

    def _remove(self, server_id: str) -> None:
        directory = self.host.folders.of(server_id)
        if not directory.exists():
            return
        live.cancel(self.host, server_id)
        transfer.withdraw(directory)
        processes.kill(directory)
        record = self.host.folders.find(server_id)
        if record is not None:
            self.host.unplug(record)
        self.host.folders.remove(server_id)

    def start(self, server_id: str) -> None:
        with self._guest(server_id) as record:
            power.on(self.host, record)

    def stop(self, server_id: str) -> None:
        with self._guest(server_id) as record:
            power.off(self.host, record, within_s=self._patience(record))

    def reboot(self, server_id: str, *, hard: bool) -> None:
        with self._guest(server_id) as record:
            power.off(self.host, record, within_s=0 if hard else self._patience(record))
            power.on(self.host, record)

    def _patience(self, record: Record) -> float:
        wanted = record.guest.image.get("os_shutdown_timeout")
        return float(wanted) if wanted is not None else self.host.config.shutdown_s

    def pause(self, server_id: str) -> None:
        with self._guest(server_id) as record:
            power.pause(self.host, record)

    def unpause(self, server_id: str) -> None:
        with self._guest(server_id) as record:
            power.resume(self.host, record)

    def suspend(self, server_id: str) -> None:
        with self._guest(server_id) as record:
            power.save(self.host, record)

    def resume(self, server_id: str) -> None:
        with self._guest(server_id) as record:
            power.on(self.host, record)

    # -- other disks, other hosts -------------------------------------------------------------------------------------

    def rebuild(self, guest: Guest) -> None:
        with self._guest(guest.id) as record:
            rebuilding.rebuild(self.host, record, guest)

    def rescue(self, guest: Guest) -> None:
        with self._guest(guest.id) as record:
            rebuilding.rescue(self.host, record, guest, patience_s=self._patience(record))

    def unrescue(self, server_id: str) -> None:
        with self._guest(server_id) as record:
            rebuilding.unrescue(self.host, record)

    def snapshot(self, server_id: str, image_id: str) -> None:
        with self._guest(server_id) as record:
            snapshots.take(self.host, record, image_id)

    def resize(self, guest: Guest, *, power_on: bool) -> None:
        with self._guest(guest.id) as record:
            patience = self._patience(record)
            resizing.resize(self.host, record, guest, power_on=power_on, patience_s=patience)

    def send(self, server_id: str) -> dict[str, Any]:
        with self._guest(server_id) as record:
            return resizing.send(self.host, record, patience_s=self._patience(record))

    def receive(self, guest: Guest, offer: dict[str, Any], *, power_on: bool) -> None:
        with self.host.folders.locked(guest.id):
            resizing.receive(self.host, guest, offer, power_on=power_on)

    def confirm_resize(self, server_id: str) -> None:
        with self.host.folders.locked(server_id):
            record = self.host.folders.find(server_id)
            if record is not None:  # else it was confirmed before, and left this host
                resizing.confirm(self.host, record)

    def revert_resize(self, server_id: str, *, volumes: list[Disk], power_on: bool) -> None:
        with self._guest(server_id) as record:
            resizing.revert(self.host, record, volumes, power_on=power_on)

    def prepare_live(self, guest: Guest, *, copy_disks: bool) -> dict[str, Any]:
        with self.host.folders.locked(guest.id):
            return live.prepare(self.host, guest, copy_disks=copy_disks)

    def live_migrate(self, server_id: str, target: dict[str, Any]) -> None:
        with self._guest(server_id) as record:
            live.migrate(self.host, record, target)

    def abort_live(self, server_id: str) -> None:
        live.abort(self._directory(server_id))

    def force_live(self, server_id: str) -> None:
        live.force(self._directory(server_id))

    def live_progress(self, server_id: str) -> dict[str, int]:
        return live.progress(self._directory(server_id))

    def cancel_live(self, server_id: str) -> None:
        live.cancel(self.host, server_id)

    def _directory(self, server_id: str) -> Path:
        """Of a guest that somebody is at work on. Raises NoSuchGuest."""
        self.host.folders.load(server_id)
        return self.host.folders.of(server_id)

    def cache_image(self, image_id: str) -> None:
        self.host.images.fetch(self.host.images.show(image_id))

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

    def swap_volume(self, server_id: str, volume_id: str, disk: Disk, name: str) -> None:
        with self._guest(server_id) as record:
            swapping.swap(self.host, record, volume_id, disk, name)

    def cancel_swap(self, server_id: str, volume_id: str, disk: Disk, name: str) -> bool:
        swapping.interrupt(self._directory(server_id))
        with self._guest(server_id) as record:
            return swapping.is_done(self.host, record, volume_id, disk, name)

    def take_assisted_snapshot(self, server_id: str, volume_id: str, new_file: str) -> None:
        with self._guest(server_id) as record:
            assisted_snapshots.take(self.host, record, volume_id, new_file)

    def merge_assisted_snapshot(self, server_id: str, volume_id: str, file: str | None, into: str | None) -> None:
        with self._guest(server_id) as record:
            assisted_snapshots.merge(self.host, record, volume_id, file, into)

    def addresses(self, server_id: str) -> dict[str, dict[str, str]]:
        return addresses.of(self.host.folders.load(server_id))

    def attach_interface(self, server_id: str, vif: dict[str, Any]) -> None:
        with self._guest(server_id) as record:
            hotplug.attach_interface(self.host, record, vif)

    def detach_interface(self, server_id: str, port_id: str) -> None:
        with self._guest(server_id) as record:
            hotplug.detach_interface(self.host, record, port_id)

    # -- inside -------------------------------------------------------------------------------------------------------

    def set_password(self, server_id: str, password: str) -> None:
        with self._guest(server_id) as record:
            guest_agent.set_password(self.host.folders.of(server_id), record, password)

    def inject_nmi(self, server_id: str) -> None:
        with self._guest(server_id), processes.monitor(self.host.folders.of(server_id)) as monitor:
            monitor.ask("inject-nmi")

    def topology(self, server_id: str) -> dict[str, Any]:
        record = self.host.folders.load(server_id)
        kept = placement.kept_of(record, self.host.config.host)
        return numa.shown(placement.wish_of(record), [] if kept is None else kept.cells)

    def diagnostics(self, server_id: str) -> dict[str, Any]:
        return diagnostics.of(self.host, self.host.folders.load(server_id))

    # -- consoles -----------------------------------------------------------------------------------------------------

    def console_log(self, server_id: str) -> str:
        directory = self.host.folders.of(server_id)
        if self.host.folders.find(server_id) is None:
            raise NoSuchGuest(f"there is no guest {server_id}")
        return console_logs.tail(directory / CONSOLE_LOG)

    def console(self, server_id: str, kind: str) -> dict[str, Any]:
        directory = self.host.folders.of(server_id)
        self.host.folders.load(server_id)
        if kind == "serial":
            return {"path": str(directory / command.SERIAL)}
        if kind != "vnc" or not self.host.config.vnc:
            raise ValueError(f"the guest has no console of type {kind}")
        if self.host.config.vnc_listen is None:
            return {"path": str(directory / command.SCREEN)}
        with processes.questions(directory) as monitor:
            shown = monitor.ask("query-vnc")
        return {"host": self.host.config.vnc_address or self.host.config.address, "port": int(shown["service"])}


def _shared(record: Record) -> Iterator[str]:
    """The files a guest shares with others: below its disks, also those it has while it is rescued, and its kernel."""
    drives = [drive.node for drive in record.drives] + [kept["node"] for kept in record.rescue.get("drives", ())]
    for node in drives:
        if node.get("backing"):
            yield node["backing"]["file"]["filename"]
    for kernel in (record.kernel, record.rescue.get("kernel", {})):
        yield from (path for name, path in kernel.items() if name in ("kernel", "ramdisk"))
