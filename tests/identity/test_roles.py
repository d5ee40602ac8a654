"""`/v3/roles` and what roles imply."""

from __future__ import annotations

import pytest

from tests.identity.conftest import Caller
from tests.identity.make import role


def test_a_role_is_created_shown_changed_and_deleted(client: Caller) -> None:
    made = client.post("/v3/roles", {"role": {"name": "auditor", "description": "looks", "team": "blue"}})
    assert made.status == 201
    shown = made.json()["role"]
    assert shown == {
        "id": shown["id"],
        "name": "auditor",
        "domain_id": None,
        "description": "looks",
        "options": {},
        "team": "blue",
        "links": {"self": f"http://cloud.test:1/v3/roles/{shown['id']}"},
    }
    path = f"/v3/roles/{shown['id']}"
    assert client.get(path).json()["role"] == shown
    changed = client.patch(path, {"role": {"name": "inspector", "team": "red"}})
    assert changed.status == 200
    assert changed.json()["role"] == {**shown, "name": "inspector", "team": "red"}
    assert client.delete(path).status == 204
    assert client.get(path).status == 404
    assert client.get(path).json()["error"]["message"] == f"Could not find role: {shown['id']}."


def test_names_are_single_in_the_cloud_and_in_each_domain(client: Caller) -> None:
    role(client, "single")
    refused = client.post("/v3/roles", {"role": {"name": "single"}})
    assert refused.status == 409
    assert "Duplicate entry found with name single." in refused.json()["error"]["message"]
    role(client, "single", domain_id="some-domain")
    refused = client.post("/v3/roles", {"role": {"name": "single", "domain_id": "some-domain"}})
    assert refused.status == 409
    other = role(client, "double")
    assert client.patch(f"/v3/roles/{other}", {"role": {"name": "single"}}).status == 409


def test_lists_show_the_clouds_roles_or_one_domains(client: Caller) -> None:
    mine, theirs = role(client, "listed"), role(client, "listed", domain_id="listing-domain")
    of_cloud = client.get("/v3/roles").json()
    assert mine in [found["id"] for found in of_cloud["roles"]]
    assert theirs not in [found["id"] for found in of_cloud["roles"]]
    assert of_cloud["links"] == {"self": "http://cloud.test:1/v3/roles", "previous": None, "next": None}
    of_domain = client.get("/v3/roles?domain_id=listing-domain").json()["roles"]
    assert [found["id"] for found in of_domain] == [theirs]
    by_name = client.get("/v3/roles?name=listed").json()["roles"]
    assert [found["id"] for found in by_name] == [mine]


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("name__contains=Odd-Na", True),
        ("name__contains=odd-na", False),
        ("name__icontains=odd-na", True),
        ("name__startswith=Very", True),
        ("name__istartswith=vERY", True),
        ("name__endswith=Name", True),
        ("name__iendswith=NAME", True),
        ("name__endswith=Very", False),
        ("name__nonsense=x", True),
    ],
)
def test_inexact_filters(client: Caller, query: str, matches: bool) -> None:
    if not client.get("/v3/roles?name=Very-Odd-Name").json()["roles"]:
        role(client, "Very-Odd-Name")
    names = [found["name"] for found in client.get(f"/v3/roles?{query}").json()["roles"]]
    assert ("Very-Odd-Name" in names) is matches


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"role": {"name": ""}}, "name"),
        ({"role": {"name": "  "}}, "name"),
        ({"role": {"name": "x" * 256}}, "name"),
        ({"role": {"name": 5}}, "name"),
        ({"role": {"name": None}}, "name"),
        ({"role": {}}, "name"),
        ({"role": {"name": "x", "domain_id": "a/b"}}, "domain_id"),
        ({"role": {"name": "x", "description": 5}}, "description"),
        ({"role": {"name": "x", "options": {"unknown": True}}}, "unknown"),
        ({"role": {"name": "x", "options": {"immutable": "yes"}}}, "immutable"),
        ({"role": {"name": "x"}, "another": 1}, "another"),
        ({}, "role"),
        ([], "object"),
        ("text", "object"),
    ],
)
def test_bad_bodies_are_refused_naming_the_field(client: Caller, body: object, field: str) -> None:
    refused = client.post("/v3/roles", body)
    assert refused.status == 400
    assert field in refused.json()["error"]["message"]


