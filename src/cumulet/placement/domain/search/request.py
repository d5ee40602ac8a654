"""What a search for allocation candidates asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

AnyOf = frozenset[str]
"""At least one of these must be there."""


@dataclass(frozen=True, slots=True)
class Group:
    """One request group: resources with the traits, aggregates and tree of whoever provides them.

    The group without a suffix may be spread over a tree and what is shared with it; one with a suffix is satisfied by
    a single provider. One without resources only asks for a provider that is so and so, next to others
    (`same_subtree`).
    """

    suffix: str
    resources: Mapping[str, int] = field(default_factory=dict)
    required: tuple[AnyOf, ...] = ()
    forbidden: frozenset[str] = frozenset()
    member_of: tuple[AnyOf, ...] = ()
    forbidden_aggregates: frozenset[str] = frozenset()
    in_tree: str | None = None

    @property
    def granular(self) -> bool:
        return bool(self.suffix)


@dataclass(frozen=True, slots=True)
class Search:
    """A whole request. `nested` is False before 1.29, when a candidate took one provider of a tree."""

    groups: tuple[Group, ...]
    limit: int | None = None
    isolate: bool = False
    root_required: frozenset[str] = frozenset()
    root_forbidden: frozenset[str] = frozenset()
    same_subtrees: tuple[frozenset[str], ...] = ()
    nested: bool = True


@dataclass(frozen=True, slots=True)
class Policy:
    """How candidates are made and chosen (`[placement]` of placement.conf)."""

    randomize: bool = False
    breadth_first: bool = False
    most: int | None = None
