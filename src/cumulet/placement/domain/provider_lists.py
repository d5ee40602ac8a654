"""Lists of providers that satisfy filters, read from the snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cumulet.placement.domain.search import matching
from cumulet.placement.domain.search.request import Group
from cumulet.placement.domain.snapshot.model import Provider, Snapshot


class UnknownClass(Exception):
    """No such resource class; the argument is its name."""


class UnknownTrait(Exception):
    """No such trait; the argument is the names, separated by commas."""


@dataclass(frozen=True)
class Filters:
    """All must hold. `group` has the resources, traits and aggregates that a provider must satisfy alone."""

    name: str | None = None
    uuid: str | None = None
    in_tree: str | None = None
    group: Group = field(default_factory=lambda: Group(suffix=""))


def find(snapshot: Snapshot, filters: Filters) -> list[Provider]:
    """Raises UnknownClass, UnknownTrait."""
    group = filters.group
    check_names(snapshot, (group,))
    return [
        provider
        for provider in _within(snapshot, filters)
        if (filters.name is None or provider.name == filters.name)
        and matching.has_resources(provider, group)
        and matching.has_traits(provider, group)
        and matching.in_aggregates(provider, group)
    ]


def _within(snapshot: Snapshot, filters: Filters) -> Iterable[Provider]:
    """The providers among which the others filters choose: all, a tree, or one."""
    providers: Mapping[str, Provider] = snapshot.providers
    if filters.in_tree is not None:
        tree = snapshot.tree_of(filters.in_tree)
        if tree is None:
            return ()
        providers = {member.uuid: member for member in tree.members}
    if filters.uuid is not None:
        return (providers[filters.uuid],) if filters.uuid in providers else ()
    return providers.values()


def check_names(snapshot: Snapshot, groups: Iterable[Group], traits: Iterable[str] = ()) -> None:
    """Raises UnknownClass or UnknownTrait for a name that nobody made."""
    named = set(traits)
    for group in groups:
        for name in group.resources:
            if name not in snapshot.classes:
                raise UnknownClass(name)
        named |= group.forbidden.union(*group.required)
    unknown = named - snapshot.traits
    if unknown:
        raise UnknownTrait(", ".join(sorted(unknown)))
