"""Which trees a sharing provider serves.

A provider with the trait MISC_SHARES_VIA_AGGREGATE offers its inventory to every tree that has a member in one of its
aggregates (Placement's "Modeling with Provider Trees"); such a tree's root anchors the candidates.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from cumulet.placement.domain.names import SHARES_VIA_AGGREGATE

if TYPE_CHECKING:
    from cumulet.placement.domain.snapshot.model import Provider


def index(providers: Collection[Provider]) -> dict[str, tuple[str, ...]]:
    """Root UUID to the UUIDs of the providers that share with its tree."""
    sharers = [provider for provider in providers if SHARES_VIA_AGGREGATE in provider.traits]
    if not sharers:
        return {}
    wanted = frozenset().union(*(sharer.aggregates for sharer in sharers))
    roots_in: dict[str, set[str]] = {aggregate: set() for aggregate in wanted}
    for provider in providers:
        for aggregate in provider.aggregates & wanted:
            roots_in[aggregate].add(provider.root_uuid)
    found: dict[str, list[str]] = {}
    for sharer in sharers:
        for root in frozenset().union(*(roots_in[aggregate] for aggregate in sharer.aggregates)):
            found.setdefault(root, []).append(sharer.uuid)
    return {root: tuple(sorted(uuids)) for root, uuids in found.items()}
