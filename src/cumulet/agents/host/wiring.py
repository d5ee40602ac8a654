"""A machine's network: its settings, its agents, and leaving it as it was."""

from __future__ import annotations

import functools
import logging
import shutil
from pathlib import Path
from typing import Final

import msgspec

from cumulet.agents.host.network import NetworkPart
from cumulet.agents.host.parts import Part
from cumulet.agents.network import claims, options, outside
from cumulet.agents.network.agent import NetworkAgent
from cumulet.agents.network.config import AgentConfig
from cumulet.agents.network.watch import LinkWatch
from cumulet.kernel.bus import Bus
from cumulet.kernel.settings import Settings

log = logging.getLogger(__name__)

_FOLDER: Final = "network"
_IN_USE: Final = "in-use"


def agent_config(
    settings: Settings, host: str, state_dir: Path, *, prefix: str, defaults: dict[str, object]
) -> AgentConfig:
    """From the operator's files; `defaults` are the cloud's own values for what these do not say. Raises ValueError."""
    files = settings.files_of("neutron")
    return options.load(files, state_dir / _FOLDER, defaults=defaults, host=host, prefix=prefix)


def network_parts(bus: Bus, config: AgentConfig) -> list[Part]:
    """Raises ImportError where the host's tools are missing, NftMissing without libnftables."""
    from cumulet.agents.network.linux import linux_drivers

    parts: list[Part] = []
    if outside.is_wanted(config):
        way_out = outside.choose(config)
        config = msgspec.structs.replace(config, bridge_mappings={outside.PHYSICAL_NETWORK: way_out.bridge})
        parts.append(outside.OutsidePart(config, way_out))
    agent = NetworkAgent(config, linux_drivers(config))
    (config.state_dir / _IN_USE).touch(mode=0o600)
    watch = functools.partial(LinkWatch, config.host_namespace)
    return [*parts, NetworkPart(bus, agent, watch=watch)]


def is_in_use(state_dir: Path) -> bool:
    """Whether agents have made anything here that is still there, as far as anybody knows."""
    return (state_dir / _FOLDER / _IN_USE).exists()


def purge(state_dir: Path) -> None:
    """After `leave`, when the cloud's networks go too: its way out is free for others."""
    claims.release(state_dir / _FOLDER)


def leave(config: AgentConfig) -> None:
    """Take away all that agents with these settings have made on this machine, their processes and files too.

    What cannot be taken away is told in the log, and tried again by the next one that leaves.
    """
    from cumulet.agents.network.linux import linux_drivers

    try:
        NetworkAgent(config, linux_drivers(config)).purge()
        outside.remove(config)
    except OSError as error:
        log.error("this machine's network is not as it was before: %s", error)
        return
    for entry in config.state_dir.iterdir():
        # The way out keeps its addresses: networks in the database have them.
        if entry != outside.file_of(config.state_dir):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink(missing_ok=True)
