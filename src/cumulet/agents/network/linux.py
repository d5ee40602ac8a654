"""The drivers of a real host, put together."""

from __future__ import annotations

import resource

from cumulet.agents.network.config import AgentConfig
from cumulet.agents.network.dhcp.dnsmasq import DnsmasqDhcp
from cumulet.agents.network.filter.linux import LinuxFilter
from cumulet.agents.network.handles import Handles
from cumulet.agents.network.metadata.linux import LinuxMetadata
from cumulet.agents.network.protocols import Drivers
from cumulet.agents.network.qos.linux import LinuxQos
from cumulet.agents.network.routers.linux import LinuxRouters
from cumulet.agents.network.switch.linux import LinuxSwitch


def linux_drivers(config: AgentConfig) -> Drivers:
    """Drivers that act on this kernel. They need root; NftMissing if libnftables is not installed."""
    _allow_open_files()
    handles = Handles(config.host_namespace)
    config.state_dir.mkdir(parents=True, exist_ok=True)
    return Drivers(
        switch=LinuxSwitch(config, handles),
        filter=LinuxFilter(config, handles),
        dhcp=DnsmasqDhcp(config, handles),
        routers=LinuxRouters(config, handles),
        metadata=LinuxMetadata(config, handles),
        qos=LinuxQos(config, handles),
    )


def _allow_open_files() -> None:
    """A namespace takes three sockets, and a host may have hundreds of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
