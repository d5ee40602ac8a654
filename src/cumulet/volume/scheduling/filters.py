"""Which pools may have a volume at all."""

from __future__ import annotations

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
    """GiB that may still be given away."""
    reserved = pool.total_gb * pool.facts.get("reserved_percentage", 0) / 100
    thin = pool.facts.get("thin_provisioning", False)
    if thin and wish is not None and wish.specs.get("provisioning:type") == "thick":
        thin = False
    if thin:
        return float((pool.total_gb - reserved) * ratio_of(volume, pool) - pool.provisioned_gb)
    return float(min(pool.free_gb, pool.total_gb - pool.provisioned_gb) - reserved)


def capacity(volume: Volume, pool: Pool, wish: Wish) -> bool:
    return virtual_free(volume, pool, wish) >= wish.size_gb


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
