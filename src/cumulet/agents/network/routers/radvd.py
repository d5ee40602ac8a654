"""Router advertisements (RFC 4861) for a router's IPv6 networks, by radvd."""

from __future__ import annotations

import signal
from pathlib import Path

from cumulet.agents.network import files, processes
from cumulet.agents.network.planning.plans import Advertisement, RouterDevice, RouterPlan
from cumulet.agents.network.processes import Daemon


def ensure(plan: RouterPlan, directory: Path, *, active: bool) -> bool:
    """Have radvd running with the plan's prefixes, or not at all; True if anything was done."""
    devices = [device for device in plan.interfaces if device.advertisements]
    daemon = _daemon(plan, directory)
    if not devices or not active:
        return processes.stop(daemon.pid_file, daemon.token)
    changed = files.write(directory / "radvd.conf", "".join(map(_interface, devices)))
    pid = processes.running(daemon)
    if pid is None:
        processes.start(daemon)
        return True
    if changed:
        processes.send(pid, signal.SIGHUP)
    return changed


def _daemon(plan: RouterPlan, directory: Path) -> Daemon:
    argv = (
        "radvd",
        f"--config={directory / 'radvd.conf'}",
        f"--pidfile={directory / 'radvd.pid'}",
        "--logmethod=logfile",
        f"--logfile={directory / 'radvd.log'}",
    )
    return Daemon("radvd", plan.namespace, argv, directory / "radvd.pid", f"--pidfile={directory / 'radvd.pid'}")


def _interface(device: RouterDevice) -> str:
    managed = any(a.managed for a in device.advertisements)
    other = any(a.other for a in device.advertisements)
    lines = [
        f"interface {device.name} {{",
        "  AdvSendAdvert on;",
        "  MinRtrAdvInterval 30;",
        "  MaxRtrAdvInterval 100;",
        f"  AdvManagedFlag {_switch(managed)};",
        f"  AdvOtherConfigFlag {_switch(other)};",
        f"  AdvLinkMTU {max(device.mtu, 1280)};",
        *(line for advertisement in device.advertisements for line in _prefix(advertisement)),
        "};",
    ]
    return "\n".join(lines) + "\n"


def _prefix(advertisement: Advertisement) -> list[str]:
    lines = [
        f"  prefix {advertisement.prefix} {{",
        "    AdvOnLink on;",
        f"    AdvAutonomous {_switch(advertisement.autonomous)};",
        "  };",
    ]
    servers = [server for server in advertisement.dns_nameservers if ":" in server][:3]  # radvd takes three
    if servers:
        lines.append(f"  RDNSS {' '.join(servers)} {{ }};")
    return lines


def _switch(on: bool) -> str:
    return "on" if on else "off"
