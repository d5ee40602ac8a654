"""`/v3/projects/{id}/tags`, and finding projects by them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from cumulet.kernel.ids import hex_id
from tests.identity.conftest import Caller
from tests.identity.resources import make

pytestmark = pytest.mark.usefixtures("default_domain")


def _message(answer: Any) -> str:
    return str(answer.json()["error"]["message"])


def test_tags_are_added_checked_replaced_and_removed(client: Caller) -> None:
    path = f"/v3/projects/{make(client, 'project')['id']}/tags"
    added = client.put(f"{path}/web%20tier")
    assert (added.status, added.body) == (201, b"")
    assert client.get(f"{path}/web%20tier").status == client.head(f"{path}/web%20tier").status == 204
    assert client.get(path).json() == {"links": {"self": f"http://cloud.test:1{path}"}, "tags": ["web tier"]}
    replaced = client.put(path, {"tags": ["b", " a "]})
    assert (replaced.status, replaced.json()["tags"]) == (200, ["a", "b"])
    assert client.delete(f"{path}/b").status == 204
    assert _message(client.delete(f"{path}/b")) == "Could not find project tag: b."
    assert _message(client.get(f"{path}/b")) == "Could not find project tag: b."
    assert client.get(path).json()["tags"] == ["a"]
    assert client.delete(path).status == 204
    assert client.get(path).json()["tags"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"tags": ["a", "a"]},
        {"tags": ["a", " a"]},
        {"tags": "a"},
        {"tags": [1]},
        {"tags": ["a/b"]},
        {"tags": ["a,b"]},
        {"tags": [""]},
        {"tags": ["x" * 256]},
        {"tags": [f"t{number}" for number in range(81)]},
        {},
        [],
        {"tags": ["a"], "other": 1},
    ],
)
def test_bad_tags_are_refused(client: Caller, body: Any) -> None:
    path = f"/v3/projects/{make(client, 'project', tags=['kept'])['id']}/tags"
    assert client.put(path, body).status == 400
    assert client.get(path).json()["tags"] == ["kept"]


@pytest.mark.parametrize("tag", ["a,b", "x" * 256, "kept"])
def test_a_bad_tag_is_not_added(client: Caller, tag: str) -> None:
    path = f"/v3/projects/{make(client, 'project', tags=['kept'])['id']}/tags"
    assert client.put(f"{path}/{tag}").status == 400
    assert client.get(path).json()["tags"] == ["kept"]


def test_a_project_has_eighty_tags_at_most(client: Caller) -> None:
    path = f"/v3/projects/{make(client, 'project', tags=[f't{number}' for number in range(79)])['id']}/tags"
    assert client.put(f"{path}/last").status == 201
    assert client.put(f"{path}/too-many").status == 400


def test_the_project_must_be_there_and_mutable(client: Caller) -> None:
    assert client.get("/v3/projects/nope/tags").status == 404
    assert client.put("/v3/projects/nope/tags/x").status == 404
    project = make(client, "project", tags=["a"], options={"immutable": True})["id"]
    path = f"/v3/projects/{project}/tags"
    for refused, verb in (
        (client.put(f"{path}/b"), "create"),
        (client.put(path, {"tags": ["b"]}), "update"),
        (client.delete(path), "update"),
        (client.delete(f"{path}/a"), "delete"),
    ):
        assert refused.status == 403
        assert _message(refused).startswith(f"Cannot {verb} project tags for {project}, project is immutable.")
    assert client.get(path).json()["tags"] == ["a"]


def test_projects_are_found_by_tags(client: Caller) -> None:
    domain, prefix = make(client, "domain")["id"], hex_id()[:8]
    a, b, c = f"{prefix}a", f"{prefix}b", f"{prefix}c"
    ab = make(client, "project", domain_id=domain, tags=[a, b])["id"]
    bc = make(client, "project", domain_id=domain, tags=[b, c])["id"]
    none = make(client, "project", domain_id=domain)["id"]

    def ids(query: str) -> list[str]:
        found = client.get(f"/v3/projects?domain_id={domain}&{query}").json()["projects"]
        return sorted(each["id"] for each in found)

    assert ids(f"tags={a}") == ids(f"tags={a},{b}") == [ab]
    assert ids(f"tags={a},{c}") == []
    assert ids(f"tags-any={a},{c}") == sorted([ab, bc])
    assert ids(f"not-tags={a},{b}") == sorted([bc, none])
    assert ids(f"not-tags-any={a},{c}") == [none]
    assert ids(f"tags={b}&not-tags={a}") == [bc]
    assert ids("tags=") == []
    assert ids(f"tags={quote(b + ',' + b)}") == sorted([ab, bc])
    page = client.get(f"/v3/projects?domain_id={domain}&tags={b}&limit=1").json()
    assert [each["id"] for each in page["projects"]] == [min(ab, bc)]
    assert [each["tags"] for each in page["projects"]] == [[a, b] if ab < bc else [b, c]]


def test_tags_are_shown_in_long_lists(client: Caller) -> None:
    domain = make(client, "domain")["id"]
    expected = {}
    for number in range(60):
        tags = [f"n{number}", "every"] if number % 7 == 0 else []
        expected[make(client, "project", domain_id=domain, tags=tags)["id"]] = sorted(tags)
    found = client.get(f"/v3/projects?domain_id={domain}").json()["projects"]
    assert {each["id"]: each["tags"] for each in found} == expected


def test_who_may(client: Caller) -> None:
    domain = make(client, "domain")["id"]
    mine, other = make(client, "project", domain_id=domain)["id"], make(client, "project")["id"]
    worker = client.as_("t-worker", roles=("member",), project_id=mine)
    reader = client.as_("t-reader", roles=("reader",), domain_id=domain)
    manager = client.as_("t-manager", roles=("manager",), domain_id=domain)
    for viewer in (worker, reader):
        assert viewer.get(f"/v3/projects/{mine}/tags").status == 200
        assert viewer.get(f"/v3/projects/{other}/tags").status == 403
        assert viewer.put(f"/v3/projects/{mine}/tags/x").status == 403
    assert manager.put(f"/v3/projects/{mine}/tags/x").status == 201
    assert manager.delete(f"/v3/projects/{mine}/tags").status == 204
    assert manager.put(f"/v3/projects/{other}/tags/x").status == 403
