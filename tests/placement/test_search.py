"""The search finds exactly what trying everything finds, whatever the providers and the request are."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from cumulet.placement.domain.search import candidates
from cumulet.placement.domain.search.candidates import Found
from cumulet.placement.domain.search.request import Group, Policy, Search
from cumulet.placement.domain.snapshot.model import Provider, Snapshot, Stock
from tests.placement import search_model
from tests.placement.model import Consumer, Inventory, Model
from tests.placement.model import Provider as ModelProvider
from tests.placement.support import uuid

CLASSES = ("VCPU", "DISK_GB", "NET")
TRAITS = ("A", "B", search_model.SHARING)
AGGREGATES = ("agg1", "agg2")
SUFFIXES = ("1", "_B", "_C")
DEFAULT = Policy()


@st.composite
def models(draw: st.DrawFn, most: int = 6) -> Model:
    """Up to `most` providers in trees of any shape, some of whose inventories are partly taken."""
    model = Model()
    for number in range(draw(st.integers(1, most))):
        parent = draw(st.none() | st.sampled_from(list(model.providers))) if model.providers else None
        model.providers[uuid(number)] = ModelProvider(
            parent=parent,
            inventories=draw(
                st.dictionaries(
                    st.sampled_from(CLASSES),
                    st.builds(
                        Inventory,
                        total=st.integers(1, 6),
                        min_unit=st.sampled_from((1, 1, 2)),
                        max_unit=st.sampled_from((2, 3, 100)),
                        step_size=st.sampled_from((1, 1, 2)),
                    ),
                )
            ),
            traits=draw(st.sets(st.sampled_from(TRAITS), max_size=2)),
            aggregates=draw(st.sets(st.sampled_from(AGGREGATES), max_size=2)),
        )
    taken = {
        number: {name: draw(st.integers(0, inventory.total)) for name, inventory in provider.inventories.items()}
        for number, provider in model.providers.items()
        if draw(st.booleans())
    }
    model.consumers["somebody"] = Consumer(1, {number: amounts for number, amounts in taken.items() if amounts})
    return model


any_of = st.frozensets(st.sampled_from(TRAITS), min_size=1, max_size=2)
any_aggregate = st.frozensets(st.sampled_from(AGGREGATES), min_size=1, max_size=2)
amounts = st.dictionaries(st.sampled_from(CLASSES), st.integers(1, 3), min_size=1, max_size=2)


def groups(suffix: str, resources: Any = amounts) -> st.SearchStrategy[Group]:
    return st.builds(
        Group,
        suffix=st.just(suffix),
        resources=resources,
        required=st.lists(any_of, max_size=2).map(tuple),
        forbidden=st.frozensets(st.sampled_from(TRAITS), max_size=1),
        member_of=st.lists(any_aggregate, max_size=1).map(tuple),
        forbidden_aggregates=st.frozensets(st.sampled_from(AGGREGATES), max_size=1),
        in_tree=st.none() | st.none() | st.integers(0, 6).map(uuid),
    )


@st.composite
def searches(draw: st.DrawFn) -> Search:
    """The group without a suffix, groups with one, or both; one of the latter may do without resources."""
    suffixes = draw(st.lists(st.sampled_from(SUFFIXES), unique=True, max_size=3))
    wanted = [draw(groups(suffix)) for suffix in suffixes]
    if not suffixes or draw(st.booleans()):
        wanted.insert(0, draw(groups("")))
    same_subtrees: tuple[frozenset[str], ...] = ()
    if suffixes and draw(st.booleans()):
        same_subtrees = (draw(st.frozensets(st.sampled_from(suffixes), min_size=1)),)
        if draw(st.booleans()):
            wanted.append(draw(groups("_R", st.just({}))))
            same_subtrees = (same_subtrees[0] | {"_R"},)
    return Search(
        groups=tuple(wanted),
        isolate=draw(st.booleans()),
        root_required=draw(st.frozensets(st.sampled_from(TRAITS), max_size=1)),
        root_forbidden=draw(st.frozensets(st.sampled_from(TRAITS), max_size=1)),
        same_subtrees=same_subtrees,
        nested=draw(st.booleans()),
    )


def snapshot_of(model: Model) -> Snapshot:
    providers = [
        Provider(
            uuid=one,
            name=one,
            generation=0,
            parent_uuid=known.parent,
            root_uuid=model.root(one),
            shard=0,
            created_at=number,
            updated_at=number,
            traits=frozenset(known.traits),
            aggregates=frozenset(known.aggregates),
            stock={
                name: Stock(
                    inventory.capacity,
                    model.used(one)[name],
                    inventory.min_unit,
                    inventory.max_unit,
                    inventory.step_size,
                )
                for name, inventory in known.inventories.items()
            },
        )
        for number, (one, known) in enumerate(model.providers.items())
    ]
    return Snapshot().with_changes(providers, ())


def answer(search: Search, found: list[Found]) -> list[search_model.Candidate]:
    return [_candidate(search, one) for one in found]


def _candidate(search: Search, one: Found) -> search_model.Candidate:
    if isinstance(one, Provider):
        taken = {one.uuid: search.groups[0].resources}
        return _parts(taken), frozenset({(search.groups[0].suffix, frozenset({one.uuid}))})
    return _parts(one.amounts), frozenset((suffix, frozenset(uuids)) for suffix, uuids in one.mappings.items())


def _parts(taken: Any) -> frozenset[tuple[str, str, int]]:
    return frozenset((one, name, amount) for one, resources in taken.items() for name, amount in resources.items())


def find(model: Model, search: Search, policy: Policy = DEFAULT) -> list[search_model.Candidate]:
    return answer(search, candidates.find(snapshot_of(model), search, policy))


@settings(max_examples=400, deadline=None)
@given(models(), searches())
def test_finds_all_and_only_candidates(model: Model, search: Search) -> None:
    found = find(model, search)
    assert frozenset(found) == search_model.candidates(model, search)
    assert len(set(found)) == len(found)


@settings(max_examples=100, deadline=None)
@given(models(), searches(), st.integers(1, 4))
def test_limit_takes_the_first(model: Model, search: Search, limit: int) -> None:
    everything = find(model, search)
    limited = Search(**{name: getattr(search, name) for name in Search.__slots__} | {"limit": limit})
    assert find(model, limited) == everything[:limit]
    assert find(model, search, Policy(most=limit)) == everything[:limit]


@settings(max_examples=100, deadline=None)
@given(models(), searches(), st.integers(1, 4))
def test_a_random_sample_is_one_of_all(model: Model, search: Search, limit: int) -> None:
    everything = find(model, search)
    shuffled = find(model, search, Policy(randomize=True))
    assert sorted(map(str, shuffled)) == sorted(map(str, everything))
    limited = Search(**{name: getattr(search, name) for name in Search.__slots__} | {"limit": limit})
    sample = find(model, limited, Policy(randomize=True))
    assert len(sample) == min(limit, len(everything))
    assert set(sample) <= set(everything)


@settings(max_examples=100, deadline=None)
@given(models(), searches())
def test_breadth_first_finds_the_same(model: Model, search: Search) -> None:
    assert set(find(model, search, Policy(breadth_first=True))) == set(find(model, search))


def wide_trees(trees: int, children: int) -> Model:
    """Roots with equal children of one NET each."""
    model = Model()
    for tree in range(trees):
        root = uuid(tree * 100)
        model.providers[root] = ModelProvider(inventories={"VCPU": Inventory(64)})
        for child in range(1, children + 1):
            model.providers[uuid(tree * 100 + child)] = ModelProvider(parent=root, inventories={"NET": Inventory(1)})
    return model


def test_depth_first_exhausts_a_tree_before_the_next() -> None:
    search = Search((Group("", {"VCPU": 1}), Group("1", {"NET": 1})))
    found = find(wide_trees(2, 3), search)
    assert [min(part[0] for part in one[0]) for one in found] == [uuid(0)] * 3 + [uuid(100)] * 3


def test_breadth_first_takes_one_of_each_tree_in_turn() -> None:
    search = Search((Group("", {"VCPU": 1}), Group("1", {"NET": 1})))
    found = find(wide_trees(2, 3), search, Policy(breadth_first=True))
    assert [min(part[0] for part in one[0]) for one in found] == [uuid(0), uuid(100)] * 3


def test_a_wide_tree_without_a_solution_is_left_at_once() -> None:
    """Nine devices asked of a tree with eight: 8! ways to fail, none of which is tried."""
    search = Search(tuple(Group(f"_{number}", {"NET": 1}) for number in range(9)), isolate=True)
    assert find(wide_trees(20, 8), search) == []
    assert find(wide_trees(20, 8), Search(search.groups)) == []


def test_a_wide_tree_gives_its_first_solutions_at_once() -> None:
    """Eight of sixteen devices: 519 million candidates, of which five are wanted."""
    search = Search(tuple(Group(f"_{number}", {"NET": 1}) for number in range(8)), limit=5)
    assert len(find(wide_trees(3, 16), search)) == 5
