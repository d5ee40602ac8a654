"""The dnsmasq driver: a server's address, its files, and its process, reloaded where a restart is not needed."""

from __future__ import annotations

import ctypes
import fcntl
import logging
import shutil
import signal
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

from cumulet.agents.network import files, netns, processes, sysctl
from cumulet.agents.network.addressing import WantedRoute, ensure_addresses, ensure_routes
from cumulet.agents.network.config import AgentConfig
from cumulet.agents.network.dhcp import release, render
from cumulet.agents.network.handles import Handles
from cumulet.agents.network.planning.plans import DhcpPlan, DhcpSubnet
from cumulet.agents.network.processes import Daemon
from cumulet.agents.network.protocols import Outcome
from cumulet.agents.network.state import ip_network

log = logging.getLogger(__name__)

_SIOCETHTOOL, _ETHTOOL_STXCSUM = 0x8946, 0x17
# What makes another process of it; everything else is read again at SIGHUP.
_ARGUMENTS_FILE = "arguments"


class DnsmasqDhcp:
    def __init__(self, config: AgentConfig, handles: Handles) -> None:
        self._config = config
        self._handles = handles
        self._directory = config.state_dir / "dhcp"
        self._applied: dict[str, DhcpPlan] = {}

    def apply(self, plans: dict[str, DhcpPlan], *, verify: bool) -> Outcome:
        outcome = Outcome()
        for network_id in self._known() - plans.keys():
            self._stop(network_id)
            outcome.changed.append(f"dhcp {network_id}")
        for network_id, plan in plans.items():
            before = self._applied.get(network_id)
            if before is not None and not verify and (before is plan or before == plan):
                continue
            try:
                self._serve(plan, before, outcome)
            except (OSError, processes.DaemonFailed, ValueError) as error:
                self._applied.pop(network_id, None)
                outcome.errors[f"networks/{network_id}"] = f"DHCP: {error}"
            else:
                self._applied[network_id] = plan
        return outcome

    def _known(self) -> set[str]:
        return {entry.name for entry in self._directory.iterdir()} if self._directory.is_dir() else set()

    # -- one network --------------------------------------------------------------------------------------------------

    def _serve(self, plan: DhcpPlan, before: DhcpPlan | None, outcome: Outcome) -> None:
        self._device(plan)
        directory = self._directory / plan.network_id
        directory.mkdir(parents=True, exist_ok=True, mode=0o711)
        options, refused = render.options(plan)
        outcome.errors |= {f"ports/{port}": reason for port, reason in refused.items()}
        changed = [
            files.write(directory / "host", render.hosts(plan)),
            files.write(directory / "opts", options),
            files.write(directory / "addn_hosts", render.names(plan)),
        ]
        daemon = self._daemon(plan, directory)
        pid = processes.running(daemon)
        other = files.write(directory / _ARGUMENTS_FILE, "\n".join(daemon.argv))
        if pid is None or other:
            processes.start(daemon)
            outcome.changed.append(f"dhcp {plan.network_id}")
        elif any(changed):
            processes.send(pid, signal.SIGHUP)
            outcome.changed.append(f"dhcp {plan.network_id}")
        self._release_lost_leases(plan, before, directory)

    def _device(self, plan: DhcpPlan) -> None:
        netlink = self._handles.netlink(plan.namespace)
        link = netlink.link(plan.device)
        if link is None:
            raise OSError(f"{plan.device} is not in {plan.namespace}")
        sysctl.ensure_if_there(plan.namespace, {f"ipv6/conf/{plan.device}/accept_ra": 0})
        if not link.up or link.mtu != plan.mtu:
            # A guest's client may check checksums that a virtual device would leave to hardware nobody has.
            with netns.inside(plan.namespace), suppress(OSError):
                _compute_checksums(plan.device)
            batch = netlink.batch()
            batch.link(plan.device, "set", index=link.index, state="up", mtu=plan.mtu)
            batch.do()
        have = [a for a in netlink.addresses() if not _is_metadata(a.address)]
        ensure_addresses(netlink, link, plan.addresses, have, keep_link_local=True)
        routes = [WantedRoute(f"default{ip_network(g).version}", g, link.index) for g in plan.gateways]
        # Only one default route a family: the first gateway's.
        connected = [(cidr, link.index) for cidr in plan.addresses]
        ensure_routes(netlink, {route[0]: route for route in reversed(routes)}.values(), connected)

    def _daemon(self, plan: DhcpPlan, directory: Path) -> Daemon:
        leases = sum(ip_network(subnet.cidr).num_addresses for subnet in plan.subnets)
        argv = [
            "dnsmasq",
            "--conf-file=",
            "--no-hosts",
            "--no-resolv",
            f"--pid-file={directory / 'pid'}",
            f"--dhcp-hostsfile={directory / 'host'}",
            f"--addn-hosts={directory / 'addn_hosts'}",
            f"--dhcp-optsfile={directory / 'opts'}",
            f"--dhcp-leasefile={directory / 'leases'}",
            f"--log-facility={directory / 'log'}",
            f"--user={'nobody' if files.others_may_enter(directory) else 'root'}",
            "--bind-dynamic",
            "--except-interface=lo",
            f"--interface={plan.device}",
            "--dhcp-authoritative",
            "--quiet-dhcp",
            "--quiet-dhcp6",
            f"--dhcp-lease-max={min(leases, 1 << 24)}",
            f"--dhcp-option-force=option:mtu,{plan.mtu}",
            *(f"--server={address}" for address in plan.forwarders),
            *(_range(subnet, plan.lease_seconds) for subnet in plan.subnets),
        ]
        if plan.domain:
            argv += [f"--domain={plan.domain}", f"--local=/{plan.domain}/", "--expand-hosts"]
        return Daemon(
            name="dnsmasq",
            namespace=plan.namespace,
            argv=tuple(argv),
            pid_file=directory / "pid",
            token=f"--pid-file={directory / 'pid'}",
        )

    def _release_lost_leases(self, plan: DhcpPlan, before: DhcpPlan | None, directory: Path) -> None:
        """End leases of addresses that the port with that MAC no longer has."""
        if before is not None and before.hosts == plan.hosts:
            return
        macs: dict[str, set[str]] = {}
        for host in plan.hosts:
            for _, address in host.addresses:
                macs.setdefault(address, set()).add(host.mac)
        servers = {ip_network(s.cidr): s.server_ip for s in plan.subnets}
        lost_duids = self._duids_of_lost_hosts(plan, before)
        for lease in release.read(directory / "leases"):
            holders = macs.get(lease.address, set())
            if lease.mac and lease.mac in holders:
                continue
            if not lease.mac and holders and lease.address not in lost_duids:
                continue
            network = ip_network(lease.address)
            server = next((ip for net, ip in servers.items() if net.version == network.version and
                           network.subnet_of(net)), None)  # type: ignore[arg-type]  # fmt: skip
            release.release(plan.namespace, plan.device, lease, server)

    @staticmethod
    def _duids_of_lost_hosts(plan: DhcpPlan, before: DhcpPlan | None) -> set[str]:
        """IPv6 addresses that went from one MAC to another: their lease names a DUID, which tells no MAC."""
        old = {} if before is None else {a: h.mac for h in before.hosts for _, a in h.addresses}
        new = {a: h.mac for h in plan.hosts for _, a in h.addresses}
        return {address for address, mac in new.items() if old.get(address, mac) != mac}

    def _stop(self, network_id: str) -> None:
        directory = self._directory / network_id
        processes.stop(directory / "pid", f"--pid-file={directory / 'pid'}")
        shutil.rmtree(directory, ignore_errors=True)
        self._applied.pop(network_id, None)

    # -- telling ------------------------------------------------------------------------------------------------------

    def observe(self) -> dict[str, Any]:
        served = {}
        for network_id in sorted(self._known()):
            lines = (self._directory / network_id / "host").read_text().splitlines()
            fields = [line.split(",") for line in lines]
            served[network_id] = sorted((f[0], f[2].strip("[]")) for f in fields if len(f) > 2 and "set:" not in f[2])
        return served

    def purge(self) -> None:
        for network_id in self._known():
            self._stop(network_id)
        for pid in processes.with_argument_below(self._directory):
            processes.end(pid)
        shutil.rmtree(self._directory, ignore_errors=True)


def _range(subnet: DhcpSubnet, lease_seconds: int) -> str:
    network = ip_network(subnet.cidr)
    length = str(network.netmask) if network.version == 4 else str(network.prefixlen)
    lease = "infinite" if lease_seconds < 0 else f"{lease_seconds}s"
    return f"--dhcp-range=set:subnet-{subnet.id},{network.network_address},static,{length},{lease}"


def _is_metadata(address: str) -> bool:
    """The metadata listener's addresses on this device are that driver's business."""
    return address in ("169.254.169.254", "fe80::a9fe:a9fe")


def _compute_checksums(device: str) -> None:
    value = struct.pack("=II", _ETHTOOL_STXCSUM, 0)
    buffer = bytearray(value)
    holder = (ctypes.c_char * len(buffer)).from_buffer(buffer)
    request = struct.pack("16sP", device.encode(), ctypes.addressof(holder))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCETHTOOL, request)
