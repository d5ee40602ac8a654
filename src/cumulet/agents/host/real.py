"""The agents of this machine itself. They need root, and the tools that `pip install cumulet[host]` names."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

from cumulet.agents.host.network import NetworkPart
from cumulet.agents.host.parts import Part
from cumulet.agents.network import options
from cumulet.agents.network.agent import NetworkAgent
from cumulet.agents.network.watch import LinkWatch
from cumulet.kernel.bus import Bus
from cumulet.kernel.settings import Settings


def host_name() -> str:
    return socket.gethostname()


def real_parts(bus: Bus, host: str, state_dir: Path, settings: Settings) -> list[Part]:
    """Raises ImportError where the host's tools are missing, ValueError for an option that cannot be used."""
    from cumulet.agents.network.linux import linux_drivers

    config = options.load(settings.files_of("neutron"), state_dir / "network", host=host, prefix=prefix_of(settings))
    agent = NetworkAgent(config, linux_drivers(config))
    return [NetworkPart(bus, agent, watch=lambda: LinkWatch(config.host_namespace))]


def prefix_of(settings: Settings) -> str:
    """Clouds in directories of their own share a machine: what they make there has names of their own."""
    if settings.state_dir is None:
        return ""
    return hashlib.sha256(str(settings.paths.state).encode()).hexdigest()[:4] + "-"
