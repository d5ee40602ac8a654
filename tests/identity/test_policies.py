"""`/v3/policies`, and which policy an endpoint has."""

from __future__ import annotations

import pytest

from tests.identity import make
from tests.identity.conftest import Caller

PATH = "/v3/policies"


def policy(client: Caller, blob: str = "{}") -> str:
    made = client.post(PATH, {"policy": {"blob": blob, "type": "application/json"}})
    assert made.status == 201, made.body
    return str(made.json()["policy"]["id"])


def test_a_policy_is_created_shown_changed_and_deleted(client: Caller) -> None:
    body = {"blob": "{'admin': 'role:admin'} \u0000 \U0001f511", "type": "text/x", "owner": "me"}
    made = client.post(PATH, {"policy": body})
    assert made.status == 201
    shown = made.json()["policy"]
    path = f"{PATH}/{shown['id']}"
    assert shown == {**body, "id": shown["id"], "links": {"self": f"http://cloud.test:1{path}"}}
    assert client.get(path).json()["policy"] == shown
    assert shown["id"] in [one["id"] for one in client.get(f"{PATH}?type=text/x").json()["policies"]]
    changed = client.patch(path, {"policy": {"type": "text/y", "user": "you"}})
    assert changed.json()["policy"] == {**shown, "type": "text/y", "user": "you"}
    assert client.delete(path).status == 204
    assert client.get(path).status == client.delete(path).status == 404
    assert client.patch(path, {"policy": {"type": "x"}}).status == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "policy"),
        ({"policy": {"blob": "x"}}, "type"),
        ({"policy": {"type": "x"}}, "blob"),
        ({"policy": {"blob": {}, "type": "x"}}, "blob"),
        ({"policy": {"blob": "x", "type": "x" * 256}}, "type"),
    ],
)
def test_bad_bodies(client: Caller, body: object, field: str) -> None:
    refused = client.post(PATH, body)
    assert refused.status == 400
    assert field in refused.json()["error"]["message"]


def test_an_update_needs_something_and_keeps_the_id(client: Caller) -> None:
    path = f"{PATH}/{policy(client)}"
    assert client.patch(path, {"policy": {}}).status == 400
    assert client.patch(path, {"policy": {"id": "another"}}).status == 400


def test_the_nearest_association_counts(client: Caller) -> None:
    service = make.service(client)
    for region, parent in (("country", None), ("town", "country")):
        client.post("/v3/regions", {"region": {"id": region, "parent_region_id": parent}})
    endpoint = make.endpoint(client, service, region_id="town")
    elsewhere = make.endpoint(client, service)
    places = [
        f"services/{service}",
        f"services/{service}/regions/country",
        f"services/{service}/regions/town",
        f"endpoints/{endpoint}",
    ]
    assert client.get(f"/v3/endpoints/{endpoint}/OS-ENDPOINT-POLICY/policy").status == 404
    paths = []
    for place in places:
        policy_id = policy(client)
        paths.append(f"{PATH}/{policy_id}/OS-ENDPOINT-POLICY/{place}")
        assert client.get(paths[-1]).status == 404
        assert client.put(paths[-1]).status == client.put(paths[-1]).status == 204
        assert client.get(paths[-1]).status == client.head(paths[-1]).status == 204
        found = client.get(f"/v3/endpoints/{endpoint}/OS-ENDPOINT-POLICY/policy")
        assert found.json()["policy"]["id"] == policy_id
        listed = client.get(f"{PATH}/{policy_id}/OS-ENDPOINT-POLICY/endpoints").json()["endpoints"]
        assert endpoint in [one["id"] for one in listed]
        other = client.get(f"/v3/endpoints/{elsewhere}/OS-ENDPOINT-POLICY/policy").json()["policy"]["id"]
        assert paths[0] == f"{PATH}/{other}/OS-ENDPOINT-POLICY/{places[0]}"
    for path in reversed(paths):
        assert client.delete(path).status == client.delete(path).status == 204
        assert client.get(path).status == 404
    assert client.get(f"/v3/endpoints/{endpoint}/OS-ENDPOINT-POLICY/policy").status == 404


def test_a_place_has_one_policy(client: Caller) -> None:
    endpoint, first, second = make.endpoint(client, make.service(client)), policy(client), policy(client)
    for policy_id in (first, second):
        assert client.put(f"{PATH}/{policy_id}/OS-ENDPOINT-POLICY/endpoints/{endpoint}").status == 204
    assert client.get(f"{PATH}/{first}/OS-ENDPOINT-POLICY/endpoints/{endpoint}").status == 404
    assert client.get(f"/v3/endpoints/{endpoint}/OS-ENDPOINT-POLICY/policy").json()["policy"]["id"] == second
    client.delete(f"{PATH}/{second}")
    assert client.get(f"/v3/endpoints/{endpoint}/OS-ENDPOINT-POLICY/policy").status == 404


def test_nothing_is_associated_with_what_is_not_there(client: Caller) -> None:
    service, endpoint = make.service(client), make.endpoint(client, make.service(client))
    base = f"{PATH}/{policy(client)}/OS-ENDPOINT-POLICY"
    for path in (
        f"{base}/endpoints/nothing",
        f"{base}/services/nothing",
        f"{base}/services/{service}/regions/nowhere",
        f"{PATH}/nothing/OS-ENDPOINT-POLICY/endpoints/{endpoint}",
    ):
        assert client.put(path).status == client.get(path).status == client.delete(path).status == 404
    assert client.get(f"{PATH}/nothing/OS-ENDPOINT-POLICY/endpoints").status == 404
    assert client.get("/v3/endpoints/nothing/OS-ENDPOINT-POLICY/policy").status == 404


def test_associations_go_with_endpoints_services_and_regions(client: Caller) -> None:
    service = make.service(client)
    make.region(client, "village")
    endpoint = make.endpoint(client, service)
    base = f"{PATH}/{policy(client)}/OS-ENDPOINT-POLICY"
    for place in (f"endpoints/{endpoint}", f"services/{service}", f"services/{service}/regions/village"):
        assert client.put(f"{base}/{place}").status == 204
    for gone in (f"endpoints/{endpoint}", "regions/village", f"services/{service}"):
        assert client.delete(f"/v3/{gone}").status == 204
    make.region(client, "village")
    assert client.get(f"{base}/endpoints").json()["endpoints"] == []


def test_who_may_do_what(client: Caller) -> None:
    policy_id, endpoint = policy(client), make.endpoint(client, make.service(client))
    place = f"{PATH}/{policy_id}/OS-ENDPOINT-POLICY/endpoints/{endpoint}"
    reader, member = client.as_("system_reader"), client.as_("member")
    assert reader.get(f"{PATH}/{policy_id}").status == 200
    assert reader.get(place).status == 404
    assert reader.put(place).status == reader.delete(f"{PATH}/{policy_id}").status == 403
    assert member.get(PATH).status == member.get(place).status == 403
