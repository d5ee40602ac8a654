"""Why no host would do, in one paragraph for whoever asked for the server."""

from __future__ import annotations

from collections import Counter
from typing import Final

from cumulet.compute.scheduling.hosts import Host

_UNITS: Final = {
    "VCPU": "VCPUs",
    "PCPU": "processors set aside ([compute] cpu_dedicated_set)",
    "MEMORY_MB": "MB of memory",
    "DISK_GB": "GB of disk",
}
_MOST_NAMED: Final = 3


def of_lack(total: int, hosts: list[Host], wanted: dict[str, int]) -> str:
    """Placement had no candidate: which resource how many hosts lack, and which host was nearest."""
    if total == 0:
        return "There is no compute host."
    parts = []
    for name, amount in wanted.items():
        lacking = total - sum(host.free.get(name, 0) >= amount for host in hosts)
        if lacking:
            parts.append(f"{lacking} of {total} {_hosts(total)} lack {amount:,} {_UNITS.get(name, name)}")
    if not parts:
        parts.append(f"none of {total} {_hosts(total)} has all of it at once, with the traits that are required")
    nearest = min(hosts, key=lambda host: _distance(host, wanted), default=None)
    text = "; ".join(parts) + "."
    if nearest is not None:
        missing = [
            f"{wanted[name] - nearest.free.get(name, 0):,} {_UNITS.get(name, name)}"
            for name in wanted
            if nearest.free.get(name, 0) < wanted[name]
        ]
        if missing:
            text += f" The nearest miss is {nearest.node}, which lacks {' and '.join(missing)}."
    return text


def _distance(host: Host, wanted: dict[str, int]) -> float:
    return sum(max(0, amount - host.free.get(name, 0)) / amount for name, amount in wanted.items() if amount)


def of_filters(total: int, seen: int, removed: list[tuple[str, dict[str, str]]], *, whole: bool = True) -> str:
    """Candidates there were, and the filters removed them all; the last one removed was the nearest miss.

    `whole`: these were all that have room, and not as many as may be looked at.
    """
    looked = "" if whole else " and were looked at, as many as [scheduler] max_placement_results allows"
    parts = [f"Of {total} {_hosts(total)} {seen} {'has' if seen == 1 else 'have'} room{looked}."]
    for name, refused in removed:
        reasons = Counter(refused.values())
        examples = []
        for why, _ in reasons.most_common(_MOST_NAMED):
            nodes = [node for node, reason in refused.items() if reason == why]
            examples.append(f"{nodes[0]} {why}" if len(nodes) == 1 else f"{len(nodes)} ({nodes[0]}, …) each {why}")
        parts.append(f"{name} removed {len(refused)}: {'; '.join(examples)}.")
    if removed:
        name, refused = removed[-1]
        node, why = next(iter(refused.items()))
        parts.append(f"The nearest miss is {node}, which {why}.")
    return " ".join(parts)


def _hosts(total: int) -> str:
    return "host" if total == 1 else "hosts"
