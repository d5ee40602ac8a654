"""Putting one grant of each group together into candidates of one tree.

Grants are chosen group by group, and a choice that cannot become a candidate is left at once: not when all are chosen.
Wide trees (many equal children, several groups) would otherwise be searched for ages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cumulet.placement.domain.search.grants import Grant
from cumulet.placement.domain.search.request import Search
from cumulet.placement.domain.snapshot.model import Provider, Snapshot

Amounts = dict[str, dict[str, int]]
"""Provider UUID to resource class to amount."""


@dataclass(slots=True, eq=False)
class Candidate:
    """`mappings` is suffix to the UUIDs of the providers that satisfy the group."""

    amounts: Amounts
    mappings: dict[str, list[str]]


@dataclass(slots=True)
class _Choice:
    """What is chosen so far: taken amounts by (provider UUID, resource class), providers of granular groups."""

    taken: dict[tuple[str, str], int] = field(default_factory=dict)
    alone: set[str] = field(default_factory=set)


class Combiner:
    """Candidates of one tree, made one after another."""

    def __init__(self, snapshot: Snapshot, search: Search) -> None:
        self._snapshot = snapshot
        self._search = search
        names = [name for group in search.groups for name in group.resources]
        # An amount that only one group asks for was already weighed against the inventory.
        self._repeated = {name for name in names if names.count(name) > 1}

    def candidates(self, per_group: Sequence[list[Grant]]) -> Iterator[Candidate]:
        """`per_group` holds, for each group, the ways to satisfy it."""
        if not self._enough_at_all(per_group):
            return
        for grants in self._choose(per_group, [], _Choice()):
            if self._search.nested or _one_provider_a_tree(grants):
                yield _merged(grants)

    def _enough_at_all(self, per_group: Sequence[list[Grant]]) -> bool:
        """Whether all providers in sight together have what all groups together want."""
        for name in self._repeated:
            free = {
                part[0].uuid: part[0].stock[name].free
                for grants in per_group
                for grant in grants
                for part in grant.parts
                if part[1] == name
            }
            if sum(free.values()) < sum(group.resources.get(name, 0) for group in self._search.groups):
                return False
        if self._search.isolate:
            granular = [grants for grants in per_group if grants and grants[0].suffix]
            return len({grant.providers[0].uuid for grants in granular for grant in grants}) >= len(granular)
        return True

    def _choose(self, per_group: Sequence[list[Grant]], chosen: list[Grant], choice: _Choice) -> Iterator[list[Grant]]:
        place = len(chosen)
        if place == len(per_group):
            yield chosen
            return
        for grant in per_group[place]:
            alone = grant.providers[0].uuid if grant.suffix and self._search.isolate else None
            if alone is not None and alone in choice.alone:
                continue
            taken = self._take(choice.taken, grant)
            if taken is None:
                continue
            now = [*chosen, grant]
            if not self._subtrees_possible(now):
                continue
            following = _Choice(taken, choice.alone if alone is None else choice.alone | {alone})
            yield from self._choose(per_group, now, following)

    def _take(self, taken: dict[tuple[str, str], int], grant: Grant) -> dict[tuple[str, str], int] | None:
        """The amounts taken with this grant too, None if a provider has not that much."""
        if not self._repeated:
            return taken
        more = dict(taken)
        for provider, name, amount in grant.parts:
            if name in self._repeated:
                total = more[provider.uuid, name] = more.get((provider.uuid, name), 0) + amount
                stock = provider.stock[name]
                if total > stock.free or total > stock.max_unit:
                    return None
        return more

    def _subtrees_possible(self, chosen: list[Grant]) -> bool:
        """Whether the groups of each `same_subtree` that are all chosen lie below one of them."""
        for suffixes in self._search.same_subtrees:
            if chosen[-1].suffix not in suffixes:
                continue
            together = [grant for grant in chosen if grant.suffix in suffixes]
            if len(together) == len(suffixes) and not self._under_one(
                {provider.uuid: provider for grant in together for provider in grant.providers}
            ):
                return False
        return True

    def _under_one(self, providers: dict[str, Provider]) -> bool:
        if len(providers) == 1:
            return True
        common: set[str] | None = None
        for provider in providers.values():
            line = set(self._snapshot.ancestry(provider))
            common = line if common is None else common & line
        return common is not None and not common.isdisjoint(providers)


def _one_provider_a_tree(grants: Sequence[Grant]) -> bool:
    providers = {part[0].uuid: part[0].root_uuid for grant in grants for part in grant.parts}
    return len(providers) == len(set(providers.values()))


def _merged(grants: Sequence[Grant]) -> Candidate:
    amounts: Amounts = {}
    for grant in grants:
        for provider, name, amount in grant.parts:
            of_provider = amounts.setdefault(provider.uuid, {})
            of_provider[name] = of_provider.get(name, 0) + amount
    return Candidate(amounts, {grant.suffix: [provider.uuid for provider in grant.providers] for grant in grants})
