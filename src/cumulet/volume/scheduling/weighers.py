"""Which of the pools that may have a volume gets it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from cumulet.volume.domain.pools import Pool
from cumulet.volume.scheduling import expressions, filters
from cumulet.volume.service import Volume

if TYPE_CHECKING:
    from cumulet.volume.scheduling.choice import Wish

Weigher = tuple[str, Callable[[Volume, Pool, "Wish"], float]]

WEIGHERS: Final[dict[str, Weigher]] = {
    "CapacityWeigher": (
        "capacity_weight_multiplier",
        lambda volume, pool, wish: filters.virtual_free(volume, pool, wish),
    ),
    "AllocatedCapacityWeigher": (
        "allocated_capacity_weight_multiplier",
        lambda volume, pool, wish: float(pool.allocated_gb),
    ),
    "VolumeNumberWeigher": ("volume_number_multiplier", lambda volume, pool, wish: float(pool.volumes)),
    "GoodnessWeigher": ("goodness_weight_multiplier", expressions.goodness),
}


def ordered(volume: Volume, pools: list[Pool], wish: Wish) -> list[Pool]:
    """The heaviest first; each weigher's values are brought to 0…1 before they are multiplied and added."""
    totals = dict.fromkeys((pool.name for pool in pools), 0.0)
    for name in volume.conf.scheduler_default_weighers:
        if name not in WEIGHERS:
            continue
        option, weigh = WEIGHERS[name]
        values = {pool.name: weigh(volume, pool, wish) for pool in pools}
        low, high = min(values.values()), max(values.values())
        for pool_name, value in values.items():
            totals[pool_name] += float(volume.conf[option]) * ((value - low) / (high - low) if high > low else 0.0)
    return sorted(pools, key=lambda pool: (-totals[pool.name], pool.volumes, pool.name))
