"""`/v3/OS-EP-FILTER`: endpoints and groups of them, given to projects."""

from __future__ import annotations

from typing import Any

import pytest

from cumulet.identity.service import Identity
from tests.identity import make
from tests.identity.conftest import Caller

FILTER = "/v3/OS-EP-FILTER"
GROUPS = f"{FILTER}/endpoint_groups"


def group(client: Caller, **filters: Any) -> str:
    body = {"endpoint_group": {"name": "some", "filters": filters or {"interface": "admin"}}}
    made = client.post(GROUPS, body)
    assert made.status == 201, made.body
    return str(made.json()["endpoint_group"]["id"])


def test_a_group_is_created_shown_changed_and_deleted(client: Caller) -> None:
    body = {"name": "mine", "description": "of me", "filters": {"interface": "public", "region_id": None}}
    made = client.post(GROUPS, {"endpoint_group": body})
    assert made.status == 201
    shown = made.json()["endpoint_group"]
    path = f"{GROUPS}/{shown['id']}"
    assert shown == {**body, "id": shown["id"], "links": {"self": f"http://cloud.test:1{path}"}}
    assert client.get(path).json()["endpoint_group"] == shown
    assert [one["id"] for one in client.get(f"{GROUPS}?name=mine").json()["endpoint_groups"]] == [shown["id"]]
    changed = client.patch(path, {"endpoint_group": {"name": "yours", "filters": {"service_id": "s"}}})
    assert changed.json()["endpoint_group"] == {**shown, "name": "yours", "filters": {"service_id": "s"}}
    assert client.delete(path).status == 204
    missing = client.get(path)
    assert missing.status == client.delete(path).status == 404
    assert missing.json()["error"]["message"] == f"Could not find Endpoint Group: {shown['id']}."


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"endpoint_group": {"name": "x"}}, "filters"),
        ({"endpoint_group": {"filters": {"interface": "public"}}}, "name"),
        ({"endpoint_group": {"name": "x", "filters": {}}}, "filters"),
        ({"endpoint_group": {"name": "x", "filters": []}}, "filters"),
        ({"endpoint_group": {"name": "x", "filters": {"interface": "outside"}}}, "interface"),
        ({"endpoint_group": {"name": "x", "filters": {"enabled": True}}}, "enabled"),
        ({"endpoint_group": {"name": "x", "filters": {"region_id": 5}}}, "region_id"),
        ({"endpoint_group": {"name": "x", "filters": {"service_id": "s"}, "more": 1}}, "more"),
        ({}, "endpoint_group"),
    ],
)
def test_bad_bodies(client: Caller, body: object, field: str) -> None:
    refused = client.post(GROUPS, body)
    assert refused.status == 400
    assert field in refused.json()["error"]["message"]


def test_bad_changes_and_queries(client: Caller) -> None:
    path = f"{GROUPS}/{group(client)}"
    assert client.patch(path, {"endpoint_group": {}}).status == 400
    assert client.patch(path, {"endpoint_group": {"filters": {}}}).status == 400
    assert client.patch(path, {"endpoint_group": {"id": "x"}}).status == 400
    assert client.patch(f"{GROUPS}/nothing", {"endpoint_group": {"name": "x"}}).status == 404
    assert client.get(f"{GROUPS}?something=else").status == 400
    assert client.get(f"{GROUPS}/nothing/endpoints").status == client.get(f"{GROUPS}/nothing/projects").status == 404


def test_groups_of_projects(client: Caller, identity: Identity) -> None:
    project = make.project(identity, make.domain(identity))
    service = make.service(client)
    endpoint = make.endpoint(client, service)
    group_id = group(client, service_id=service)
    path = f"{GROUPS}/{group_id}/projects/{project}"
    assert client.get(path).status == client.delete(path).status == 404
    assert client.put(path).status == 204
    assert client.put(path).status == 409
    pair = {"endpoint_group_id": group_id, "project_id": project}
    assert client.get(path).json()["project_endpoint_group"] == {
        **pair,
        "links": {"self": f"http://cloud.test:1{path}"},
    }
    assert [one["id"] for one in client.get(f"{GROUPS}/{group_id}/projects").json()["projects"]] == [project]
    assert [one["id"] for one in client.get(f"{GROUPS}/{group_id}/endpoints").json()["endpoints"]] == [endpoint]
    listed = client.get(f"{FILTER}/projects/{project}/endpoint_groups").json()["endpoint_groups"]
    assert [one["id"] for one in listed] == [group_id]
    for unknown in (f"{GROUPS}/nothing/projects/{project}", f"{GROUPS}/{group_id}/projects/nothing"):
        assert client.put(unknown).status == client.get(unknown).status == client.delete(unknown).status == 404
    assert client.delete(path).status == 204
    assert client.get(f"{GROUPS}/{group_id}/projects").json()["projects"] == []


def test_endpoints_of_projects(client: Caller, identity: Identity) -> None:
    project = make.project(identity, make.domain(identity))
    endpoint = make.endpoint(client, make.service(client))
    path = f"{FILTER}/projects/{project}/endpoints/{endpoint}"
    missing = client.get(path)
    assert missing.status == client.delete(path).status == client.head(path).status == 404
    assert missing.json()["error"]["message"] == f"Endpoint {endpoint} not found in project {project}"
    assert client.put(path).status == 204
    assert client.put(path).status == 409
    assert client.get(path).status == client.head(path).status == 204
    assert [one["id"] for one in client.get(f"{FILTER}/endpoints/{endpoint}/projects").json()["projects"]] == [project]
    assert [one["id"] for one in client.get(f"{FILTER}/projects/{project}/endpoints").json()["endpoints"]] == [endpoint]
    for unknown in (
        f"{FILTER}/projects/nothing/endpoints/{endpoint}",
        f"{FILTER}/projects/{project}/endpoints/nothing",
    ):
        assert client.put(unknown).status == client.get(unknown).status == client.delete(unknown).status == 404
    assert client.get(f"{FILTER}/projects/nothing/endpoints").status == 404
    assert client.get(f"{FILTER}/projects/nothing/endpoint_groups").status == 404
    assert client.get(f"{FILTER}/endpoints/nothing/projects").status == 404
    client.delete(f"/v3/endpoints/{endpoint}")
    assert client.get(f"{FILTER}/projects/{project}/endpoints").json()["endpoints"] == []


def test_who_may_do_what(client: Caller, identity: Identity) -> None:
    project = make.project(identity, make.domain(identity))
    reader, member = client.as_("system_reader"), client.as_("member")
    path = f"{GROUPS}/{group(client)}"
    assert reader.get(path).status == reader.get(f"{path}/projects").status == 200
    assert reader.get(f"{FILTER}/projects/{project}/endpoints").status == 200
    assert reader.put(f"{path}/projects/{project}").status == reader.delete(path).status == 403
    assert member.get(path).status == member.get(f"{FILTER}/projects/{project}/endpoints").status == 403
