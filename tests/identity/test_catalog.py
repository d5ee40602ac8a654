"""The catalog that comes with tokens, and the endpoint filter that chooses what of it a project sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.identity.domain import catalog
from cumulet.identity.domain.token_parts import Reader
from cumulet.identity.service import Identity
from tests.identity import make
from tests.identity.conftest import Caller, make_identity

FILTER = "/v3/OS-EP-FILTER"


@pytest.fixture
def empty(database_url: str, tmp_path: Path) -> Iterator[Identity]:
    """An Identity of the test's own: the catalog is of the whole cloud."""
    identity = make_identity(database_url, tmp_path)
    yield identity
    identity.db.close()


@pytest.fixture
def admin(empty: Identity) -> Caller:
    return Caller(empty, "admin")


@pytest.fixture
def entries(empty: Identity) -> Callable[..., list[dict[str, Any]]]:
    def ask(project_id: str | None = None, user_id: str | None = "ada", **rest: Any) -> list[dict[str, Any]]:
        with empty.db.read() as connection:
            return catalog.entries(connection, project_id, user_id, **rest)

    return ask


Ask = Callable[..., list[dict[str, Any]]]


def urls(found: list[dict[str, Any]]) -> list[str]:
    return sorted(endpoint["url"] for entry in found for endpoint in entry["endpoints"])


def test_an_entry_is_a_service_with_its_endpoints(admin: Caller, entries: Ask) -> None:
    make.region(admin, "north")
    service = make.service(admin, "oven", name="ceres")
    endpoint = make.endpoint(admin, service, region_id="north", url="http://oven")
    assert entries() == [
        {
            "id": service,
            "type": "oven",
            "name": "ceres",
            "endpoints": [
                {"id": endpoint, "interface": "public", "region": "north", "region_id": "north", "url": "http://oven"}
            ],
        }
    ]


def test_places_in_urls_are_filled_in(admin: Caller, entries: Ask) -> None:
    service = make.service(admin)
    for url in (
        "http://a/%(project_id)s",
        "http://b/$(tenant_id)s/x",
        "http://c/%(user_id)s",
        "$(public_endpoint)s/d",
        "http://e/$(compute_host)s",
        "http://f/100%%",
    ):
        if not url.startswith("$"):
            make.endpoint(admin, service, url=url)
    plain = ["http://a/p", "http://b/p/x", "http://c/ada", "http://f/100%"]
    assert urls(entries("p")) == plain
    assert urls(entries(None)) == plain[2:]
    assert urls(entries(None, None)) == plain[3:]


def test_what_is_disabled_is_left_out(admin: Caller, entries: Ask) -> None:
    service, other = make.service(admin), make.service(admin, enabled=False)
    make.endpoint(admin, service, url="http://on")
    off = make.endpoint(admin, service, url="http://off", enabled=False)
    make.endpoint(admin, other, url="http://not-at-all")
    assert urls(entries()) == ["http://on"]
    assert [entry["id"] for entry in entries()] == [service]
    admin.patch(f"/v3/endpoints/{off}", {"endpoint": {"enabled": True}})
    admin.patch(f"/v3/services/{other}", {"service": {"enabled": True}})
    assert urls(entries()) == ["http://not-at-all", "http://off", "http://on"]


def test_a_change_counts_from_the_next_token_on(admin: Caller, entries: Ask) -> None:
    service = make.service(admin)
    endpoint = make.endpoint(admin, service, url="http://old")
    assert urls(entries()) == ["http://old"]
    admin.patch(f"/v3/endpoints/{endpoint}", {"endpoint": {"url": "http://new"}})
    assert urls(entries()) == ["http://new"]
    admin.delete(f"/v3/endpoints/{endpoint}")
    assert urls(entries()) == []
    admin.delete(f"/v3/services/{service}")
    assert entries() == []


