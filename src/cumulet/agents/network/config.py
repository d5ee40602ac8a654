"""Settings of the network agent on one host, with Neutron's defaults."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from msgspec import Struct, field


class AgentConfig(Struct, frozen=True):
    """`prefix` goes before namespace names and into markers, so that agents on one machine do not see each other's.

    `host_namespace` is the network namespace that plays the host (a name below /run/netns or a path); None is the one
    the agent is started in. `state_dir` holds only what can be made again: configuration files, leases, pid files.
    """

    host: str
    state_dir: Path
    prefix: str = ""
    host_namespace: str | None = None
    local_ip: str | None = None  # VXLAN end point
    vxlan_port: int = 4789
    physical_interface_mappings: dict[str, str] = field(default_factory=dict)
    bridge_mappings: dict[str, str] = field(default_factory=dict)
    availability_zone: str = "nova"
    enable_security_group: bool = True
    enable_dhcp: bool = True
    enable_routers: bool = True
    # DHCP
    enable_isolated_metadata: bool = False
    force_metadata: bool = False
    dns_domain: str = "openstacklocal"
    dns_servers: tuple[str, ...] = ()
    lease_seconds: int = 86400
    # metadata service
    metadata_host: str = "127.0.0.1"
    metadata_port: int = 8775
    metadata_protocol: str = "http"
    metadata_secret: str = ""
    metadata_insecure: bool = False
    # the loop
    sweep_interval: float = 3.0  # seconds between two looks at everything

    @property
    def marker(self) -> str:
        """How every device of this agent's is marked (`ip link` shows it as alias)."""
        return f"cumulet{'-' + self.prefix if self.prefix else ''}:"

    @property
    def table(self) -> str:
        """The name of its nftables tables."""
        return re.sub(r"[^a-z0-9_]", "_", f"cumulet_{self.prefix.lower()}").rstrip("_")

    def to_json(self) -> bytes:
        """For another process; it holds the metadata secret."""
        return msgspec.json.encode(self, enc_hook=str)

    @classmethod
    def from_json(cls, data: bytes) -> AgentConfig:
        """msgspec.ValidationError names what is wrong."""
        return msgspec.json.decode(data, type=cls, dec_hook=lambda kind, value: kind(value))
