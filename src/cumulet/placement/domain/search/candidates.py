"""Searching allocation candidates in a snapshot.

Trees are visited one after another and candidates are made only as long as somebody wants them, so a small limit costs
little however many providers there are. A tree of a single provider that nobody shares with, which is what most compute
nodes are, is decided by comparing numbers.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable, Iterator
from typing import Final

from cumulet.placement.domain.search import grants, matching
from cumulet.placement.domain.search.combine import Candidate, Combiner
from cumulet.placement.domain.search.request import Group, Policy, Search
from cumulet.placement.domain.snapshot.model import Provider, Snapshot, Tree

_FEW: Final = 64

Found = Provider | Candidate
"""A provider alone stands for the candidate in which it gives everything to the only group."""


def find(snapshot: Snapshot, search: Search, policy: Policy, sample: int | None = None) -> list[Found]:
    """Candidates that would be granted now, no more than the limit.

    With `sample` no more than that many, drawn from everywhere whatever the policy: the work does not grow with the
    number of providers as long as some of them have room.
    """
    trees = _trees(snapshot, search)
    if sample is not None:
        trees = _shuffled(trees)
    if search.root_required or search.root_forbidden:
        trees = (tree for tree in trees if _root_matches(tree, search))
    found = _generate(snapshot, search, trees, breadth_first=policy.breadth_first and sample is None)
    if snapshot.shared:
        found = _without_repetition(found)
    if policy.randomize and sample is None:
        everything = list(itertools.islice(found, policy.most))
        return random.sample(everything, min(len(everything), search.limit or len(everything)))
    bounds = [bound for bound in (policy.most, search.limit, sample) if bound is not None]
    return list(itertools.islice(found, min(bounds) if bounds else None))


def _shuffled(trees: Iterable[Tree]) -> Iterator[Tree]:
    """Every tree once, in one of many orders: a random first one, and from there by a random stride."""
    ordered = list(trees)
    count = len(ordered)
    if count < _FEW:
        random.shuffle(ordered)
        yield from ordered
        return
    at, stride = random.randrange(count), random.randrange(count // 3, count)
    while math.gcd(stride, count) != 1:  # else it would come round before it has seen all
        stride = random.randrange(count // 3, count)
    for _ in range(count):
        yield ordered[at]
        at = (at + stride) % count


def _trees(snapshot: Snapshot, search: Search) -> Iterable[Tree]:
    """The trees that may anchor a candidate: one, if a group has to be in it and nothing is shared."""
    for group in search.groups:
        if group.in_tree is not None:
            tree = snapshot.tree_of(group.in_tree)
            if tree is None:
                return ()
            if not group.granular or not snapshot.shared:
                return (tree,)
    return snapshot.trees.values()


def _root_matches(tree: Tree, search: Search) -> bool:
    traits = tree.root.traits
    return search.root_required <= traits and traits.isdisjoint(search.root_forbidden)


def _generate(snapshot: Snapshot, search: Search, trees: Iterable[Tree], *, breadth_first: bool) -> Iterator[Found]:
    only = search.groups[0] if len(search.groups) == 1 and not search.same_subtrees else None
    if only is not None and not snapshot.shared and not snapshot.nested:
        return _single_providers(trees, only)
    per_tree: Iterator[Iterator[Found]]
    if only is None or only.in_tree is not None:
        per_tree = (_of_tree(snapshot, search, tree) for tree in trees)
    else:
        per_tree = (
            _single_providers((tree,), only) if _is_alone(snapshot, tree) else _of_tree(snapshot, search, tree)
            for tree in trees
        )
    return _in_turn(per_tree) if breadth_first else itertools.chain.from_iterable(per_tree)


def _is_alone(snapshot: Snapshot, tree: Tree) -> bool:
    return len(tree.members) == 1 and tree.root.uuid not in snapshot.shared


def _single_providers(trees: Iterable[Tree], group: Group) -> Iterator[Found]:
    wanted = tuple(group.resources.items())
    picky = bool(group.required or group.forbidden or group.member_of or group.forbidden_aggregates)
    for tree in trees:
        provider = tree.root
        stock = provider.stock
        for name, amount in wanted:
            found = stock.get(name)
            if (
                found is None
                or amount > found.free
                or amount < found.min_unit
                or amount > found.max_unit
                or amount % found.step_size
            ):
                break
        else:
            if not picky or (matching.has_traits(provider, group) and matching.in_aggregates(provider, group)):
                yield provider


def _of_tree(snapshot: Snapshot, search: Search, tree: Tree) -> Iterator[Found]:
    sharing = snapshot.sharing_with(tree.root.uuid)
    per_group = []
    for group in search.groups:
        possible = grants.of_group(snapshot, tree, sharing, group)
        if not possible:
            return
        per_group.append(possible)
    yield from Combiner(snapshot, search).candidates(per_group)


def _in_turn(generators: Iterable[Iterator[Found]]) -> Iterator[Found]:
    """One of each, then a second of each, as long as there are any."""
    running = list(generators)
    while running:
        left = []
        for generator in running:
            for found in itertools.islice(generator, 1):
                yield found
                left.append(generator)
        running = left


def _without_repetition(found: Iterator[Found]) -> Iterator[Found]:
    """What only shared providers give is the same from every tree they serve."""
    seen: set[object] = set()
    for one in found:
        key = _identity(one)
        if key not in seen:
            seen.add(key)
            yield one


def _identity(found: Found) -> object:
    if isinstance(found, Provider):
        return found.uuid
    return (
        frozenset((uuid, frozenset(amounts.items())) for uuid, amounts in found.amounts.items()),
        frozenset((suffix, frozenset(uuids)) for suffix, uuids in found.mappings.items()),
    )
