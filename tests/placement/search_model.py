"""Allocation candidates by trying everything: every provider for every resource class of every group.

It says what the search should find and is far too slow to be one. Written from the microversion history and the
documentation of granular requests, nested and sharing providers.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator

from cumulet.placement.domain.search.request import Group, Search
from tests.placement.model import Model

SHARING = "MISC_SHARES_VIA_AGGREGATE"

Candidate = tuple[frozenset[tuple[str, str, int]], frozenset[tuple[str, frozenset[str]]]]
"""(provider, class, amount) of all that is taken, and suffix with the providers that satisfy the group."""

Answer = frozenset[Candidate]

Choice = tuple[Group, tuple[tuple[str, str, int], ...], frozenset[str]]
"""A group, what it takes from whom, and who satisfies it."""


def candidates(model: Model, search: Search) -> Answer:
    found = set()
    for anchor, provider in model.providers.items():
        if provider.parent is not None or not search.root_required <= provider.traits:
            continue
        if search.root_forbidden & provider.traits:
            continue
        ways = [list(_ways(model, anchor, group)) for group in search.groups]
        for choices in itertools.product(*ways):
            if _acceptable(model, search, choices):
                found.add(_candidate(choices))
    return frozenset(found)


def _sharing(model: Model, anchor: str) -> list[str]:
    """Providers that share with some member of the anchor's tree."""
    around = [one for one in model.providers if model.root(one) == anchor]
    return [
        uuid
        for uuid, provider in model.providers.items()
        if SHARING in provider.traits and any(provider.aggregates & model.providers[one].aggregates for one in around)
    ]


def _ways(model: Model, anchor: str, group: Group) -> Iterator[Choice]:
    tree = [one for one in model.providers if model.root(one) == anchor]
    strangers = [one for one in _sharing(model, anchor) if one not in tree]
    if group.suffix:
        for uuid in tree + strangers:
            if _alone(model, uuid, group):
                yield group, tuple((uuid, name, amount) for name, amount in group.resources.items()), frozenset({uuid})
        return
    if group.in_tree is not None:
        if group.in_tree not in model.providers or model.root(group.in_tree) != anchor:
            return
        strangers = []
    usable = [one for one in tree if _may_give(model, one, group, {one, anchor})]
    usable += [one for one in strangers if _may_give(model, one, group, {one}, spanning={one, anchor})]
    givers = [
        [(one, name, amount) for one in usable if _fits(model, one, name, amount)]
        for name, amount in group.resources.items()
    ]
    for parts in itertools.product(*givers):
        providers = frozenset(part[0] for part in parts)
        together = set().union(*(model.providers[one].traits for one in providers))
        if all(together & wanted for wanted in group.required):
            yield group, parts, providers


def _alone(model: Model, uuid: str, group: Group) -> bool:
    provider = model.providers[uuid]
    if group.in_tree is not None and (
        group.in_tree not in model.providers or model.root(group.in_tree) != model.root(uuid)
    ):
        return False
    return (
        all(_fits(model, uuid, name, amount) for name, amount in group.resources.items())
        and all(provider.traits & wanted for wanted in group.required)
        and not provider.traits & group.forbidden
        and all(provider.aggregates & wanted for wanted in group.member_of)
        and not provider.aggregates & group.forbidden_aggregates
    )


def _may_give(model: Model, uuid: str, group: Group, members: set[str], spanning: set[str] | None = None) -> bool:
    """Whether one of `members` is in the wanted aggregates, and none of `spanning` in a forbidden one."""
    if model.providers[uuid].traits & group.forbidden:
        return False
    if any(model.providers[one].aggregates & group.forbidden_aggregates for one in spanning or members):
        return False
    return any(all(model.providers[one].aggregates & wanted for wanted in group.member_of) for one in members)


def _fits(model: Model, uuid: str, name: str, amount: int) -> bool:
    inventory = model.providers[uuid].inventories.get(name)
    return (
        inventory is not None
        and model.used(uuid)[name] + amount <= inventory.capacity
        and inventory.min_unit <= amount <= inventory.max_unit
        and amount % inventory.step_size == 0
    )


def _acceptable(model: Model, search: Search, choices: tuple[Choice, ...]) -> bool:
    taken: Counter[tuple[str, str]] = Counter()
    for _, parts, _ in choices:
        for uuid, name, amount in parts:
            taken[uuid, name] += amount
    for (uuid, name), amount in taken.items():
        inventory = model.providers[uuid].inventories[name]
        if model.used(uuid)[name] + amount > inventory.capacity or amount > inventory.max_unit:
            return False
    granular = [providers for group, _, providers in choices if group.suffix]
    if search.isolate and len(frozenset().union(*granular)) != len(granular):
        return False
    for suffixes in search.same_subtrees:
        involved = frozenset().union(*(providers for group, _, providers in choices if group.suffix in suffixes))
        if not any(all(top in model.ancestry(one) for one in involved) for top in involved):
            return False
    if not search.nested:
        givers = {part[0] for _, parts, _ in choices for part in parts}
        return len({model.root(one) for one in givers}) == len(givers)
    return True


def _candidate(choices: tuple[Choice, ...]) -> Candidate:
    taken: Counter[tuple[str, str]] = Counter()
    for _, parts, _ in choices:
        for uuid, name, amount in parts:
            taken[uuid, name] += amount
    return (
        frozenset((uuid, name, amount) for (uuid, name), amount in taken.items()),
        frozenset((group.suffix, providers) for group, _, providers in choices),
    )
