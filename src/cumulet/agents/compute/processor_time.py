"""How much of the host's processors a guest gets: a flavor's quota:cpu_shares, quota:cpu_period and quota:cpu_quota.

Sources: Nova's extra specs; the kernel's cgroup-v1/cpu and cgroup-v2 documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

PERIOD_US: Final = 100_000
_SHORTEST_US, _LONGEST_US = 1_000, 1_000_000  # as the kernel bounds a period
_MOST_WEIGHT: Final = 10_000


class ProcessorTime(NamedTuple):
    """`shares`: its part where several guests want more than there is. `quota_us`: what each of its processors may have
    of every `period_us`; None is no limit."""

    shares: int | None = None
    period_us: int = PERIOD_US
    quota_us: int | None = None


UNLIMITED: Final = ProcessorTime()


def of_flavor(flavor: Mapping[str, Any]) -> ProcessorTime:
    """Raises ValueError that names the extra spec. A quota that is negative is none."""
    specs = flavor.get("extra_specs") or {}
    shares, period, quota = (_number(specs, f"quota:cpu_{name}") for name in ("shares", "period", "quota"))
    if shares < 0:
        raise ValueError(f"quota:cpu_shares: {shares} is less than 0")
    if period and not _SHORTEST_US <= period <= _LONGEST_US:
        raise ValueError(f"quota:cpu_period: {period} is not from {_SHORTEST_US} to {_LONGEST_US} microseconds")
    if 0 < quota < _SHORTEST_US:
        raise ValueError(f"quota:cpu_quota: {quota} is less than {_SHORTEST_US} microseconds")
    return ProcessorTime(shares or None, period or PERIOD_US, quota if quota > 0 else None)


def _number(specs: Mapping[str, Any], name: str) -> int:
    try:
        return int(specs.get(name) or 0)
    except ValueError:
        raise ValueError(f"{name}: {specs[name]!r} is not a whole number") from None


def limit(group: Path, time: ProcessorTime, vcpus: int) -> None:
    """Hold a control group of either version to it: all the guest's processors together, not each by itself."""
    quota = None if time.quota_us is None else time.quota_us * vcpus
    values = {
        "cpu.cfs_period_us": str(time.period_us),
        "cpu.cfs_quota_us": "-1" if quota is None else str(quota),
        "cpu.max": f"{'max' if quota is None else quota} {time.period_us}",
    }
    if time.shares is not None:
        values["cpu.shares"] = str(time.shares)
        values["cpu.weight"] = str(min(time.shares, _MOST_WEIGHT))  # taken as it is, as libvirt does
    for name, value in values.items():
        if (group / name).exists():
            (group / name).write_text(value)
