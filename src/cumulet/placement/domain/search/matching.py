"""Whether one provider is what a group asks for."""

from __future__ import annotations

from collections.abc import Iterable

from cumulet.placement.domain.search.request import AnyOf, Group
from cumulet.placement.domain.snapshot.model import Provider


def has_all(present: frozenset[str], wanted: Iterable[AnyOf]) -> bool:
    """Whether at least one of each set is present."""
    return all(not present.isdisjoint(one_of) for one_of in wanted)


def has_resources(provider: Provider, group: Group) -> bool:
    """Whether the provider alone has room for everything the group wants."""
    stock = provider.stock
    for name, amount in group.resources.items():
        found = stock.get(name)
        if found is None or not found.fits(amount):
            return False
    return True


def has_traits(provider: Provider, group: Group) -> bool:
    return has_all(provider.traits, group.required) and provider.traits.isdisjoint(group.forbidden)


def in_aggregates(provider: Provider, group: Group) -> bool:
    return has_all(provider.aggregates, group.member_of) and provider.aggregates.isdisjoint(group.forbidden_aggregates)