def test_a_filtered_project_gets_its_endpoints_alone(admin: Caller, empty: Identity, entries: Ask) -> None:
    project, free = (make.project(empty, make.domain(empty)) for _ in range(2))
    service, other = make.service(admin, "oven"), make.service(admin, "cellar")
    one, _, three = (make.endpoint(admin, service, url=f"http://{name}") for name in ("one", "two", "three"))
    make.endpoint(admin, other, url="http://cellar")
    for endpoint in (one, three):
        assert admin.put(f"{FILTER}/projects/{project}/endpoints/{endpoint}").status == 204
    assert urls(entries(project)) == ["http://one", "http://three"]
    assert [entry["type"] for entry in entries(project)] == ["oven"]
    assert len(urls(entries(free))) == len(urls(entries(None))) == 4
    assert entries(free, all_if_unfiltered=False) == []
    admin.patch(f"/v3/endpoints/{one}", {"endpoint": {"enabled": False}})
    assert urls(entries(project)) == ["http://three"]
    assert admin.delete(f"{FILTER}/projects/{project}/endpoints/{three}").status == 204
    assert entries(project) == []
    assert admin.delete(f"{FILTER}/projects/{project}/endpoints/{one}").status == 204
    assert len(urls(entries(project))) == 3


def test_a_project_gets_the_endpoints_of_its_groups(admin: Caller, empty: Identity, entries: Ask) -> None:
    project = make.project(empty, make.domain(empty))
    make.region(admin, "south")
    service, other = make.service(admin), make.service(admin)
    make.endpoint(admin, service, url="http://inside", interface="internal")
    make.endpoint(admin, service, url="http://inside-south", interface="internal", region_id="south")
    make.endpoint(admin, service, url="http://public")
    make.endpoint(admin, other, url="http://other", interface="internal")
    body = {"name": "inner", "filters": {"service_id": service, "interface": "internal"}}
    group = admin.post(f"{FILTER}/endpoint_groups", {"endpoint_group": body}).json()["endpoint_group"]["id"]
    assert admin.put(f"{FILTER}/endpoint_groups/{group}/projects/{project}").status == 204
    assert urls(entries(project)) == ["http://inside", "http://inside-south"]
    listed = admin.get(f"{FILTER}/projects/{project}/endpoints").json()["endpoints"]
    assert sorted(endpoint["url"] for endpoint in listed) == ["http://inside", "http://inside-south"]
    change = {"endpoint_group": {"filters": {"service_id": service, "region_id": None}}}
    assert admin.patch(f"{FILTER}/endpoint_groups/{group}", change).status == 200
    assert urls(entries(project)) == ["http://inside", "http://public"]
    assert admin.delete(f"{FILTER}/endpoint_groups/{group}").status == 204
    assert len(urls(entries(project))) == 4


def test_lists_are_cut_to_the_operators_limit(database_url: str, tmp_path: Path) -> None:
    identity = make_identity(database_url, tmp_path, "[DEFAULT]\nlist_limit = 2\n[role]\nlist_limit = 3\n")
    client = Caller(identity, "admin")
    for _ in range(4):
        make.service(client)
        make.role(client)
    services, roles = client.get("/v3/services").json(), client.get("/v3/roles").json()
    assert (len(services["services"]), services["truncated"]) == (2, True)
    assert (len(roles["roles"]), roles["truncated"]) == (3, True)
    assert "truncated" not in client.get("/v3/regions").json()
    identity.db.close()


def test_an_operator_may_give_nothing_to_projects_without_a_filter(database_url: str, tmp_path: Path) -> None:
    options = "[endpoint_filter]\nreturn_all_endpoints_if_no_filter = false\n"
    identity = make_identity(database_url, tmp_path, options)
    client = Caller(identity, "admin")
    make.endpoint(client, make.service(client))
    with Reader(identity, 0) as reader:
        assert reader.catalog("p", "ada")[0] == []
    identity.db.close()