def test_an_update_needs_something_and_keeps_id_and_domain(client: Caller) -> None:
    path = f"/v3/roles/{role(client, 'kept')}"
    assert client.patch(path, {"role": {}}).status == 400
    assert client.patch(path, {"role": {"id": "another"}}).json()["error"]["message"] == "Cannot change ID"
    refused = client.patch(path, {"role": {"domain_id": "another"}})
    assert refused.status == 400
    assert refused.json()["error"]["message"] == "Update of `domain_id` is not allowed."
    assert client.patch(path, {"role": {"domain_id": None, "description": None}}).status == 200


def test_an_immutable_role_stays_until_it_is_made_mutable(client: Caller) -> None:
    path = f"/v3/roles/{role(client, 'rock', options={'immutable': True})}"
    assert client.patch(path, {"role": {"name": "sand"}}).status == 403
    assert client.patch(path, {"role": {"name": "sand", "options": {"immutable": False}}}).status == 403
    refused = client.delete(path)
    assert refused.status == 403
    assert 'Set resource option "immutable" to false first.' in refused.json()["error"]["message"]
    assert client.patch(path, {"role": {"options": {"immutable": False}}}).json()["role"]["options"] == {
        "immutable": False
    }
    assert client.patch(path, {"role": {"options": {"immutable": None}}}).json()["role"]["options"] == {}
    assert client.delete(path).status == 204


def test_who_may_do_what(client: Caller) -> None:
    managed, other = role(client, "manager"), role(client, "keeper")
    own = role(client, "own", domain_id="kingdom")
    manager = client.as_("manager", roles=("manager", "member", "reader"), domain_id="kingdom")
    assert manager.get("/v3/roles").status == 200
    assert manager.get(f"/v3/roles/{managed}").status == 200
    assert manager.get(f"/v3/roles/{other}").status == 403
    assert manager.get(f"/v3/roles/{own}").status == 403
    assert manager.post("/v3/roles", {"role": {"name": "no"}}).status == 403
    reader = client.as_("system_reader")
    assert reader.get("/v3/roles").status == reader.get(f"/v3/roles/{own}").status == 200
    assert reader.delete(f"/v3/roles/{other}").status == 403
    member = client.as_("member")
    assert member.get("/v3/roles").status == 403
    unknown = member.get("/v3/roles/there-is-none")
    assert unknown.status == 403
    assert "identity:get_role" in unknown.json()["error"]["message"]
    assert client.as_("bad").get("/v3/roles").status == 401


def test_implications_are_made_shown_and_ended(client: Caller) -> None:
    prior, implied = role(client, "prior"), role(client, "implied")
    path = f"/v3/roles/{prior}/implies/{implied}"
    assert client.get(path).json()["error"]["message"] == f"{prior} does not imply {implied}."
    made = client.put(path)
    assert made.status == 201
    end = "http://cloud.test:1/v3/roles/"
    as_prior = {"id": prior, "name": "prior", "links": {"self": end + prior}}
    as_implied = {"id": implied, "name": "implied", "links": {"self": end + implied}}
    assert made.json() == {
        "role_inference": {"prior_role": as_prior, "implies": as_implied},
        "links": {"self": f"{end}{prior}/implies/{implied}"},
    }
    assert client.put(path).status == 409
    assert client.get(path).json() == made.json()
    assert client.head(path).status == 204
    listed = client.get(f"/v3/roles/{prior}/implies").json()
    assert listed["role_inference"] == {"prior_role": as_prior, "implies": [as_implied]}
    assert {"prior_role": as_prior, "implies": [as_implied]} in client.get("/v3/role_inferences").json()[
        "role_inferences"
    ]
    assert client.delete(path).status == 204
    assert client.delete(path).status == 404
    assert client.head(path).status == 404


def test_what_must_not_be_implied(client: Caller) -> None:
    admin, plain, own = role(client, "admin"), role(client, "plain"), role(client, "of-a-domain", domain_id="d")
    assert client.put(f"/v3/roles/{plain}/implies/{admin}").status == 403
    assert client.put(f"/v3/roles/{plain}/implies/{own}").status == 403
    assert client.put(f"/v3/roles/{own}/implies/{plain}").status == 201
    assert client.put(f"/v3/roles/{plain}/implies/nothing").status == 404
    assert client.put(f"/v3/roles/nothing/implies/{plain}").status == 404
    assert client.get("/v3/roles/nothing/implies").status == 404


def test_a_deleted_role_implies_nothing(client: Caller) -> None:
    prior, implied = role(client, "prior-2"), role(client, "implied-2")
    assert client.put(f"/v3/roles/{prior}/implies/{implied}").status == 201
    assert client.delete(f"/v3/roles/{implied}").status == 204
    assert client.get(f"/v3/roles/{prior}/implies").json()["role_inference"]["implies"] == []
