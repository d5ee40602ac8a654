"""`/v3/services`: what the catalog names."""

from __future__ import annotations

import pytest

from tests.identity import make
from tests.identity.conftest import Caller


def test_a_service_is_created_shown_changed_and_deleted(client: Caller) -> None:
    body = {"type": "oven", "name": "ceres", "description": "bakes", "colour": "brown"}
    made = client.post("/v3/services", {"service": body})
    assert made.status == 201
    service = made.json()["service"]
    path = f"/v3/services/{service['id']}"
    assert service == {
        **body,
        "id": service["id"],
        "enabled": True,
        "links": {"self": "http://cloud.test:1" + path},
    }
    assert client.get(path).json()["service"] == service
    changed = client.patch(path, {"service": {"type": "stove", "enabled": False, "colour": None}})
    assert changed.json()["service"] == {**service, "type": "stove", "enabled": False, "colour": None}
    assert client.delete(path).status == 204
    assert client.get(path).status == client.delete(path).status == 404
    assert client.patch(path, {"service": {"type": "x"}}).status == 404


def test_a_service_without_name_or_description(client: Caller) -> None:
    service = client.get(f"/v3/services/{make.service(client, name=None)}").json()["service"]
    assert service["name"] == ""
    assert "description" not in service


def test_filters(client: Caller) -> None:
    one = make.service(client, "filter-a", name="filtered")
    two = make.service(client, "filter-b", name="filtered")

    def listed(query: str) -> list[str]:
        return [service["id"] for service in client.get(f"/v3/services?{query}").json()["services"]]

    assert sorted(listed("name=filtered")) == sorted([one, two])
    assert listed("name=filtered&type=filter-b") == [two]
    assert listed("type__startswith=filter-&name__icontains=TERED&type__endswith=a") == [one]
    assert listed("type=") == []


def test_endpoints_go_with_their_service(client: Caller) -> None:
    service = make.service(client)
    endpoint = make.endpoint(client, service)
    assert client.delete(f"/v3/services/{service}").status == 204
    assert client.get(f"/v3/endpoints/{endpoint}").status == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "service"),
        ({"service": {"name": "x"}}, "type"),
        ({"service": {"type": ""}}, "type"),
        ({"service": {"type": "x", "name": ""}}, "name"),
        ({"service": {"type": "x", "name": None}}, "name"),
        ({"service": {"type": "x", "enabled": "no"}}, "enabled"),
        ({"service": {"type": "x", "description": 5}}, "description"),
    ],
)
def test_bad_bodies(client: Caller, body: object, field: str) -> None:
    refused = client.post("/v3/services", body)
    assert refused.status == 400
    assert field in refused.json()["error"]["message"]


def test_an_update_needs_something_and_keeps_the_id(client: Caller) -> None:
    path = f"/v3/services/{make.service(client)}"
    assert client.patch(path, {"service": {}}).status == 400
    assert client.patch(path, {"service": {"id": "another"}}).status == 400


def test_who_may_do_what(client: Caller) -> None:
    path = f"/v3/services/{make.service(client)}"
    assert client.as_("system_reader").get(path).status == 200
    assert client.as_("system_reader").delete(path).status == 403
    assert client.as_("member").get("/v3/services").status == 403
