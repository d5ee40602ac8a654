"""A client that will look at a few candidates has them drawn from everywhere (`Prefer: sample=N`, RFC 7240)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from cumulet.kernel.client import Response
from cumulet.placement.domain.search import candidates
from cumulet.placement.domain.search.request import Group, Policy, Search
from cumulet.placement.domain.snapshot.model import Provider, Snapshot, Stock
from tests.placement.support import Api, uuid

PATH = "/allocation_candidates?resources=VCPU:1"


def hosts(count: int, full: frozenset[int] = frozenset()) -> Snapshot:
    made = [
        Provider(
            uuid=uuid(number), name=str(number), generation=1, parent_uuid=None, root_uuid=uuid(number), shard=0,
            created_at=number, updated_at=number, traits=frozenset(), aggregates=frozenset(),
            stock={"VCPU": Stock(8, 8 if number in full else 0, 1, 8, 1)},
        )
        for number in range(count)
    ]  # fmt: skip
    return Snapshot().with_changes(made, ())


def drawn(snapshot: Snapshot, sample: int, **rest: Any) -> list[str]:
    search = Search(groups=(Group("", {"VCPU": 1}),), **rest)
    return [one.uuid for one in candidates.find(snapshot, search, Policy(), sample) if isinstance(one, Provider)]


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 96, 100, 210, 1000])
def test_a_sample_of_all_is_everybody_once(count: int) -> None:
    for _ in range(20):
        assert sorted(drawn(hosts(count), count)) == [uuid(number) for number in range(count)]


def test_it_comes_from_everywhere() -> None:
    snapshot = hosts(300)
    seen = set(itertools.chain.from_iterable(drawn(snapshot, 10) for _ in range(600)))
    assert len(seen) == 300


def test_who_has_no_room_is_passed_over() -> None:
    snapshot = hosts(300, full=frozenset(range(300)) - {7, 299})
    assert sorted(drawn(snapshot, 50)) == [uuid(7), uuid(299)]


def test_the_limit_still_holds() -> None:
    assert len(drawn(hosts(100), 50, limit=3)) == 3
    assert len(drawn(hosts(100), 3, limit=50)) == 3


def _ask(api: Api, prefer: str | None) -> Response:
    return api.request("GET", PATH, headers={} if prefer is None else {"Prefer": prefer})


def test_the_answer_says_that_it_is_a_sample(api: Api) -> None:
    for number in range(6):
        api.provider(uuid(number), VCPU=4)
    answer = _ask(api, "return=minimal, sample=2")
    assert len(answer.json()["allocation_requests"]) == len(answer.json()["provider_summaries"]) == 2
    assert answer.headers["preference-applied"] == "sample=2"


@pytest.mark.parametrize("prefer", [None, "sample=0", "sample=-1", "sample=many", "resample=2", "sample", "\u00e4"])
def test_what_is_no_sample_changes_nothing(api: Api, prefer: str | None) -> None:
    for number in range(3):
        api.provider(uuid(number), VCPU=4)
    answer = _ask(api, prefer)
    assert len(answer.json()["allocation_requests"]) == 3
    assert "preference-applied" not in answer.headers
