"""Which driver a host has, put together: `virt_type` in nova.conf decides."""

from __future__ import annotations

from cumulet.agents.compute.config import HostConfig
from cumulet.agents.compute.folders import Folders
from cumulet.agents.compute.image_service import ImageService
from cumulet.agents.compute.images import ImageCache
from cumulet.agents.compute.protocols import Hypervisor
from cumulet.agents.compute.qemu.driver import QemuHypervisor
from cumulet.agents.compute.qemu.host import Host


def make(config: HostConfig, images: ImageService) -> Hypervisor:
    folders = Folders(config.instances)
    return QemuHypervisor(Host(config, folders, ImageCache(config.cache, images)))
