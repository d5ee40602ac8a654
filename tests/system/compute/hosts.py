"""Hosts with the QEMU driver on this machine, and the small guest's image for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cumulet.agents.compute.config import HostConfig
from cumulet.agents.compute.folders import Folders
from cumulet.agents.compute.images import ImageCache
from cumulet.agents.compute.qemu.driver import QemuHypervisor
from cumulet.agents.compute.qemu.host import Host
from tests.agents.compute.support import StoredImages


def a_host(directory: Path, images: StoredImages, address: str, **settings: Any) -> QemuHypervisor:
    """One that is reached at `address`, whose guests have 30 s to shut down."""
    values = {"host": directory.name, "instances": directory, "address": address, "virt_type": "qemu", "shutdown_s": 30}
    config = HostConfig(**(values | settings))
    return QemuHypervisor(Host(config, Folders(directory), ImageCache(config.cache, images)))


def add_guest_image(images: StoredImages, found: Path, **properties: Any) -> dict[str, Any]:
    """The small guest as kernel, ramdisk and root, from the directory where they were built."""
    kernel = images.add((found / "cumulet-guest-kernel").read_bytes(), disk_format="aki")
    ramdisk = images.add((found / "cumulet-guest-ramdisk").read_bytes(), disk_format="ari")
    data = (found / "cumulet-guest-root.qcow2").read_bytes()
    return images.show(images.add(data, kernel_id=kernel, ramdisk_id=ramdisk, **properties))
