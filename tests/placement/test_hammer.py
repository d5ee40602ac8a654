"""Thirty-two writers over ten providers: whatever happens at once, nothing is over-committed and nothing is lost."""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from cumulet.placement.service import Placement
from tests.placement.support import Api, make_placement, uuid

WRITERS = 32
PROVIDERS = 10
CAPACITY = {"VCPU": 24, "MEMORY_MB": 4096}
ROUNDS = int(os.environ.get("CUMULET_HAMMER_ROUNDS", "12"))


def run_together(work: Callable[[int], None]) -> None:
    """`work(number)` in every writer's thread, all starting at once; the first failure is raised."""
    barrier = threading.Barrier(WRITERS)
    failures: list[BaseException] = []

    def one(number: int) -> None:
        try:
            barrier.wait()
            work(number)
        except BaseException as error:  # noqa: BLE001 - it is raised in the test's thread
            failures.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def usages(api: Api, provider: str) -> dict[str, int]:
    found: dict[str, int] = api.get(f"/resource_providers/{provider}/usages").json()["usages"]
    return found


def allocated(api: Api, provider: str) -> Counter[str]:
    total: Counter[str] = Counter()
    for entry in api.get(f"/resource_providers/{provider}/allocations").json()["allocations"].values():
        total.update(entry["resources"])
    return total


class Writer:
    """Allocates, changes and deletes at random, and remembers what it was told it has."""

    def __init__(self, api: Api, number: int) -> None:
        self.api = api
        self.random = random.Random(number)
        self.consumers = [uuid(1_000_000 + number * 100 + one) for one in range(4)]
        self.has: dict[str, dict[str, dict[str, int]]] = {}
        self.generations: dict[str, int] = {}
        self.granted = self.refused = 0

    def work(self, number: int) -> None:
        for _ in range(ROUNDS):
            self.step()

    def step(self) -> None:
        consumer = self.random.choice(self.consumers)
        if consumer in self.has and self.random.random() < 0.3:
            assert self.api.delete(f"/allocations/{consumer}").status == 204
            del self.has[consumer], self.generations[consumer]
            return
        chosen = self.random.sample(range(PROVIDERS), self.random.choice((1, 1, 2)))
        amounts = {
            uuid(provider): {"VCPU": self.random.randint(1, 6), "MEMORY_MB": self.random.randint(1, 900)}
            for provider in chosen
        }
        answer = self.api.allocate(consumer, self.generations.get(consumer), allocations=amounts)
        if answer.status == 204:
            self.granted += 1
            self.has[consumer] = amounts
            self.generations[consumer] = self.generations.get(consumer, 0) + 1
        else:
            # Nobody else touches this consumer: the only reason to refuse is a full inventory.
            assert answer.status == 409, answer.body
            assert b"exceed the capacity" in answer.body, answer.body
            self.refused += 1


def test_writers_at_random(placement: Placement) -> None:
    api = Api(placement)
    for number in range(PROVIDERS):
        api.provider(uuid(number), **CAPACITY)
    writers = [Writer(api, number) for number in range(WRITERS)]

    run_together(lambda number: writers[number].work(number))

    expected: dict[str, Counter[str]] = {uuid(number): Counter() for number in range(PROVIDERS)}
    for writer in writers:
        for consumer in writer.consumers:
            known = writer.has.get(consumer, {})
            told = api.get(f"/allocations/{consumer}").json()
            assert {provider: entry["resources"] for provider, entry in told["allocations"].items()} == known
            assert told.get("consumer_generation") == writer.generations.get(consumer)
            for provider, resources in known.items():
                expected[provider].update(resources)
    for provider, total in expected.items():
        assert usages(api, provider) == {name: total[name] for name in CAPACITY}
        assert allocated(api, provider) == total
        assert all(total[name] <= capacity for name, capacity in CAPACITY.items())
    assert sum(writer.granted for writer in writers) > WRITERS
    assert sum(writer.refused for writer in writers) > 0


def test_everybody_wants_the_last_one(placement: Placement) -> None:
    api = Api(placement)
    provider = api.provider(uuid(1), VCPU=10)
    answers: list[int] = []

    def work(number: int) -> None:
        answers.append(api.allocate(uuid(1000 + number), allocations={provider: {"VCPU": 1}}).status)

    run_together(work)

    assert Counter(answers) == {204: 10, 409: WRITERS - 10}
    assert usages(api, provider) == {"VCPU": 10}
    assert allocated(api, provider) == {"VCPU": 10}


