"""What a guest has done so far, in the form of microversion 2.48 (Compute API, Servers diagnostics)."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any, Final

from cumulet.agents.compute.folders import Record
from cumulet.agents.compute.qemu import power, processes
from cumulet.agents.compute.qemu.host import Host
from cumulet.agents.compute.qemu.monitor import Monitor, MonitorError
from cumulet.agents.network import names, netns

_STATES: Final = {
    power.RUNNING: "running",
    power.PAUSED: "paused",
    power.SHUTDOWN: "shutdown",
    power.CRASHED: "crashed",
    power.SUSPENDED: "suspended",
}
_MB: Final = 1 << 20


def of(host: Host, record: Record) -> dict[str, Any]:
    directory = host.folders.of(record.id)
    pid = processes.pid_of(directory)
    found: dict[str, Any] = {
        "state": _STATES[power.state_of(directory)],
        "driver": "libvirt",
        "hypervisor": "kvm" if record.machine["accelerator"] == "kvm" else "qemu",
        "hypervisor_os": "linux",
        "uptime": _uptime(pid),
        "config_drive": record.guest.config_drive,
        "num_cpus": int(record.guest.flavor["vcpus"]),
        "num_nics": len(record.cards),
        "num_disks": len(record.drives),
        "cpu_details": [],
        "nic_details": _cards(host, record),
        "disk_details": [],
        "memory_details": {"maximum": int(record.guest.flavor["ram"]), "used": int(record.guest.flavor["ram"])},
    }
    if pid is None:
        return found
    with processes.questions(directory) as monitor:
        found["cpu_details"] = _processors(monitor, pid)
        found["disk_details"] = _disks(monitor)
        found["memory_details"]["used"] = _memory(monitor, int(record.guest.flavor["ram"]))
    return found


def _uptime(pid: int | None) -> int:
    """Seconds since its process started."""
    if pid is None:
        return 0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK"))


def _processors(monitor: Monitor, pid: int) -> list[dict[str, Any]]:
    """Nanoseconds of processor time of each."""
    ticks, found = os.sysconf("SC_CLK_TCK"), []
    for cpu in monitor.ask("query-cpus-fast"):
        fields = Path(f"/proc/{pid}/task/{cpu['thread-id']}/stat").read_text().rpartition(")")[2].split()
        spent = (int(fields[11]) + int(fields[12])) * 1_000_000_000 // ticks
        found.append({"id": cpu["cpu-index"], "time": spent, "utilisation": None})
    return found


def _disks(monitor: Monitor) -> list[dict[str, int]]:
    found = []
    for device in monitor.ask("query-blockstats"):
        stats = device["stats"]
        if not device.get("qdev"):
            continue
        found.append(
            {
                "read_bytes": stats["rd_bytes"],
                "read_requests": stats["rd_operations"],
                "write_bytes": stats["wr_bytes"],
                "write_requests": stats["wr_operations"],
                "errors_count": stats["failed_rd_operations"] + stats["failed_wr_operations"],
            }
        )
    return found


def _memory(monitor: Monitor, whole_mb: int) -> int:
    """MB the guest uses, as its balloon driver says; all of it without one."""
    with contextlib.suppress(MonitorError, KeyError):
        stats = monitor.ask("qom-get", path="/machine/peripheral/balloon", property="guest-stats")["stats"]
        total, free = stats["stat-total-memory"], stats["stat-free-memory"]
        if 0 < total < 1 << 60 and 0 <= free <= total:
            return int(total - free) // _MB
    return whole_mb


def _cards(host: Host, record: Record) -> list[dict[str, Any]]:
    """Seen from the guest: what its tap sent is what the card received."""
    found = []
    with netns.inside(host.config.host_namespace):
        counters = _counters(Path("/proc/thread-self/net/dev").read_text())
    for card in record.cards:
        sent, received = counters.get(names.tap(card.port_id), ((0,) * 4, (0,) * 4))
        line: dict[str, Any] = {"mac_address": card.mac}
        for way, (octets, packets, errors, drop) in (("rx", received), ("tx", sent)):
            line |= {f"{way}_octets": octets, f"{way}_packets": packets, f"{way}_errors": errors}
            line |= {f"{way}_drop": drop, f"{way}_rate": None}
        found.append(line)
    return found


def _counters(text: str) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    """device -> (what it received, what it transmitted), each octets, packets, errors, drops."""
    found = {}
    for line in text.splitlines()[2:]:
        name, _, rest = line.partition(":")
        numbers = [int(one) for one in rest.split()]
        found[name.strip()] = (tuple(numbers[:4]), tuple(numbers[8:12]))
    return found
