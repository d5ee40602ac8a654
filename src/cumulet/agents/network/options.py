"""The agent's settings from the operator's own files.

`neutron.conf`, `ml2_conf.ini`, `linuxbridge_agent.ini`, `dhcp_agent.ini`, `l3_agent.ini` and `metadata_agent.ini` are
read as they are. Drivers that they name (`interface_driver`, `firewall_driver`…) are read over: there is one of each.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from oslo_config import cfg

from cumulet.agents.network.config import AgentConfig
from cumulet.agents.network.state import ip_address
from cumulet.kernel import config

DEFAULT = [
    cfg.StrOpt("host", help="This host's name. Default: what the system calls itself."),
    cfg.StrOpt("dns_domain", default="openstacklocal"),
    cfg.IntOpt("dhcp_lease_duration", default=86400, help="Seconds; -1: for ever."),
    cfg.BoolOpt("enable_isolated_metadata", default=False, help="Serve metadata by DHCP where no router does."),
    cfg.BoolOpt("force_metadata", default=False, help="Serve metadata by DHCP always."),
    cfg.ListOpt("dnsmasq_dns_servers", default=[], help="Where dnsmasq forwards what it does not know."),
    cfg.StrOpt("nova_metadata_host", default="127.0.0.1"),
    cfg.PortOpt("nova_metadata_port", default=8775),
    cfg.StrOpt("nova_metadata_protocol", default="http", choices=["http", "https"]),
    cfg.BoolOpt("nova_metadata_insecure", default=False),
    cfg.StrOpt("metadata_proxy_shared_secret", default="", secret=True),
]
LINUX_BRIDGE = [
    cfg.ListOpt("physical_interface_mappings", default=[], help="physical_network:interface, …"),
    cfg.ListOpt("bridge_mappings", default=[], help="physical_network:bridge, …, for bridges the operator has made."),
]
VXLAN = [
    cfg.BoolOpt("enable_vxlan", default=True),
    cfg.StrOpt("local_ip", help="This host's end of VXLAN tunnels."),
    cfg.PortOpt("udp_dstport", default=4789),
]
AGENT = [cfg.StrOpt("availability_zone", default="nova")]
SECURITY_GROUP = [cfg.BoolOpt("enable_security_group", default=True)]

_NONE: Mapping[str, object] = {}


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(DEFAULT)
    conf.register_opts(LINUX_BRIDGE, group="linux_bridge")
    conf.register_opts(VXLAN, group="vxlan")
    conf.register_opts(SECURITY_GROUP, group="securitygroup")
    conf.register_opts(AGENT, group="agent")


def load(
    files: Sequence[Path | str], state_dir: Path, *, defaults: Mapping[str, object] = _NONE, **settings: object
) -> AgentConfig:
    """The agent's configuration from `files` (later ones win); `settings` are AgentConfig fields that no file has.

    `defaults` are this cloud's own, by the options' names, for what the files do not say.

    ValueError names the option that cannot be used; config.load's errors for files that cannot be read.
    """
    conf = config.load("neutron", files)
    register(conf)
    for name, value in defaults.items():
        conf.set_default(name, value)
    return agent_config(conf, state_dir, **settings)


def agent_config(conf: cfg.ConfigOpts, state_dir: Path, **settings: object) -> AgentConfig:
    """The same from options that have been loaded and registered."""
    values: dict[str, object] = {
        "host": conf.host or socket.gethostname(),
        "state_dir": state_dir,
        "local_ip": _local_ip(conf),
        "vxlan_port": conf.vxlan.udp_dstport,
        "physical_interface_mappings": _mapping("physical_interface_mappings", conf.linux_bridge),
        "bridge_mappings": _mapping("bridge_mappings", conf.linux_bridge),
        "availability_zone": conf.agent.availability_zone,
        "enable_security_group": conf.securitygroup.enable_security_group,
        "enable_isolated_metadata": conf.enable_isolated_metadata,
        "force_metadata": conf.force_metadata,
        "dns_domain": conf.dns_domain.rstrip("."),
        "dns_servers": tuple(_address("dnsmasq_dns_servers", server) for server in conf.dnsmasq_dns_servers),
        "lease_seconds": conf.dhcp_lease_duration,
        "metadata_host": conf.nova_metadata_host,
        "metadata_port": conf.nova_metadata_port,
        "metadata_protocol": conf.nova_metadata_protocol,
        "metadata_insecure": conf.nova_metadata_insecure,
        "metadata_secret": conf.metadata_proxy_shared_secret,
    }
    return AgentConfig(**(values | settings))  # type: ignore[arg-type]


def _local_ip(conf: cfg.ConfigOpts) -> str | None:
    if not conf.vxlan.enable_vxlan or not conf.vxlan.local_ip:
        return None
    return _address("local_ip", conf.vxlan.local_ip)


def _mapping(name: str, group: cfg.ConfigOpts) -> dict[str, str]:
    """`physnet1:eth1` pairs; an interface may serve one physical network only."""
    pairs: dict[str, str] = {}
    for entry in getattr(group, name):
        network, colon, device = entry.strip().partition(":")
        if not colon or not network.strip() or not device.strip():
            raise ValueError(f"{name}: {entry!r} is not physical_network:device")
        if device.strip() in pairs.values():
            raise ValueError(f"{name}: {device.strip()} is there twice")
        pairs[network.strip()] = device.strip()
    return pairs


def _address(name: str, value: str) -> str:
    try:
        return str(ip_address(value.strip()))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