def test_everybody_changes_the_same_consumer(placement: Placement) -> None:
    api = Api(placement)
    provider = api.provider(uuid(1), VCPU=100)
    consumer = uuid(1000)
    granted: list[int] = []

    def work(number: int) -> None:
        answer = api.allocate(consumer, None, allocations={provider: {"VCPU": number + 1}})
        if answer.status == 204:
            granted.append(number + 1)
        else:
            assert answer.status == 409
            assert answer.json()["errors"][0]["code"] == "placement.concurrent_update"

    run_together(work)

    assert len(granted) == 1
    assert usages(api, provider) == {"VCPU": granted[0]}
    assert api.get(f"/allocations/{consumer}").json()["consumer_generation"] == 1


def test_moves_between_providers_lose_nothing(placement: Placement) -> None:
    """Each of 32 consumers is moved back and forth, with another one in the same request, while others do the same."""
    api = Api(placement)
    providers = [api.provider(uuid(number), VCPU=WRITERS) for number in range(PROVIDERS)]
    for number in range(WRITERS):
        assert api.allocate(uuid(1000 + number), allocations={providers[0]: {"VCPU": 1}}).status == 204

    def work(number: int) -> None:
        mine, other = uuid(1000 + number), uuid(2000 + number)
        places = random.Random(number).choices(providers, k=ROUNDS)
        for count, place in enumerate(places, 1):
            owner = {"project_id": "project", "user_id": "user", "consumer_type": "MIGRATION"}
            taken = {place: {"resources": {"VCPU": 1}}}
            body = {
                mine: {"allocations": taken if count % 2 == 0 else {}, "consumer_generation": 1, **owner},
                other: {"allocations": taken if count % 2 == 1 else {}, "consumer_generation": None, **owner},
            }
            body[mine if count % 2 == 0 else other]["consumer_generation"] = None
            body[other if count % 2 == 0 else mine]["consumer_generation"] = 1
            answer = api.post("/allocations", body)
            assert answer.status == 204, answer.body

    run_together(work)

    assert sum(usages(api, provider)["VCPU"] for provider in providers) == WRITERS
    assert sum(allocated(api, provider)["VCPU"] for provider in providers) == WRITERS


def test_inventories_and_allocations_at_once(placement: Placement) -> None:
    """Some writers change what a provider offers while others take from it; capacity holds at every grant."""
    api = Api(placement)
    provider = api.provider(uuid(1), VCPU=8)

    def work(number: int) -> None:
        for count in range(ROUNDS):
            if number % 4 == 0:
                current = api.get(f"/resource_providers/{provider}/inventories").json()
                current["inventories"]["VCPU"]["total"] = 8 + count % 3
                assert api.put(f"/resource_providers/{provider}/inventories", current).status in (200, 409)
            else:
                consumer = uuid(1000 + number)
                granted = api.allocate(consumer, allocations={provider: {"VCPU": 2}}).status
                assert granted in (204, 409)
                if granted == 204:
                    assert api.delete(f"/allocations/{consumer}").status == 204

    run_together(work)

    assert usages(api, provider) == {"VCPU": 0}
    assert allocated(api, provider) == {}


@pytest.mark.parametrize("processes", [3])
def test_several_processes_see_each_other(database_url: str, tmp_path: Path, processes: int) -> None:
    """Several services on one database stand for several API workers: each answers from what the others committed."""
    services = [make_placement(tmp_path / str(number), database_url) for number in range(processes)]
    apis = [Api(service) for service in services]
    for number in range(PROVIDERS):
        apis[number % processes].provider(uuid(number), VCPU=5)

    def work(number: int) -> None:
        mine, next_one = apis[number % processes], apis[(number + 1) % processes]
        provider, consumer = uuid(number % PROVIDERS), uuid(1000 + number)
        status = mine.allocate(consumer, allocations={provider: {"VCPU": 2}}).status
        query = f"/allocation_candidates?resources=VCPU:1&in_tree={provider}"
        summary = next_one.get(query).json()["provider_summaries"]
        if status == 204 and summary:
            assert summary[provider]["resources"]["VCPU"]["used"] >= 2

    run_together(work)

    for number in range(PROVIDERS):
        used = usages(apis[0], uuid(number))["VCPU"]
        assert used == allocated(apis[1], uuid(number))["VCPU"] <= 5
        found = [api.get(f"/resource_providers?resources=VCPU:{5 - used}&uuid={uuid(number)}").json() for api in apis]
        assert [len(one["resource_providers"]) for one in found] == [1] * processes if used < 5 else True
    for service in services:
        service.db.close()
