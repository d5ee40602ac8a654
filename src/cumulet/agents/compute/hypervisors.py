"""Which driver a host has, put together: `virt_type` in nova.conf decides."""

from __future__ import annotations

from typing import Protocol

from cumulet.agents.compute.config import HostConfig
from cumulet.agents.compute.container.driver import ContainerHypervisor
from cumulet.agents.compute.folders import Folders
from cumulet.agents.compute.image_service import ImageService
from cumulet.agents.compute.images import ImageCache
from cumulet.agents.compute.protocols import Hypervisor
from cumulet.agents.compute.qemu.driver import QemuHypervisor
from cumulet.agents.compute.qemu.host import Host
from cumulet.agents.compute.waking import Waiting


class RealHypervisor(Hypervisor, Protocol):
    """One whose guests are on this machine, and outlive the agent."""

    def wake(self) -> Waiting:
        """At the agent's start: have guests run that are to run. To be repeated while some have to wait."""

    def rest(self) -> None:
        """Before the machine is left: end every guest so that `wake` can take it up again."""


def make(config: HostConfig, images: ImageService) -> RealHypervisor:
    host = Host(config, Folders(config.instances), ImageCache(config.cache, images))
    return ContainerHypervisor(host) if config.virt_type == "lxc" else QemuHypervisor(host)
