"""Ways to satisfy one group within one tree.

A `Grant` is one way: which provider gives which amount. Sharing providers take part in every tree they serve.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from cumulet.placement.domain.search import matching
from cumulet.placement.domain.search.request import Group
from cumulet.placement.domain.snapshot.model import Provider, Snapshot, Tree


@dataclass(slots=True, eq=False)
class Grant:
    """`parts` are (provider, resource class, amount); `providers` all who satisfy the group, also without resources."""

    suffix: str
    providers: tuple[Provider, ...]
    parts: tuple[tuple[Provider, str, int], ...]


def of_group(snapshot: Snapshot, tree: Tree, sharing: list[Provider], group: Group) -> list[Grant]:
    if group.granular:
        return _of_one_provider(snapshot, tree, sharing, group)
    return list(_spread(snapshot, tree, sharing, group))


def _of_one_provider(snapshot: Snapshot, tree: Tree, sharing: list[Provider], group: Group) -> list[Grant]:
    root_uuid = None
    if group.in_tree is not None:
        wanted = snapshot.providers.get(group.in_tree)
        if wanted is None:
            return []
        root_uuid = wanted.root_uuid
    strangers = [provider for provider in sharing if provider.root_uuid != tree.root.uuid]
    return [
        Grant(
            group.suffix,
            (provider,),
            tuple((provider, name, amount) for name, amount in group.resources.items()),
        )
        for provider in itertools.chain(tree.members, strangers)
        if (root_uuid is None or provider.root_uuid == root_uuid)
        and matching.has_resources(provider, group)
        and matching.has_traits(provider, group)
        and matching.in_aggregates(provider, group)
    ]


def _spread(snapshot: Snapshot, tree: Tree, sharing: list[Provider], group: Group) -> Iterator[Grant]:
    """Each resource class from any provider of the tree or one that shares with it.

    The providers of a grant have the required traits together, and none of them a forbidden one. An aggregate of the
    root counts for the whole tree. Naming a tree excludes what others share with it.
    """
    if group.in_tree is not None:
        wanted = snapshot.providers.get(group.in_tree)
        if wanted is None or wanted.root_uuid != tree.root.uuid:
            return
        sharing = []
    usable = _usable(tree, sharing, group)
    per_class: list[list[tuple[Provider, str, int]]] = []
    for name, amount in group.resources.items():
        givers = [
            (provider, name, amount)
            for provider in usable
            if (found := provider.stock.get(name)) is not None and found.fits(amount)
        ]
        if not givers:
            return
        per_class.append(givers)
    for parts in itertools.product(*per_class):
        providers = tuple({part[0].uuid: part[0] for part in parts}.values())
        if group.required and not _have_together(providers, group):
            continue
        yield Grant(group.suffix, providers, parts)


def _usable(tree: Tree, sharing: list[Provider], group: Group) -> list[Provider]:
    root = tree.root
    if not root.aggregates.isdisjoint(group.forbidden_aggregates):
        return []
    root_counts = matching.has_all(root.aggregates, group.member_of)
    # A provider of this tree that shares stands in both lists.
    strangers = [provider for provider in sharing if provider.root_uuid != root.uuid]
    return [
        provider
        for provider in itertools.chain(tree.members, strangers)
        if provider.traits.isdisjoint(group.forbidden)
        and provider.aggregates.isdisjoint(group.forbidden_aggregates)
        and (
            (root_counts and provider.root_uuid == root.uuid) or matching.has_all(provider.aggregates, group.member_of)
        )
    ]


def _have_together(providers: tuple[Provider, ...], group: Group) -> bool:
    together = frozenset().union(*(provider.traits for provider in providers))
    return matching.has_all(together, group.required)
