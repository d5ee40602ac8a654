"""Choosing a pool: filters, weighers, the best first (Block Storage: scheduler configuration)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct, field
from oslo_config import cfg

from cumulet.volume.domain.pools import Pool
from cumulet.volume.scheduling import expressions, filters, json_query, weighers
from cumulet.volume.service import Volume

Filter = Callable[[Volume, Pool, "Wish"], bool]


class Wish(Struct):
    """What a volume asks of a pool. `hosts`: only these; `same`, `different`: hosts of the volumes that hints name.

    `server_host`: the host of the server that the hint `local_to_instance` names, "" where it has none.
    `query`: the hint of that name, JSON as text.
    """

    size_gb: int
    zone: str | None = None
    specs: dict[str, str] = field(default_factory=dict)
    multiattach: bool = False
    hosts: list[str] | None = None
    same: list[str] | None = None
    different: list[str] = []
    excluded: list[str] = []
    server_host: str | None = None
    query: str | None = None


FILTERS: Final[Mapping[str, Filter]] = {
    "AvailabilityZoneFilter": filters.zone,
    "CapacityFilter": filters.capacity,
    "CapabilitiesFilter": filters.capabilities,
    "DriverFilter": expressions.driver_filter,
    "InstanceLocalityFilter": filters.instance_locality,
    "JsonFilter": json_query.json_filter,
    "RetryFilter": filters.not_tried,
    "IgnoreAttemptedHostsFilter": filters.not_tried,
    "SameBackendFilter": filters.same_backend,
    "DifferentBackendFilter": filters.different_backend,
}
LOCALITY: Final = "InstanceLocalityFilter"
_ALWAYS: Final = ("SameBackendFilter", "DifferentBackendFilter")


class NoneLeft(Exception):
    """No pool takes the volume; the text says which filter turned how many away."""


def check(conf: cfg.ConfigOpts) -> None:
    """Raises ValueError for a filter, a weigher or an order of weights that there is not: at the start, where the
    operator sees it."""
    for option, known in (("scheduler_default_filters", FILTERS), ("scheduler_default_weighers", weighers.WEIGHERS)):
        for name in conf[option]:
            if plain_name(name) not in known:
                raise ValueError(f"cinder.conf, {option}: there is no {name}. Known are {', '.join(known)}.")
    if plain_name(conf.scheduler_weight_handler) not in weighers.ORDERS:
        known_orders = ", ".join(weighers.ORDERS)
        raise ValueError(
            f"cinder.conf, scheduler_weight_handler: there is no {conf.scheduler_weight_handler}. "
            f"Known are {known_orders}."
        )


def plain_name(name: str) -> str:
    """A class's own name: options may give the module before it."""
    return name.rpartition(".")[2]


def enabled(volume: Volume) -> list[str]:
    """The names of the filters, in their order."""
    return [plain_name(name) for name in volume.conf.scheduler_default_filters]


def choose(volume: Volume, pools: list[Pool], wish: Wish) -> list[Pool]:
    """The pools that take it, the best first. Raises NoneLeft."""
    left = [pool for pool in pools if pool.usable and pool.name not in wish.excluded]
    if wish.hosts is not None:
        left = [pool for pool in left if pool.name in wish.hosts or pool.backend in wish.hosts]
    counted = [f"{len(left)} usable"]
    names = enabled(volume)
    for name in [*names, *(each for each in _ALWAYS if each not in names)]:
        passes = FILTERS[name]
        left = [pool for pool in left if passes(volume, pool, wish)]
        counted.append(f"{name}: {len(left)} left")
    if not left:
        raise NoneLeft("; ".join(counted))
    return weighers.ordered(volume, left, wish)


def wish_from(specs: Mapping[str, Any], size_gb: int, **rest: Any) -> Wish:
    return Wish(size_gb=size_gb, specs={str(key): str(value) for key, value in specs.items()}, **rest)
