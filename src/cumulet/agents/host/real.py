"""The agents of this machine itself. They need root, and the tools that `pip install cumulet[host]` names."""

from __future__ import annotations

import functools
import hashlib
import socket
from collections.abc import Set
from pathlib import Path

from cumulet.agents import login
from cumulet.agents.compute import hypervisors
from cumulet.agents.compute import options as compute_options
from cumulet.agents.compute.agent import Agent as ComputeAgent
from cumulet.agents.compute.consoles.proxy import ConsoleProxy, pages
from cumulet.agents.compute.consoles.tokens import Tokens
from cumulet.agents.compute.image_service import Glance
from cumulet.agents.compute.qemu.driver import QemuHypervisor
from cumulet.agents.compute.qemu.open_disks import OpenDisks
from cumulet.agents.host import wiring
from cumulet.agents.host.compute import ComputePart
from cumulet.agents.host.consoles import ConsolePart
from cumulet.agents.host.disks import GuestDisks
from cumulet.agents.host.parts import Part
from cumulet.agents.network.config import AgentConfig
from cumulet.kernel import shared_secret
from cumulet.kernel.bus import Bus
from cumulet.kernel.settings import Settings
from cumulet.services import METADATA_PORT


def host_name() -> str:
    return socket.gethostname()


def real_parts(bus: Bus, host: str, state_dir: Path, settings: Settings, kinds: Set[str]) -> list[Part]:
    """Raises ImportError where the host's tools are missing, ValueError for an option that cannot be used."""
    parts: list[Part] = []
    if "network" in kinds:
        parts += wiring.network_parts(bus, network_config(settings, host, state_dir))
    if "compute" in kinds:
        parts.append(compute_part(bus, host, state_dir, settings))
        if (
            settings.paths.keys / "passwords.json"
        ).exists():  # where the cloud itself is, and not a host that joined it
            parts.append(console_part(settings))
    return parts


def network_config(settings: Settings, host: str, state_dir: Path) -> AgentConfig:
    return wiring.agent_config(settings, host, state_dir, prefix=prefix_of(settings), defaults=metadata_of(settings))


def compute_part(bus: Bus, host: str, state_dir: Path, settings: Settings) -> Part:
    hypervisor = _hypervisor(host, state_dir, settings)
    wake = hypervisor.wake if hypervisor.wake() else None
    disks = GuestDisks(OpenDisks(hypervisor.host)) if isinstance(hypervisor, QemuHypervisor) else None
    return ComputePart(bus, functools.partial(ComputeAgent, hypervisors={host: hypervisor}), disks, wake)


def console_part(settings: Settings) -> Part:
    conf = compute_options.read(settings.files_of("nova"))
    tokens = Tokens(lambda: login.session(settings, conf, "nova"))
    origins = conf.console.allowed_origins
    proxies = {
        settings.port(compute_options.NOVNC_PORT): ConsoleProxy(tokens, pages=pages(), allowed_origins=origins),
        settings.port(compute_options.SERIAL_PORT): ConsoleProxy(tokens, allowed_origins=origins),
    }
    return ConsolePart(settings.host, proxies)


def leave_compute(host: str, state_dir: Path, settings: Settings) -> None:
    """Lay this machine's guests to rest. Where none ever was nothing happens."""
    if (state_dir / "instances").exists() or settings.files_of("nova"):
        _hypervisor(host, state_dir, settings).rest()


def _hypervisor(host: str, state_dir: Path, settings: Settings) -> hypervisors.RealHypervisor:
    conf = compute_options.read(settings.files_of("nova"))
    config = compute_options.host_config(conf, state_dir, host=host, prefix=prefix_of(settings))
    return hypervisors.make(config, Glance(lambda: login.session(settings, conf, "nova")))


def metadata_of(settings: Settings) -> dict[str, object]:
    """Where this cloud's own metadata service is, and the secret it shares with the proxy."""
    own = settings.tls_cert is not None
    return {
        "nova_metadata_host": "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host,  # noqa: S104
        "nova_metadata_port": settings.single_port or settings.port(METADATA_PORT),
        "nova_metadata_protocol": "https" if own else "http",
        "nova_metadata_insecure": own,  # its certificate may be of nobody's authority, and names another address
        "metadata_proxy_shared_secret": shared_secret.load(settings.paths) or "",
    }


def prefix_of(settings: Settings) -> str:
    """Clouds in directories of their own share a machine: what they make there has names of their own."""
    if settings.state_dir is None:
        return ""
    return hashlib.sha256(str(settings.paths.state).encode()).hexdigest()[:4] + "-"
