"""Simulated guests: what one is, what its power operations do to it, and what its disk looks like as an image."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from cumulet.agents.compute.numa import HostNuma, Placed, Wish, fit, take, wish_of
from cumulet.agents.compute.protocols import Disk, Guest

RUNNING, PAUSED, SHUTDOWN, SUSPENDED = 1, 3, 4, 7
Edit = Callable[["SimulatedGuest"], None]

_BOOT_LINES: Final = 12
_CLUSTER_BITS: Final = 16
_MB: Final = 1 << 20


class SimulatedGuest(Struct):
    """A guest as its host keeps it. `boots` counts starts since its disks were made; `image_id` is on its root disk."""

    power_state: int
    hostname: str
    flavor: dict[str, Any] = field(default_factory=dict)
    image_id: str | None = None
    boots: int = 0
    rescue_image_id: str | None = None
    volumes: dict[str, Disk] = field(default_factory=dict)
    vifs: list[dict[str, Any]] = field(default_factory=list)
    password: str | None = None
    dumps: int = 0
    wish: Wish | None = None  # of the host's NUMA nodes, and where on this host it has that
    placed: list[Placed] = field(default_factory=list)

    def ports(self) -> set[str]:
        return {str(vif["id"]) for vif in self.vifs}

    def log(self) -> str:
        """What its last start wrote to the console."""
        if not self.boots:
            return ""
        kernel = f"simulated kernel, start {self.boots}"
        lines = [f"[{number:5d}.000000] {kernel}: step {number} of 12" for number in range(1, _BOOT_LINES + 1)]
        lines += [f"[   99.{number:06d}] crash dump written" for number in range(self.dumps)]
        return "\n".join([*lines, f"{self.hostname} login:"])


def made_from(guest: Guest) -> SimulatedGuest:
    """A new one, switched off."""
    return SimulatedGuest(
        SHUTDOWN,
        guest.hostname,
        flavor=guest.flavor,
        image_id=guest.image_id,
        volumes={disk.volume_id: disk for disk in guest.volumes},
        vifs=list(guest.vifs),
        password=guest.admin_password,
    )


def left_of(there: Mapping[str, Any], guests: Mapping[str, SimulatedGuest]) -> HostNuma:
    """What these guests leave of a host's nodes, as the empty host would report them."""
    found = msgspec.convert(there, HostNuma, str_keys=True)
    for server_id, guest in guests.items():
        if guest.wish is not None and guest.placed:
            take(found.cells, guest.wish, guest.placed)
            found.guests.append(server_id)
    return found


def place(guest: SimulatedGuest, image: dict[str, Any], left: HostNuma) -> None:
    """Find a place for what it asks for. Raises ValueError as a real host does."""
    guest.wish = wish_of(guest.flavor, image)
    guest.placed = [] if guest.wish is None else fit(guest.wish, left.cells)


def copy_of(guest: SimulatedGuest) -> SimulatedGuest:
    return msgspec.convert(msgspec.to_builtins(guest), SimulatedGuest)


def to(power_state: int) -> Edit:
    def edit(guest: SimulatedGuest) -> None:
        guest.power_state = power_state

    return edit


def start(guest: SimulatedGuest) -> None:
    if guest.power_state != RUNNING:
        boot(guest)


def boot(guest: SimulatedGuest) -> None:
    guest.power_state = RUNNING
    guest.boots += 1


def has_disk(guest: SimulatedGuest, name: str, disk: Disk) -> bool:
    """Whether this volume, by its connection, is the guest's disk of this name."""
    return name in guest.volumes and guest.volumes[name].connection == disk.connection


def swap(guest: SimulatedGuest, volume_id: str, disk: Disk, name: str) -> None:
    """Raises ValueError for a disk it does not have, or while nobody can copy it."""
    if volume_id not in guest.volumes:
        raise ValueError(f"the guest has no volume {volume_id}")
    if guest.power_state not in (RUNNING, PAUSED):
        raise ValueError("the guest does not run")
    del guest.volumes[volume_id]
    guest.volumes[name] = msgspec.structs.replace(disk, volume_id=name)


def addresses_of(guest: SimulatedGuest) -> dict[str, dict[str, str]]:
    """The root disk is the first device, volumes and cards follow."""
    ids = [*guest.volumes, *(str(vif["id"]) for vif in guest.vifs)]
    return {one: {"bus": "pci", "address": f"0000:{number:02x}:00.0"} for number, one in enumerate(ids, 2)}


def disk_image(disk_format: str) -> bytes:
    """A small, well-formed empty disk in an image's format: qcow2 as its specification has it, all else as raw."""
    if disk_format != "qcow2":
        return bytes(_MB)
    cluster = 1 << _CLUSTER_BITS
    # magic, version 3, no backing file, cluster bits, virtual size, no encryption, one L1 entry in cluster 3,
    # refcount table in cluster 1 (one cluster), no snapshots, no features, 16 bit refcounts, header length
    features = (0, 0, 0)
    header = struct.pack(
        ">4sIQIIQIIQQIIQQQQII",
        *(b"QFI\xfb", 3, 0, 0, _CLUSTER_BITS, _MB, 0, 1, 3 * cluster, cluster, 1, 0, 0, *features, 4, 104),
    )
    refcount_table = struct.pack(">Q", 2 * cluster)
    refcounts = struct.pack(">4H", 1, 1, 1, 1)
    return b"".join(part.ljust(cluster, b"\0") for part in (header, refcount_table, refcounts, b""))


def diagnostics_of(guest: SimulatedGuest) -> dict[str, Any]:
    """The form of microversion 2.48 (Compute API, Servers diagnostics)."""
    states = {RUNNING: "running", PAUSED: "paused", SHUTDOWN: "shutdown", SUSPENDED: "suspended"}
    vcpus, memory = int(guest.flavor.get("vcpus", 1)), int(guest.flavor.get("ram", 0))
    disk = {"read_bytes": 0, "read_requests": 0, "write_bytes": 0, "write_requests": 0, "errors_count": 0}
    nic = {f"{way}_{what}": 0 for way in ("rx", "tx") for what in ("octets", "errors", "drop", "packets", "rate")}
    return {
        "state": states[guest.power_state],
        "driver": "libvirt",
        "hypervisor": "simulated",
        "hypervisor_os": "linux",
        "uptime": 0,
        "config_drive": False,
        "num_cpus": vcpus,
        "num_nics": len(guest.vifs),
        "num_disks": 1 + len(guest.volumes),
        "cpu_details": [{"id": number, "time": 0, "utilisation": 0} for number in range(vcpus)],
        "nic_details": [{"mac_address": vif.get("mac_address") or vif.get("mac"), **nic} for vif in guest.vifs],
        "disk_details": [disk for _ in range(1 + len(guest.volumes))],
        "memory_details": {"maximum": memory, "used": memory},
    }
