"""High availability by keepalived (VRRP version 3, RFC 5798): which of several hosts is the router now.

The active host has the VIP `169.254.0.<vr_id>` on its HA device, and with it all the router's addresses and routes. No
notification is needed: whoever wants to know looks whether the VIP is there.
"""

from __future__ import annotations

import signal
from pathlib import Path

from cumulet.agents.network import files, processes
from cumulet.agents.network.planning.plans import RouterDevice, RouterPlan
from cumulet.agents.network.planning.ports import link_local
from cumulet.agents.network.processes import Daemon
from cumulet.agents.network.state import HighAvailability

_VIP_NETWORK = "169.254.0"


def vip(ha: HighAvailability) -> str:
    return f"{_VIP_NETWORK}.{ha.vr_id}"


def ensure(
    plan: RouterPlan,
    ha: HighAvailability,
    device: RouterDevice,
    addresses: dict[str, tuple[str, ...]],
    routes: list[tuple[str, str | None, str]],
    directory: Path,
) -> bool:
    """Have keepalived running for the router; True if anything was done.

    `addresses` are CIDRs by device, `routes` (destination, next hop, device): what the active host has.
    """
    changed = files.write(directory / "keepalived.conf", _configuration(plan, ha, device, addresses, routes), 0o600)
    daemon = _daemon(plan, directory)
    pid = processes.running(daemon)
    if pid is None:
        # The VRRP child outlives a parent that was killed, and would speak for the router beside the new one.
        processes.stop(directory / "vrrp.pid", daemon.token)
        processes.start(daemon)
        return True
    if changed:
        processes.send(pid, signal.SIGHUP)
    return changed


def stop(directory: Path) -> bool:
    token = _token(directory)
    parent = processes.stop(directory / "keepalived.pid", token)
    return processes.stop(directory / "vrrp.pid", token) or parent


def _token(directory: Path) -> str:
    return f"--use-file={directory / 'keepalived.conf'}"


def _daemon(plan: RouterPlan, directory: Path) -> Daemon:
    argv = (
        "keepalived",
        "--vrrp",
        _token(directory),
        f"--pid={directory / 'keepalived.pid'}",
        f"--vrrp_pid={directory / 'vrrp.pid'}",
    )
    return Daemon("keepalived", plan.namespace, argv, directory / "keepalived.pid", _token(directory))


def _configuration(
    plan: RouterPlan,
    ha: HighAvailability,
    device: RouterDevice,
    addresses: dict[str, tuple[str, ...]],
    routes: list[tuple[str, str | None, str]],
) -> str:
    excluded = [f"{cidr} dev {name}" for name, cidrs in addresses.items() for cidr in cidrs]
    for shared in [*plan.interfaces, *([plan.gateway.device] if plan.gateway else [])]:
        excluded.append(f"{link_local(shared.mac)}/64 dev {shared.name} scope link")
    virtual_routes = [
        f"{destination} via {next_hop} dev {name}" if next_hop else f"{destination} dev {name} scope link"
        for destination, next_hop, name in routes
    ]
    lines = [
        "global_defs {",
        f"  router_id {plan.router_id}",
        "  vrrp_version 3",
        "  vrrp_garp_master_delay 1",
        "  vrrp_garp_master_repeat 2",
        "}",
        f"vrrp_instance VR_{ha.vr_id} {{",
        "  state BACKUP",
        f"  interface {device.name}",
        f"  virtual_router_id {ha.vr_id}",
        f"  priority {ha.priority}",
        "  nopreempt",
        f"  advert_int {ha.advert_interval:g}",
        *_block("virtual_ipaddress", [f"{vip(ha)}/24 dev {device.name}"]),
        *_block("virtual_ipaddress_excluded", excluded),
        *_block("virtual_routes", virtual_routes),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _block(name: str, entries: list[str]) -> list[str]:
    return [f"  {name} {{", *(f"    {entry}" for entry in entries), "  }"] if entries else []
