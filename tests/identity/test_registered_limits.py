"""`/v3/registered_limits`: what every project may have by default."""

from __future__ import annotations

from typing import Any

import pytest

from cumulet.identity.service import Identity
from tests.identity import make
from tests.identity.conftest import Caller

PATH = "/v3/registered_limits"


def post(client: Caller, *given: dict[str, Any]) -> Any:
    return client.post(PATH, {"registered_limits": list(given)})


def body(client: Caller, **fields: Any) -> dict[str, Any]:
    return {"service_id": make.service(client), "resource_name": "loaves", "default_limit": 10, **fields}


def test_limits_are_registered_shown_changed_and_deleted(client: Caller) -> None:
    make.region(client, "valley")
    given = body(client)
    made = post(client, given, {**given, "region_id": "valley", "description": "there"})
    assert made.status == 201
    everywhere, there = made.json()["registered_limits"]
    path = f"{PATH}/{everywhere['id']}"
    assert everywhere == {
        **given,
        "id": everywhere["id"],
        "region_id": None,
        "description": None,
        "links": {"self": f"http://cloud.test:1{path}"},
    }
    assert (there["region_id"], there["description"]) == ("valley", "there")
    assert client.get(path).json()["registered_limit"] == everywhere
    changes = {"default_limit": -1, "resource_name": "rolls", "description": "new"}
    changed = client.patch(path, {"registered_limit": changes})
    assert changed.json()["registered_limit"] == {**everywhere, **changes}
    assert client.patch(path, {"registered_limit": {}}).status == 200
    assert client.delete(path).status == 204
    assert client.get(path).status == client.delete(path).status == 404
    assert client.patch(path, {"registered_limit": {"default_limit": 1}}).status == 404


def test_there_is_one_for_a_resource_of_a_service_in_a_region(client: Caller) -> None:
    make.region(client, "hill")
    given = body(client)
    first = post(client, given).json()["registered_limits"][0]["id"]
    assert post(client, given).status == 409
    assert post(client, {**given, "region_id": "hill"}).status == 201
    assert client.patch(f"{PATH}/{first}", {"registered_limit": {"region_id": "hill"}}).status == 409
    twice = {**given, "resource_name": "rolls"}
    assert post(client, twice, twice).status == 409
    assert client.get(f"{PATH}?service_id={given['service_id']}&resource_name=rolls").json()["registered_limits"] == []


def test_filters(client: Caller) -> None:
    make.region(client, "shore")
    given = body(client)
    post(client, given, {**given, "region_id": "shore"}, {**given, "resource_name": "rolls"})

    def count(query: str) -> int:
        return len(client.get(f"{PATH}?{query}").json()["registered_limits"])

    service = f"service_id={given['service_id']}"
    assert count(service) == 3
    assert count(f"{service}&resource_name=loaves") == 2
    assert count("region_id=shore") == 1
    assert count(f"{service}&resource_name__contains=oll") == 1
    assert client.get(f"{PATH}?region_id=").status == 400


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"service_id": "nothing"}, "service_id"),
        ({"region_id": "nowhere"}, "region_id"),
        ({"default_limit": -2}, "default_limit"),
        ({"default_limit": 2**31}, "default_limit"),
        ({"default_limit": "5"}, "default_limit"),
        ({"default_limit": 1.5}, "default_limit"),
        ({"resource_name": ""}, "resource_name"),
        ({"description": "x" * 256}, "description"),
        ({"more": 1}, "more"),
    ],
)
def test_bad_bodies(client: Caller, changes: dict[str, Any], field: str) -> None:
    refused = post(client, body(client, **changes))
    assert refused.status == 400
    assert field in refused.json()["error"]["message"]
    path = f"{PATH}/{post(client, body(client)).json()['registered_limits'][0]['id']}"
    assert client.patch(path, {"registered_limit": changes}).status == 400


def test_bad_lists(client: Caller) -> None:
    for given in ({}, {"registered_limits": []}, {"registered_limits": {}}, {"registered_limits": [{}]}):
        assert client.post(PATH, given).status == 400


def test_nothing_changes_while_projects_have_limits_of_their_own(client: Caller, identity: Identity) -> None:
    given = body(client)
    path = f"{PATH}/{post(client, given).json()['registered_limits'][0]['id']}"
    project = make.project(identity, make.domain(identity))
    own = {"service_id": given["service_id"], "resource_name": "loaves", "resource_limit": 1, "project_id": project}
    made = client.post("/v3/limits", {"limits": [own]})
    assert made.status == 201
    assert client.patch(path, {"registered_limit": {"default_limit": 1}}).status == 403
    refused = client.delete(path)
    assert refused.status == 403
    assert "because there are project limits associated with it" in refused.json()["error"]["message"]
    client.delete(f"/v3/limits/{made.json()['limits'][0]['id']}")
    assert client.delete(path).status == 204


def test_limits_go_with_their_service_and_region(client: Caller, identity: Identity) -> None:
    make.region(client, "island")
    given = body(client)
    here, there = post(client, given, {**given, "region_id": "island"}).json()["registered_limits"]
    project = make.project(identity, make.domain(identity))
    own = {"service_id": given["service_id"], "resource_name": "loaves", "resource_limit": 1, "project_id": project}
    limit = client.post("/v3/limits", {"limits": [own]}).json()["limits"][0]
    assert client.delete("/v3/regions/island").status == 204
    assert client.get(f"{PATH}/{there['id']}").status == 404
    assert client.delete(f"/v3/services/{given['service_id']}").status == 204
    assert client.get(f"{PATH}/{here['id']}").status == 404
    assert client.get(f"/v3/limits/{limit['id']}").status == 404


def test_everybody_sees_and_administrators_change(client: Caller) -> None:
    member = client.as_("member")
    assert member.get(PATH).status == 200
    assert member.post(PATH, {"registered_limits": [body(client)]}).status == 403
