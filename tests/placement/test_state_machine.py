"""Any sequence of requests leaves Placement where the model is, and its search finds what trying everything finds."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from cumulet.placement.domain.search.request import Group, Search
from cumulet.placement.domain.snapshot.cache import SnapshotCache
from tests.databases import MakeUrl
from tests.placement import search_model
from tests.placement.model import Inventory, Model, Refused
from tests.placement.support import Api, make_placement

CLASSES = ("VCPU", "DISK_GB", "CUSTOM_MAGIC")
TRAITS = ("HW_CPU_X86_AVX", "CUSTOM_FAST", search_model.SHARING)
AGGREGATES = tuple(f"aaaaaaaa-0000-0000-0000-{number:012d}" for number in range(2))

inventory = st.builds(
    Inventory,
    total=st.integers(1, 8),
    reserved=st.integers(0, 2),
    min_unit=st.sampled_from((1, 1, 2)),
    max_unit=st.sampled_from((2, 4, 100)),
    step_size=st.sampled_from((1, 1, 1, 2)),
    allocation_ratio=st.sampled_from((1.0, 1.5, 2.0)),
)
inventories = st.dictionaries(st.sampled_from(CLASSES), inventory, max_size=3)
amounts = st.dictionaries(st.sampled_from(CLASSES), st.integers(1, 5), min_size=1, max_size=2)
traits = st.sets(st.sampled_from(TRAITS), max_size=2)
aggregates = st.sets(st.sampled_from(AGGREGATES), max_size=2)


def wanted_by(consumers: Any, providers: Any) -> Any:
    """(consumer, what it wants of which provider)"""
    return st.tuples(consumers, st.lists(st.tuples(providers, amounts), max_size=2))


class PlacementMachine(RuleBasedStateMachine):
    """One client, whose every request goes to Placement and to the model; both accept it or both refuse it."""

    providers = Bundle("providers")
    consumers = Bundle("consumers")
    migrated_urls: MakeUrl

    @initialize()
    def start(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.placement = make_placement(self.directory, type(self).migrated_urls("placement"))
        self.api = Api(self.placement)
        self.model = Model()
        self.count = 0
        self.api.put("/resource_classes/CUSTOM_MAGIC")
        self.api.put("/traits/CUSTOM_FAST")

    def teardown(self) -> None:
        if hasattr(self, "placement"):
            self.placement.db.close()
            shutil.rmtree(self.directory)

    def new_uuid(self) -> str:
        self.count += 1
        return f"00000000-0000-0000-0000-{self.count:012d}"

    def agree(self, answer: Any, change: Any, *arguments: Any) -> bool:
        """The model makes the same change and accepts it exactly if the service did."""
        try:
            change(*arguments)
            accepted = True
        except Refused:
            accepted = False
        assert (answer.status < 300) == accepted, (answer.status, answer.body)
        assert answer.status < 500
        return accepted

    @rule(target=providers, parent=st.none() | providers)
    def create_provider(self, parent: str | None) -> Any:
        uuid = self.new_uuid()
        answer = self.api.post("/resource_providers", {"uuid": uuid, "name": uuid, "parent_provider_uuid": parent})
        return uuid if self.agree(answer, self.model.create, uuid, parent) else multiple()

    @rule(uuid=providers, parent=st.none() | providers)
    def move_provider(self, uuid: str, parent: str | None) -> None:
        if uuid not in self.model.providers:
            return
        body = {"name": uuid, "parent_provider_uuid": parent}
        self.agree(self.api.put(f"/resource_providers/{uuid}", body), self.model.move, uuid, parent)

    @rule(uuid=providers)
    def delete_provider(self, uuid: str) -> None:
        if uuid in self.model.providers:
            self.agree(self.api.delete(f"/resource_providers/{uuid}"), self.model.delete, uuid)

    @rule(uuid=providers, wanted=inventories, behind=st.sampled_from((0, 0, 0, 1)))
    def set_inventories(self, uuid: str, wanted: dict[str, Inventory], behind: int) -> None:
        if uuid not in self.model.providers:
            return
        generation = self.model.providers[uuid].generation - behind
        body = {
            "resource_provider_generation": generation,
            "inventories": {name: one.body() for name, one in wanted.items()},
        }
        answer = self.api.put(f"/resource_providers/{uuid}/inventories", body)
        self.agree(answer, self.model.set_inventories, uuid, generation, wanted)

    @rule(uuid=providers, wanted=traits)
    def set_traits(self, uuid: str, wanted: set[str]) -> None:
        if uuid not in self.model.providers:
            return
        generation = self.model.providers[uuid].generation
        body = {"resource_provider_generation": generation, "traits": sorted(wanted)}
        answer = self.api.put(f"/resource_providers/{uuid}/traits", body)
        self.agree(answer, self.model.set_traits, uuid, generation, wanted)

    @rule(uuid=providers, wanted=aggregates)
    def set_aggregates(self, uuid: str, wanted: set[str]) -> None:
        if uuid not in self.model.providers:
            return
        generation = self.model.providers[uuid].generation
        body = {"resource_provider_generation": generation, "aggregates": sorted(wanted)}
        answer = self.api.put(f"/resource_providers/{uuid}/aggregates", body)
        self.agree(answer, self.model.set_aggregates, uuid, generation, wanted)

    @rule(target=consumers)
    def create_consumer(self) -> str:
        return self.new_uuid()

    @rule(
        parts=st.lists(
            st.tuples(consumers, st.lists(st.tuples(providers, amounts), max_size=2)), min_size=1, max_size=2
        ),
        behind=st.sampled_from((0, 0, 0, 1)),
    )
    def allocate(self, parts: list[tuple[str, list[tuple[str, dict[str, int]]]]], behind: int) -> None:
        claims = {}
        for consumer, wanted in parts:
            known = self.model.consumers.get(consumer)
            claims[consumer] = (None if known is None else known.generation - behind, dict(wanted))
        body = {
            consumer: {
                "allocations": {uuid: {"resources": resources} for uuid, resources in taken.items()},
                "consumer_generation": generation,
                "consumer_type": "INSTANCE",
                "project_id": "project",
                "user_id": "user",
            }
            for consumer, (generation, taken) in claims.items()
        }
        self.agree(self.api.post("/allocations", body), self.model.allocate, claims)

    @rule(consumer=consumes(consumers))
    def release(self, consumer: str) -> None:
        self.agree(self.api.delete(f"/allocations/{consumer}"), self.model.release, consumer)

    @rule(first=amounts, second=st.none() | amounts, required=traits, isolate=st.booleans())
    def search(self, first: dict[str, int], second: dict[str, int] | None, required: set[str], isolate: bool) -> None:
        wanted = tuple(frozenset((trait,)) for trait in sorted(required))
        groups = [Group("", first, required=wanted)]
        query = [f"resources={_resources(first)}"]
        if required:
            query.append(f"required={','.join(sorted(required))}")
        if second is not None:
            groups.append(Group("_B", second))
            query.append(f"resources_B={_resources(second)}&group_policy={'isolate' if isolate else 'none'}")
        answer = self.api.get(f"/allocation_candidates?{'&'.join(query)}").json()
        expected = search_model.candidates(self.model, Search(tuple(groups), isolate=isolate))
        assert search_answer(answer) == expected

    @invariant()
    def snapshot_is_current(self) -> None:
        """The snapshot that grew with every change is the one that a process that just started would load."""
        if not hasattr(self, "placement"):
            return
        grown, loaded = self.placement.snapshots.current(), SnapshotCache(self.placement.db).current()
        assert list(grown.trees) == list(loaded.trees)
        assert grown.shared == loaded.shared
        assert grown.nested == loaded.nested
        assert grown.providers.keys() == loaded.providers.keys() == self.model.providers.keys()
        for uuid, known in self.model.providers.items():
            for snapshot in (grown, loaded):
                provider = snapshot.providers[uuid]
                assert (provider.generation, provider.parent_uuid) == (known.generation, known.parent)
                assert provider.root_uuid == self.model.root(uuid)
                assert (provider.traits, provider.aggregates) == (known.traits, known.aggregates)
                used = self.model.used(uuid)
                assert {name: (stock.capacity, stock.used) for name, stock in provider.stock.items()} == {
                    name: (inventory.capacity, used[name]) for name, inventory in known.inventories.items()
                }


def _resources(wanted: dict[str, int]) -> str:
    return ",".join(f"{name}:{amount}" for name, amount in wanted.items())


def search_answer(body: dict[str, Any]) -> search_model.Answer:
    """An answer of the API in the form of the model's."""
    found = [
        (
            frozenset(
                (uuid, name, amount)
                for uuid, entry in request["allocations"].items()
                for name, amount in entry["resources"].items()
            ),
            frozenset((suffix, frozenset(uuids)) for suffix, uuids in request["mappings"].items()),
        )
        for request in body["allocation_requests"]
    ]
    assert len(set(found)) == len(found), "a candidate stands twice in the answer"
    return frozenset(found)


@pytest.mark.timeout(600)
def test_any_sequence_of_requests(migrated_urls: MakeUrl, database_backend: str) -> None:
    machine = type("Machine", (PlacementMachine,), {"migrated_urls": staticmethod(migrated_urls)})
    examples = 25 if database_backend == "sqlite" else 6
    case = machine.TestCase
    case.settings = settings(
        max_examples=examples,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    case().runTest()
