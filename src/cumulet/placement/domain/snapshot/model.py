"""All providers as one process remembers them: what searches and lists read.

Everything here is immutable once built, so readers need no lock: a change makes a new `Snapshot` that shares what did
not change with the old one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cumulet.placement.domain.snapshot import sharing


class Stock:
    """What a provider has of one resource class: its inventory and how much of it is allocated."""

    __slots__ = ("capacity", "free", "max_unit", "min_unit", "step_size", "used")

    def __init__(self, capacity: int, used: int, min_unit: int, max_unit: int, step_size: int) -> None:
        self.capacity = capacity
        self.used = used
        self.free = capacity - used
        self.min_unit = min_unit
        self.max_unit = max_unit
        self.step_size = step_size

    def fits(self, amount: int) -> bool:
        """Whether one allocation of `amount` would be granted."""
        return amount <= self.free and self.min_unit <= amount <= self.max_unit and amount % self.step_size == 0


@dataclass(slots=True, eq=False)
class Provider:
    """`summary` is the provider's entry in `provider_summaries` as text, made when it is first needed."""

    uuid: str
    name: str
    generation: int
    parent_uuid: str | None
    root_uuid: str
    shard: int
    created_at: int
    updated_at: int
    traits: frozenset[str]
    aggregates: frozenset[str]
    stock: dict[str, Stock]
    summary: str | None = None


@dataclass(slots=True, eq=False)
class Tree:
    """A root and all providers below it, the root first."""

    root: Provider
    members: tuple[Provider, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`shared` maps a root to the providers that share their inventory with its tree, of this or another tree."""

    providers: Mapping[str, Provider] = field(default_factory=dict)
    trees: Mapping[str, Tree] = field(default_factory=dict)
    shared: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    nested: bool = False
    classes: frozenset[str] = frozenset()
    traits: frozenset[str] = frozenset()

    def sharing_with(self, root_uuid: str) -> list[Provider]:
        if not self.shared:
            return []
        return [self.providers[uuid] for uuid in self.shared.get(root_uuid, ())]

    def tree_of(self, provider_uuid: str) -> Tree | None:
        provider = self.providers.get(provider_uuid)
        return None if provider is None else self.trees.get(provider.root_uuid)

    def ancestry(self, provider: Provider) -> list[str]:
        """The provider and everything above it, as UUIDs."""
        line = [provider.uuid]
        while provider.parent_uuid is not None:
            provider = self.providers[provider.parent_uuid]
            line.append(provider.uuid)
        return line

    def with_vocabulary(self, classes: frozenset[str], traits: frozenset[str]) -> Snapshot:
        return Snapshot(self.providers, self.trees, self.shared, self.nested, classes, traits)

    def with_changes(self, changed: Iterable[Provider], removed: Iterable[str]) -> Snapshot:
        """A snapshot in which `changed` providers are new or take the place of what was known of them."""
        changed = list(changed)
        known = dict(self.providers)
        replaced = {provider.uuid: known.get(provider.uuid) for provider in changed}
        gone = [known.pop(uuid) for uuid in removed if uuid in known]
        known.update((provider.uuid, provider) for provider in changed)
        trees = _regrow(self.trees, known, changed, [*gone, *(old for old in replaced.values() if old is not None)])
        moved = bool(gone) or any(
            old is None or old.root_uuid != new.root_uuid for old, new in zip(replaced.values(), changed, strict=True)
        )
        shape_changed = moved or any(
            old is None or old.traits != new.traits or old.aggregates != new.aggregates
            for old, new in zip(replaced.values(), changed, strict=True)
        )
        return Snapshot(
            providers=known,
            trees=trees,
            shared=sharing.index(known.values()) if shape_changed else self.shared,
            nested=len(trees) != len(known) if moved else self.nested,
            classes=self.classes,
            traits=self.traits,
        )


def _regrow(
    trees: Mapping[str, Tree], known: Mapping[str, Provider], changed: list[Provider], before: list[Provider]
) -> dict[str, Tree]:
    """The trees again, of which only those that a changed provider is or was in are built anew."""
    grown = dict(trees)
    affected = {provider.root_uuid for provider in (*changed, *before)}
    members: dict[str, dict[str, None]] = {root: {} for root in affected}
    for uuid in affected:
        if uuid in trees:
            members[uuid].update((member.uuid, None) for member in trees[uuid].members)
    for provider in changed:
        members[provider.root_uuid][provider.uuid] = None
    new_roots = False
    for root_uuid in affected:
        root = known.get(root_uuid)
        if root is None or root.root_uuid != root_uuid:
            grown.pop(root_uuid, None)
            continue
        rest = [
            known[uuid]
            for uuid in members[root_uuid]
            if uuid != root_uuid and uuid in known and known[uuid].root_uuid == root_uuid
        ]
        rest.sort(key=_age)
        new_roots = new_roots or root_uuid not in grown
        grown[root_uuid] = Tree(root, (root, *rest))
    if new_roots:
        # Every process lists trees in the same order, however it came to know of them.
        return dict(sorted(grown.items(), key=lambda item: _age(item[1].root)))
    return grown


def _age(provider: Provider) -> tuple[int, str]:
    return provider.created_at, provider.uuid
