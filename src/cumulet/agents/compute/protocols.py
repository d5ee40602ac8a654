"""What a hypervisor driver offers. Every method may be repeated: doing it twice equals doing it once."""

from __future__ import annotations

from typing import Any, Protocol

from msgspec import Struct


class Disk(Struct, frozen=True):
    """A volume of a server. `connection` is an attachment's connection_info as Volume's API gives it."""

    volume_id: str
    device: str
    connection: dict[str, Any]
    boot_index: int | None = None
    bus: str | None = None
    device_type: str | None = None
    tag: str | None = None
    serial: str | None = None
    size_gb: int | None = None


class Guest(Struct, frozen=True):
    """A server as its host needs to know it.

    `flavor`: vcpus, ram (MB), disk and ephemeral (GB), swap (MB), extra_specs. `image`: the image as Image shows it
    (disk_format, size, os_hash_algo, os_hash_value, its properties; kernel_id and ramdisk_id among them), empty for a
    server that boots from a volume. `vifs`: its ports in order (id, mac_address, device_name, mtu, …). `drive`: the
    files of its config drive, each as base64 by its path, when `config_drive` is set. `user_data` is base64.
    `machine`: what was chosen when it was first built and stays (machine type, firmware, …).
    """

    id: str
    name: str
    hostname: str
    number: int
    flavor: dict[str, Any]
    image_id: str | None
    vifs: list[dict[str, Any]]
    config_drive: bool = False
    image: dict[str, Any] = {}
    volumes: list[Disk] = []
    drive: dict[str, str] = {}
    admin_password: str | None = None
    key_data: str | None = None
    user_data: str | None = None
    machine: dict[str, Any] = {}


class Resources(Struct, frozen=True):
    """What a host has: memory in MB, disk in GB."""

    vcpus: int
    memory_mb: int
    local_gb: int
    hypervisor_type: str
    hypervisor_version: int
    host_ip: str
    cpu_info: dict[str, Any]
    facts: dict[str, Any]
    uptime: str | None = None  # as uptime(1) says it


class NoSuchGuest(Exception):
    """The host has no guest of this id."""


