"""`/v3/regions`: a tree of names under which endpoints stand."""

from __future__ import annotations

import pytest

from tests.identity import make
from tests.identity.conftest import Caller


def test_a_region_is_created_shown_changed_and_deleted(client: Caller) -> None:
    made = client.post("/v3/regions", {"region": {"id": "north", "description": "cold", "power": "wind"}})
    assert made.status == 201
    region = made.json()["region"]
    assert region == {
        "id": "north",
        "description": "cold",
        "parent_region_id": None,
        "power": "wind",
        "links": {"self": "http://cloud.test:1/v3/regions/north"},
    }
    assert client.get("/v3/regions/north").json()["region"] == region
    changed = client.patch("/v3/regions/north", {"region": {"description": None, "power": "sun"}})
    assert changed.json()["region"] == {**region, "description": "", "power": "sun"}
    assert client.delete("/v3/regions/north").status == 204
    assert client.get("/v3/regions/north").status == client.delete("/v3/regions/north").status == 404


def test_ids_are_given_made_or_in_the_url(client: Caller) -> None:
    for body in ({}, {"id": ""}, {"id": None}):
        made = client.post("/v3/regions", {"region": body})
        assert len(made.json()["region"]["id"]) == 32
    assert client.put("/v3/regions/by-url", {"region": {"description": "d"}}).status == 201
    assert client.put("/v3/regions/by-url", {"region": {"description": "d"}}).status == 409
    assert client.post("/v3/regions", {"region": {"id": "by-url"}}).status == 409
    assert client.put("/v3/regions/one", {"region": {"id": "another"}}).status == 400
    assert client.patch("/v3/regions/by-url", {"region": {"id": "another"}}).status == 400
    assert client.patch("/v3/regions/by-url", {"region": {}}).status == 400


def test_regions_are_a_tree(client: Caller) -> None:
    for region, parent in (("root", None), ("twig", "root"), ("leaf", "twig")):
        body = {"region": {"id": region, "parent_region_id": parent}}
        assert client.post("/v3/regions", body).status == 201
    listed = client.get("/v3/regions?parent_region_id=root").json()["regions"]
    assert [region["id"] for region in listed] == ["twig"]
    for parent in ("leaf", "twig", "root"):
        refused = client.patch("/v3/regions/root", {"region": {"parent_region_id": parent}})
        assert refused.status == 400
        assert "circular" in refused.json()["error"]["message"]
    unknown = {"region": {"id": "x", "parent_region_id": "nowhere"}}
    assert client.post("/v3/regions", unknown).status == 404
    assert client.patch("/v3/regions/leaf", {"region": {"parent_region_id": "nowhere"}}).status == 404
    assert client.patch("/v3/regions/leaf", {"region": {"parent_region_id": "root"}}).status == 200


def test_a_region_goes_with_those_below_it_but_not_under_endpoints(client: Caller) -> None:
    for region, parent in (("upper", None), ("lower", "upper")):
        client.post("/v3/regions", {"region": {"id": region, "parent_region_id": parent}})
    endpoint = make.endpoint(client, make.service(client), region_id="lower")
    refused = client.delete("/v3/regions/upper")
    assert refused.status == 403
    assert "associated endpoints" in refused.json()["error"]["message"]
    client.delete(f"/v3/endpoints/{endpoint}")
    assert client.delete("/v3/regions/upper").status == 204
    assert client.get("/v3/regions/lower").status == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "region"),
        ({"region": {"id": 5}}, "id"),
        ({"region": {"id": "x" * 256}}, "id"),
        ({"region": {"parent_region_id": ""}}, "parent_region_id"),
        ({"region": {"description": "x" * 256}}, "description"),
        ({"region": {"description": 5}}, "description"),
    ],
)
def test_bad_bodies(client: Caller, body: object, field: str) -> None:
    refused = client.post("/v3/regions", body)
    assert refused.status == 400
    assert field in refused.json()["error"]["message"]


def test_everybody_sees_and_administrators_change(client: Caller) -> None:
    member = client.as_("member")
    assert member.get("/v3/regions").status == 200
    assert member.post("/v3/regions", {"region": {}}).status == 403
    assert client.as_("nobody").get("/v3/regions").status == 401
    assert client.get("/v3/regions?something=else").status == 400
