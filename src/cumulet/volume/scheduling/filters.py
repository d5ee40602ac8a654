"""Which pools may have a volume at all."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from cumulet.volume.domain.pools import Pool
from cumulet.volume.service import Volume

if TYPE_CHECKING:
    from cumulet.volume.scheduling.choice import Wish

ZONES: Final = "RESKEY:availability_zones"


def zone(volume: Volume, pool: Pool, wish: Wish) -> bool:
    if wish.zone is not None and pool.zone != wish.zone:
        return False
    named = wish.specs.get(ZONES)
    return named is None or pool.zone in [each.strip() for each in named.split(",")]


def ratio_of(volume: Volume, pool: Pool) -> float:
    """How often a pool's capacity may be given away; `auto` is what it holds by how little it takes."""
    text = str(pool.facts.get("max_over_subscription_ratio", volume.conf.max_over_subscription_ratio))
    try:
        return max(1.0, float(text))
    except ValueError:
        used = pool.total_gb - pool.free_gb
        return max(1.0, (pool.provisioned_gb + 1) / (used + 1))


def virtual_free(volume: Volume, pool: Pool, wish: Wish | None = None) -> float:
    """GiB that may still be given away: what pools are weighed by."""
    if _thin(pool, wish):
        return float(pool.total_gb * ratio_of(volume, pool) - pool.provisioned_gb - _reserved(pool))
    return _really_free(pool)


def _reserved(pool: Pool) -> int:
    return math.floor(pool.total_gb * pool.facts.get("reserved_percentage", 0) / 100)


def _thin(pool: Pool, wish: Wish | None) -> bool:
    thick = wish is not None and wish.specs.get("provisioning:type") == "thick"
    return bool(pool.facts.get("thin_provisioning", False)) and not thick


def _really_free(pool: Pool) -> float:
    """What a pool reports, less what was given away since and what is reserved."""
    return float(min(pool.free_gb, pool.total_gb - pool.provisioned_gb) - _reserved(pool))


def capacity(volume: Volume, pool: Pool, wish: Wish) -> bool:
    return has_room(volume, pool, wish.size_gb, wish)


def has_room(volume: Volume, pool: Pool, size_gb: int, wish: Wish | None = None) -> bool:
    """A thin pool is bounded by what it promises and by what it really has free, both times the ratio."""
    if not _thin(pool, wish):
        return _really_free(pool) >= size_gb
    free, ratio = pool.free_gb - _reserved(pool), ratio_of(volume, pool)
    if free <= 0 or pool.total_gb <= 0:
        return False
    return (pool.provisioned_gb + size_gb) / pool.total_gb <= ratio and free * ratio >= size_gb


def not_tried(volume: Volume, pool: Pool, wish: Wish) -> bool:
    """Those that refused the volume before are never asked again, with this filter or without."""
    return pool.name not in wish.excluded


def instance_locality(volume: Volume, pool: Pool, wish: Wish) -> bool:
    """Hint `local_to_instance`: on the host that the server is on."""
    return wish.server_host is None or pool.name.partition("@")[0] == wish.server_host


def same_backend(volume: Volume, pool: Pool, wish: Wish) -> bool:
    """Hint `same_host`."""
    return wish.same is None or pool.name in wish.same


def different_backend(volume: Volume, pool: Pool, wish: Wish) -> bool:
    """Hint `different_host`."""
    return pool.name not in wish.different


def capabilities(volume: Volume, pool: Pool, wish: Wish) -> bool:
    """Every extra spec that is about the back end fits; those with a foreign prefix are others' business."""
    if wish.multiattach and not pool.facts.get("multiattach"):
        return False
    shown = shown_capabilities(pool)
    for key, wanted in wish.specs.items():
        scope, _, rest = key.partition(":")
        if rest and scope != "capabilities":
            continue
        name = rest or scope
        if name == "multiattach":
            continue
        value = _at(shown, name)
        if value is None or not fits(value, wanted):
            return False
    return True


def shown_capabilities(pool: Pool) -> dict[str, Any]:
    """What an extra spec can be about, under the original's names."""
    facts = pool.facts
    return {
        "pool_name": pool.name.rpartition("#")[2],
        "total_capacity_gb": pool.total_gb,
        "free_capacity_gb": pool.free_gb,
        "provisioned_capacity_gb": pool.provisioned_gb,
        "allocated_capacity_gb": pool.allocated_gb,
        "reserved_percentage": facts.get("reserved_percentage", 0),
        "max_over_subscription_ratio": facts.get("max_over_subscription_ratio"),
        "thin_provisioning_support": facts.get("thin_provisioning", False),
        "thick_provisioning_support": facts.get("thick_provisioning", False),
        "QoS_support": facts.get("qos", False),
        "volume_backend_name": facts["volume_backend_name"],
        "storage_protocol": facts.get("storage_protocol"),
        "vendor_name": facts.get("vendor_name"),
        "driver_version": facts.get("driver_version"),
        "multiattach": facts.get("multiattach", False),
        "online_extend_support": facts.get("online_extend", False),
        "total_volumes": pool.volumes,
        "location_info": facts["pool"].get("location_info", ""),
        "consistent_group_snapshot_enabled": facts.get("consistent_group_snapshot", False),
        "backend_state": "down" if facts.get("reason_down") else "up",
        "filter_function": facts.get("filter_function"),
        "goodness_function": facts.get("goodness_function"),
    }


def _at(values: Any, name: str) -> Any:
    for part in name.split(":"):
        values = values.get(part) if isinstance(values, dict) else None
    return values


_NUMERIC: Final[dict[str, Callable[[float, float], bool]]] = {
    "=": operator.ge,  # as the original has it: at least
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
}
_TEXTUAL: Final[dict[str, Callable[[str, str], bool]]] = {
    "s==": operator.eq,
    "s!=": operator.ne,
    "s>=": operator.ge,
    "s>": operator.gt,
    "s<=": operator.le,
    "s<": operator.lt,
}
_WORDS: Final = re.compile(r"\S+")


def fits(value: Any, wanted: str) -> bool:
    """The extra specs' operators: `<is>`, `<in>`, `<or>`, `>= 3`, `s== text`; without one it is equality."""
    words = _WORDS.findall(wanted)
    first = words[0] if words else ""
    if first == "<is>":
        return _truth(value) == _truth(" ".join(words[1:]))
    if first == "<in>":
        return all(word in str(value) for word in words[1:] if word != "<in>")
    if first == "<or>":
        return any(str(value) == word for word in words[1:] if word != "<or>")
    if first in _TEXTUAL:
        return _TEXTUAL[first](str(value), " ".join(words[1:]))
    if first in _NUMERIC and len(words) == 2:
        try:
            return _NUMERIC[first](float(value), float(words[1]))
        except (TypeError, ValueError):
            return False
    if isinstance(value, bool):
        return value == _truth(wanted)
    return str(value) == wanted


def _truth(value: Any) -> bool:
    return str(value).strip().lower() in ("true", "1", "yes", "on", "t", "y")
