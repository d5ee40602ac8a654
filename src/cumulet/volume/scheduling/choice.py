"""Choosing a pool: filters, weighers, the best first (Block Storage: scheduler configuration)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct, field

from cumulet.volume.domain.pools import Pool
from cumulet.volume.scheduling import expressions, filters, weighers
from cumulet.volume.service import Volume

Filter = Callable[[Volume, Pool, "Wish"], bool]


class Wish(Struct):
    """What a volume asks of a pool. `hosts`: only these; `near`/`far`: ids of volumes' hosts by the hints."""

    size_gb: int
    zone: str | None = None
    specs: dict[str, str] = field(default_factory=dict)
    multiattach: bool = False
    hosts: list[str] | None = None
    same: list[str] | None = None
    different: list[str] = []
    excluded: list[str] = []


FILTERS: Final[Mapping[str, Filter]] = {
    "AvailabilityZoneFilter": filters.zone,
    "CapacityFilter": filters.capacity,
    "CapabilitiesFilter": filters.capabilities,
    "DriverFilter": expressions.driver_filter,
    "SameBackendFilter": filters.same_backend,
    "DifferentBackendFilter": filters.different_backend,
}
_ALWAYS: Final = ("SameBackendFilter", "DifferentBackendFilter")


class NoneLeft(Exception):
    """No pool takes the volume; the text says which filter turned how many away."""


def choose(volume: Volume, pools: list[Pool], wish: Wish) -> list[Pool]:
    """The pools that take it, the best first. Raises NoneLeft."""
    left = [pool for pool in pools if pool.usable and pool.name not in wish.excluded]
    if wish.hosts is not None:
        left = [pool for pool in left if pool.name in wish.hosts or pool.backend in wish.hosts]
    counted = [f"{len(left)} usable"]
    names = list(volume.conf.scheduler_default_filters)
    for name in [*names, *(each for each in _ALWAYS if each not in names)]:
        check = FILTERS.get(name)
        if check is None:
            continue
        left = [pool for pool in left if check(volume, pool, wish)]
        counted.append(f"{name}: {len(left)} left")
    if not left:
        raise NoneLeft("; ".join(counted))
    return weighers.ordered(volume, left, wish)


def wish_from(specs: Mapping[str, Any], size_gb: int, **rest: Any) -> Wish:
    return Wish(size_gb=size_gb, specs={str(key): str(value) for key, value in specs.items()}, **rest)
