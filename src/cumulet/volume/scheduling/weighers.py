"""Which of the pools that may have a volume gets it. Chance here is for spreading, not for secrets."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from cumulet.volume.domain.pools import Pool
from cumulet.volume.scheduling import expressions, filters
from cumulet.volume.service import Volume

if TYPE_CHECKING:
    from cumulet.volume.scheduling.choice import Wish

Weigher = tuple[str | None, Callable[[Volume, Pool, "Wish"], float]]

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
    "ChanceWeigher": (None, lambda volume, pool, wish: random.random()),
}


def _heaviest_first(pools: list[Pool], weights: dict[str, float]) -> list[Pool]:
    return sorted(pools, key=lambda pool: (-weights[pool.name], pool.volumes, pool.name))


def _by_lot(pools: list[Pool], weights: dict[str, float]) -> list[Pool]:
    """Each next one is drawn, the heavier the likelier."""
    least = min(weights.values())
    shift = -least if least < 0 else 0.0
    left = _heaviest_first(pools, weights)
    drawn = []
    while left:
        shares = [weights[pool.name] + shift for pool in left]
        if sum(shares) <= 0:
            shares = [1.0] * len(left)
        drawn.append(left.pop(random.choices(range(len(left)), shares)[0]))
    return drawn


ORDERS: Final[dict[str, Callable[[list[Pool], dict[str, float]], list[Pool]]]] = {
    "OrderedHostWeightHandler": _heaviest_first,
    "StochasticHostWeightHandler": _by_lot,
}


def ordered(volume: Volume, pools: list[Pool], wish: Wish) -> list[Pool]:
    """By `scheduler_weight_handler`; each weigher's values are brought to 0…1 before they are multiplied and added."""
    totals = dict.fromkeys((pool.name for pool in pools), 0.0)
    for name in volume.conf.scheduler_default_weighers:
        option, weigh = WEIGHERS[name.rpartition(".")[2]]
        multiplier = 1.0 if option is None else float(volume.conf[option])
        values = {pool.name: weigh(volume, pool, wish) for pool in pools}
        low, high = min(values.values()), max(values.values())
        for pool_name, value in values.items():
            totals[pool_name] += multiplier * ((value - low) / (high - low) if high > low else 0.0)
    return ORDERS[str(volume.conf.scheduler_weight_handler).rpartition(".")[2]](pools, totals)
