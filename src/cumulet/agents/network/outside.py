"""A way out for a machine whose operator has given the cloud no interface: a bridge of the host's own, with NAT.

Routers' gateways and floating IPs lie in its subnet. The host itself holds the subnet's first address, so floating IPs
answer from this machine at once, and what guests send to the world leaves under the host's own addresses. It is only
made while neither `physical_interface_mappings` nor `bridge_mappings` says otherwise.
"""

from __future__ import annotations

import ipaddress
import logging
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from cumulet.agents.network import claims, sysctl
from cumulet.agents.network.config import AgentConfig
from cumulet.agents.network.netlink import Netlink
from cumulet.agents.network.nft.expressions import field, match, meta
from cumulet.agents.network.nft.kernel import Kernel, KernelTable
from cumulet.agents.network.nft.model import Chain, Hook, Table
from cumulet.kernel.bus import Method

log = logging.getLogger(__name__)

PHYSICAL_NETWORK: Final = "public"
"""How provider networks name it: `--provider-network-type flat --provider-physical-network public`."""
_FIRST: Final = ipaddress.ip_network("172.24.4.0/24")
_SUBNETS: Final = 250
_LOOK_S: Final = 5.0
_NAT_PRIORITY: Final = 100


class Outside(Struct, frozen=True):
    """The bridge's name, its subnet, and the host's address in it."""

    bridge: str
    cidr: str
    address: str


def is_wanted(config: AgentConfig) -> bool:
    return config.enable_routers and not config.physical_interface_mappings and not config.bridge_mappings


def file_of(state_dir: Path) -> Path:
    """Where it is remembered, below the network agent's directory."""
    return state_dir / "outside.json"


def remembered(state_dir: Path) -> Outside | None:
    file = file_of(state_dir)
    return msgspec.json.decode(file.read_bytes(), type=Outside) if file.exists() else None


def choose(config: AgentConfig) -> Outside:
    """What was chosen before, else a subnet that this host has no route into and no other cloud of this machine has,
    be it down. OSError when all are in use."""
    known = remembered(config.state_dir)
    if known is not None:
        other = _claim(config, known.cidr)
        if other is not None:
            log.error("%s is also the way out of the cloud in %s: only one of them can be reached", known.cidr, other)
        return known
    netlink = Netlink(config.host_namespace)
    try:
        used = [route.destination for route in netlink.routes() if route.family == 2 and route.destination != "default"]
    finally:
        netlink.close()
    config.state_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
    subnet = _free(used)
    while _claim(config, str(subnet)) is not None:
        used.append(str(subnet))
        subnet = _free(used)
    chosen = Outside(bridge=f"{config.prefix}br-ext"[-15:], cidr=str(subnet), address=str(next(subnet.hosts())))
    temporary = file_of(config.state_dir).with_suffix(".new")
    temporary.write_bytes(msgspec.json.encode(chosen))
    temporary.replace(file_of(config.state_dir))
    return chosen


def _claim(config: AgentConfig, cidr: str) -> Path | None:
    """The directory of another cloud that has it. A namespace that plays a host shares its routes with none."""
    return claims.claim(cidr, config.state_dir) if config.host_namespace is None else None


def _free(used: Iterable[str]) -> ipaddress.IPv4Network:
    taken = [ipaddress.ip_network(destination, strict=False) for destination in used]
    start = int(_FIRST.network_address)
    for number in range(_SUBNETS):
        candidate = ipaddress.IPv4Network((start + (number << 8), _FIRST.prefixlen))
        if not any(candidate.overlaps(network) for network in taken if isinstance(network, ipaddress.IPv4Network)):
            return candidate
    raise OSError(f"every subnet from {_FIRST} on is in use on this host: set bridge_mappings in neutron.conf")


class OutsidePart:
    """Keeps the bridge, its address and its NAT in place."""

    def __init__(self, config: AgentConfig, outside: Outside) -> None:
        self._config = config
        self._outside = outside

    def methods(self) -> Mapping[str, Method]:
        return {}

    def run(self, stop: threading.Event) -> None:
        kernel = Kernel(self._config.host_namespace)
        table = KernelTable(kernel, "ip", _table_name(self._config))
        try:
            while True:
                ensure(self._config, self._outside)
                table.apply(_nat(table.name, self._outside))
                table.verify()
                if stop.wait(_LOOK_S):
                    return
        finally:
            kernel.close()


def ensure(config: AgentConfig, outside: Outside) -> bool:
    """Make the bridge and give it its address; True if anything had to be done."""
    netlink = Netlink(config.host_namespace)
    try:
        changed = False
        batch = netlink.batch()
        link = netlink.link(outside.bridge)
        if link is None:
            batch.link(outside.bridge, "add", ifname=outside.bridge, kind="bridge")
            batch.do()
            link = netlink.link(outside.bridge)
            changed = True
        assert link is not None
        length = ipaddress.ip_network(outside.cidr).prefixlen
        if not any(a.index == link.index and a.address == outside.address for a in netlink.addresses()):
            batch.address(outside.bridge, "replace", index=link.index, address=outside.address, prefixlen=length)
            changed = True
        if link.alias != _alias(config):
            batch.link(outside.bridge, "set", index=link.index, ifalias=_alias(config))
        if not link.up:
            batch.link(outside.bridge, "set", index=link.index, state="up")
            changed = True
        batch.do()
    finally:
        netlink.close()
    return bool(sysctl.ensure(config.host_namespace, {"ipv4/ip_forward": 1})) or changed


def remove(config: AgentConfig) -> None:
    """Take it all away; nothing is right too. Forwarding stays as it is: others may count on it by now. What was chosen
    stays remembered, because networks in the database have the addresses."""
    outside = remembered(config.state_dir)
    kernel = Kernel(config.host_namespace)
    try:
        if ("ip", _table_name(config)) in kernel.tables():
            kernel.delete_table("ip", _table_name(config))
    finally:
        kernel.close()
    if outside is None:
        return
    netlink = Netlink(config.host_namespace)
    try:
        link = netlink.link(outside.bridge)
        if link is not None and link.alias == _alias(config):
            batch = netlink.batch()
            batch.link(outside.bridge, "del", index=link.index)
            batch.do()
    finally:
        netlink.close()


def _alias(config: AgentConfig) -> str:
    """Not the switch's marker, which removes what no network needs."""
    return f"cumulet-outside:{config.prefix}"


def _table_name(config: AgentConfig) -> str:
    return f"{config.table}_outside"


def _nat(name: str, outside: Outside) -> Table:
    network = ipaddress.ip_network(outside.cidr)
    source = {"prefix": {"addr": str(network.network_address), "len": network.prefixlen}}
    # Only what the host routes: br_netfilter shows this hook the frames that cross tenants' bridges, too.
    rule = [
        match(meta("iifname"), outside.bridge),
        match(field("ip", "saddr"), source),
        match(meta("oifname"), outside.bridge, "!="),
        {"masquerade": None},
    ]
    return Table("ip", name, chains={"postrouting": Chain([rule], Hook("nat", "postrouting", _NAT_PRIORITY))})