class Hypervisor(Protocol):
    """One host's driver.

    Methods that name a guest raise NoSuchGuest, except `destroy`; whatever else is raised is the reason of a failure.
    """

    def resources(self) -> Resources: ...

    def spawn(self, guest: Guest) -> None:
        """Build and start it; one that is there already stays as it is."""

    def destroy(self, server_id: str) -> None:
        """Remove it with its local disks; one that is not there is right too."""

    def start(self, server_id: str) -> None: ...

    def stop(self, server_id: str) -> None: ...

    def reboot(self, server_id: str, *, hard: bool) -> None: ...

    def pause(self, server_id: str) -> None: ...

    def unpause(self, server_id: str) -> None: ...

    def suspend(self, server_id: str) -> None: ...

    def resume(self, server_id: str) -> None: ...

    def rebuild(self, guest: Guest) -> None:
        """Make its local disks anew from the guest's image and start it; volumes and ports stay."""

    def rescue(self, guest: Guest) -> None:
        """Stop it and start it from the guest's (rescue) image, its own root disk beside as the second one."""

    def unrescue(self, server_id: str) -> None:
        """Start it from its own root disk again."""

    def snapshot(self, server_id: str, image_id: str) -> None:
        """Upload its root disk as it is now into this image, which is queued or has the same data already."""

    def resize(self, guest: Guest, *, power_on: bool) -> None:
        """Give it another flavor on the same host. What it was before is kept until it is confirmed or reverted."""

    def send(self, server_id: str) -> dict[str, Any]:
        """Stop it and offer its disks to another host: returns what `receive` there needs.

        Its disks are kept here until it is confirmed or reverted.
        """

    def receive(self, guest: Guest, offer: dict[str, Any], *, power_on: bool) -> None:
        """Take the disks another host offers, and build it here."""

    def confirm_resize(self, server_id: str) -> None:
        """Forget what was kept for a return: on the same host the old form, on the host it left all of it."""

    def revert_resize(self, server_id: str, *, volumes: list[Disk], power_on: bool) -> None:
        """Be what was kept, on the same host or on the one it left, with these volumes: others may have been plugged in
        and out since, and to a host that it left they are exported anew."""

    def prepare_live(self, guest: Guest, *, copy_disks: bool) -> dict[str, Any]:
        """Be ready to take a running guest; returns what `live_migrate` on its host needs."""

    def live_migrate(self, server_id: str, target: dict[str, Any]) -> None:
        """Move it while it runs. When this returns it runs there and is gone here; when it raises it runs here."""

    def abort_live(self, server_id: str) -> None:
        """End a live migration that is under way; the guest goes on here."""

    def force_live(self, server_id: str) -> None:
        """Let a live migration that is under way come to its end, whatever pause that costs."""

    def live_progress(self, server_id: str) -> dict[str, int]:
        """Bytes of memory and disk of a live migration: memory_total, memory_processed, memory_remaining, disk_…."""

    def cancel_live(self, server_id: str) -> None:
        """On the host that was prepared: remove what was made for a guest that did not come."""

    def cache_image(self, image_id: str) -> None:
        """Have an image here before a guest is made of it."""

    def attach_volume(self, server_id: str, disk: Disk) -> None:
        """Give it a disk, also while it runs."""

    def detach_volume(self, server_id: str, volume_id: str) -> None:
        """Take a disk from it; what the guest wrote is on the volume when this returns."""

    def extend_volume(self, server_id: str, volume_id: str, size_gb: int) -> None:
        """Tell it that its disk has grown."""

    def swap_volume(self, server_id: str, volume_id: str, disk: Disk, name: str) -> None:
        """Copy its disk to another volume while it runs, and have it use that one from then on.

        The guest sees the same device. `name` is the id of its disk afterwards: the other volume's, or the one it had,
        where Volume moves a volume and it keeps its id.
        """

    def cancel_swap(self, server_id: str, volume_id: str, disk: Disk, name: str) -> bool:
        """End a swap that is under way; whether the guest uses the other volume already, and so cannot go back."""

    def take_assisted_snapshot(self, server_id: str, volume_id: str, new_file: str) -> None:
        """Have it go on in a qcow2 file that Volume put beside the volume's, on top of that. Raises ValueError for a
        volume that is no file on this host, and for a file that is not what it should be."""

    def merge_assisted_snapshot(self, server_id: str, volume_id: str, file: str | None, into: str | None) -> None:
        """Have one file less below what it writes to: `file` merged into the one below it, `into`; without that,
        everything between `file` (nothing: the last) and the newest into the newest."""

    def addresses(self, server_id: str) -> dict[str, dict[str, str]]:
        """Where its volumes and cards are in the machine, by volume and port id: `{"bus": "pci", "address":
        "0000:03:00.0"}`, on scsi and ide `controller:bus:target:unit`."""

    def attach_interface(self, server_id: str, vif: dict[str, Any]) -> None: ...

    def detach_interface(self, server_id: str, port_id: str) -> None: ...

    def set_password(self, server_id: str, password: str) -> None:
        """Set the administrator's password in the guest, through its agent."""

    def inject_nmi(self, server_id: str) -> None:
        """Have the guest write a crash dump."""

    def topology(self, server_id: str) -> dict[str, Any]:
        """Its NUMA nodes as the API's topology shows them to administrators (numa.shown)."""

    def diagnostics(self, server_id: str) -> dict[str, Any]:
        """What the API's diagnostics show, in its form since 2.48."""

    def console(self, server_id: str, kind: str) -> dict[str, Any]:
        """Where its console can be reached: `{"host", "port"}`, or `{"path"}` of a socket on this host.

        `kind`: `vnc` or `serial`. Raises ValueError for one it does not have.
        """

    def console_log(self, server_id: str) -> str:
        """All that the guest's serial console said and that was kept."""

    def guests(self) -> dict[str, int]:
        """The power state of each guest by its id."""
