"""Who may manage the cache of images."""

from __future__ import annotations

from cumulet.image.policies import base
from cumulet.image.policies.base import rule
from cumulet.kernel.policy import Rule

RULES: tuple[Rule, ...] = tuple(
    rule(name, base.ADMIN)
    for name in (
        "manage_image_cache",
        "cache_image",
        "cache_list",
        "cache_delete",
        "cache_clean",
        "cache_prune",
        "list_cached_nodes",
    )
)
