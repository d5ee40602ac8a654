"""The original's weighers: each gives every host a number, spread over 0 to 1, times its multiplier."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from oslo_config import cfg

from cumulet.compute.scheduling.hosts import Host, Wish

Weigher = Callable[[Host, Wish], float]

WEIGHERS: Final[tuple[tuple[str, Weigher], ...]] = (
    ("ram_weight_multiplier", lambda host, wish: host.free.get("MEMORY_MB", 0)),
    ("cpu_weight_multiplier", lambda host, wish: host.free.get("VCPU", 0)),
    ("disk_weight_multiplier", lambda host, wish: host.free.get("DISK_GB", 0)),
    ("io_ops_weight_multiplier", lambda host, wish: host.busy),
    ("soft_affinity_weight_multiplier", lambda host, wish: host.members if wish.policy == "soft-affinity" else 0),
    (
        "soft_anti_affinity_weight_multiplier",
        lambda host, wish: -host.members if wish.policy == "soft-anti-affinity" else 0,
    ),
)


def best_first(hosts: list[Host], wish: Wish, conf: cfg.ConfigOpts) -> list[Host]:
    """Equal ones stay in the order they came."""
    totals = [0.0] * len(hosts)
    for option, weigh in WEIGHERS:
        multiplier = float(conf.filter_scheduler[option])
        values = [float(weigh(host, wish)) for host in hosts]
        low, high = min(values, default=0.0), max(values, default=0.0)
        if multiplier == 0 or high == low:
            continue
        for index, value in enumerate(values):
            totals[index] += multiplier * (value - low) / (high - low)
    order = sorted(range(len(hosts)), key=lambda index: -totals[index])
    return [hosts[index] for index in order]
