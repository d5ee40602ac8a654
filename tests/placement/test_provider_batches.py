"""Many providers made in one call (`POST /resource_provider_batches`): all of them or none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.placement.support import Api, uuid

PATH = "/resource_provider_batches"


def a_host(number: int, **rest: Any) -> dict[str, Any]:
    stock = {"VCPU": {"total": 8, "allocation_ratio": 4.0}, "MEMORY_MB": {"total": 4096, "reserved": 512}}
    made = {"uuid": uuid(number), "name": f"host-{number}", "inventories": stock, "traits": ["COMPUTE_NODE"]}
    return made | rest


def names(api: Api) -> set[str]:
    return {one["name"] for one in api.get("/resource_providers").json()["resource_providers"]}


def test_they_are_as_if_made_one_by_one(api: Api) -> None:
    made = api.post(PATH, {"resource_providers": [a_host(number) for number in range(50)]})
    assert (made.status, made.body) == (204, b"")
    assert names(api) == {f"host-{number}" for number in range(50)}
    shown = api.get(f"/resource_providers/{uuid(7)}").json()
    assert (shown["parent_provider_uuid"], shown["root_provider_uuid"]) == (None, uuid(7))
    found = api.get(f"/resource_providers/{uuid(7)}/inventories").json()
    assert found["resource_provider_generation"] == shown["generation"]
    assert found["inventories"]["VCPU"]["total"] == 8 and found["inventories"]["MEMORY_MB"]["reserved"] == 512
    assert api.get(f"/resource_providers/{uuid(7)}/traits").json()["traits"] == ["COMPUTE_NODE"]
    path = "/allocation_candidates?resources=VCPU:32,MEMORY_MB:3584&required=COMPUTE_NODE"
    assert len(api.get(path).json()["provider_summaries"]) == 50
    bare = {"uuid": uuid(60), "name": "bare"}
    assert api.post(PATH, {"resource_providers": [bare]}).status == 204
    assert api.get(f"/resource_providers/{uuid(60)}/inventories").json()["inventories"] == {}


@pytest.mark.parametrize(
    ("wrong", "status", "says"),
    [
        ({"uuid": uuid(1)}, 409, "already exists"),
        ({"name": "host-1"}, 409, "already exists"),
        ({"inventories": {"CUSTOM_NONE": {"total": 1}}}, 400, "CUSTOM_NONE"),
        ({"traits": ["CUSTOM_NONE"]}, 400, "CUSTOM_NONE"),
        ({"inventories": {"VCPU": {"total": 1, "reserved": 2}}}, 400, "VCPU"),
        ({"inventories": {"VCPU": {"total": 0}}}, 400, "total"),
        ({"uuid": "-" * 36}, 400, "uuid"),
        ({"name": ""}, 400, "name"),
        ({"parent_provider_uuid": uuid(1)}, 400, "parent_provider_uuid"),
    ],
)  # fmt: skip
def test_one_that_cannot_be_made_keeps_all_from_being_made(
    api: Api, wrong: dict[str, Any], status: int, says: str
) -> None:
    assert api.post(PATH, {"resource_providers": [a_host(1)]}).status == 204
    answer = api.post(PATH, {"resource_providers": [a_host(2), a_host(3, **wrong), a_host(4)]})
    assert answer.status == status and says in answer.body.decode()
    assert names(api) == {"host-1"}


def test_a_batch_has_bounds_and_needs_the_right(api: Api) -> None:
    wrong: list[dict[str, Any]] = [{"resource_providers": [a_host(n) for n in range(count)]} for count in (0, 1001)]
    for body in ({}, *wrong):
        assert api.post(PATH, body).status == 400
    assert api.post(PATH, {"resource_providers": [a_host(1)]}, headers={"X-Auth-Token": "reader"}).status == 403
    assert api.at("1.5", "POST", PATH, json={"resource_providers": [a_host(1)]}).status == 404
    assert names(api) == set()
