"""Settings of the compute agent on one host, with Nova's defaults where nothing better is known."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from msgspec import Struct

PCIE_PORTS: Final = 16
MOST_QUEUES: Final = 256  # as many as a tap has (Linux, drivers/net/tun.c)


class HostConfig(Struct, frozen=True):
    """`instances` holds one directory a guest, and `_base` the images they share.

    `host_namespace` is the network namespace that plays the host (a name below /run/netns or a path); None is the one
    the agent is started in. `prefix` marks what several agents on one machine make, as in the network agent.
    """

    host: str
    instances: Path
    address: str = "127.0.0.1"  # where other hosts reach this one with disks and memory
    host_ip: str = "127.0.0.1"
    host_namespace: str | None = None
    prefix: str = ""
    virt_type: str = "kvm"  # kvm (where it works, else emulated), qemu, lxc
    cpu_mode: str | None = None
    cpu_model: str | None = None
    machine: str | None = None
    most_queues: int = MOST_QUEUES  # of a card
    pcie_ports: int = PCIE_PORTS  # how many disks and cards a guest can have
    memory_stats_s: int = 10
    translation_mb: int = 64
    name_template: str = "instance-%08x"
    shutdown_s: float = 40.0
    resume_at_boot: bool = False
    reserved_memory_mb: int = 512
    reserved_disk_mb: int = 0
    ephemeral_format: str = "ext4"
    unused_image_s: float | None = 86400.0  # how long an image nobody uses is kept; None: for ever
    dedicated_processors: str = ""  # those for guests that want processors of their own: "2-7,^5"
    shared_processors: str = ""  # those for all others
    reserved_pages: list[tuple[int, int, int]] = []  # node, size in KB, how many large pages guests do not get
    vnc: bool = True
    vnc_listen: str | None = None
    vnc_address: str | None = None

    @property
    def cache(self) -> Path:
        return self.instances / "_base"
