"""Pages of lists: `limit`, `marker`, the operator's `list_limit`, `truncated` and the link to the next page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from tests.identity.conftest import Caller, make_identity
from tests.identity.resources import make

KINDS = ("domain", "project", "user", "group")


@pytest.fixture(scope="module")
def many(client: Caller, default_domain: str) -> dict[str, list[str]]:
    """The ids of seven things of each kind, under names that begin with `page`."""
    return {
        kind: sorted(make(client, kind, name=f"page & {kind} {number}")["id"] for number in range(7)) for kind in KINDS
    }


def _walk(client: Caller, kind: str, path: str) -> Iterator[list[str]]:
    while path:
        page = client.get(path).json()
        yield [each["id"] for each in page[f"{kind}s"]]
        following = page["links"]["next"]
        assert bool(following) is page.get("truncated", False)
        path = (following or "").removeprefix("http://cloud.test:1")


@pytest.mark.parametrize("kind", KINDS)
def test_pages_follow_each_other(client: Caller, many: dict[str, list[str]], kind: str) -> None:
    path = f"/v3/{kind}s?name__startswith=page%20%26%20{kind}&limit=3"
    pages = list(_walk(client, kind, path))
    assert pages == [many[kind][:3], many[kind][3:6], many[kind][6:]]
    assert client.get(path).json()["links"]["self"] == f"http://cloud.test:1{path}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_last_page_that_is_full_says_so(client: Caller, many: dict[str, list[str]], kind: str) -> None:
    page = client.get(f"/v3/{kind}s?name__startswith=page&limit=7").json()
    assert len(page[f"{kind}s"]) == 7
    assert "truncated" not in page
    assert page["links"]["next"] is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_marker_is_an_id(client: Caller, many: dict[str, list[str]], kind: str) -> None:
    found = client.get(f"/v3/{kind}s?name__startswith=page&marker={many[kind][4]}").json()[f"{kind}s"]
    assert [each["id"] for each in found] == many[kind][5:]
    refused = client.get(f"/v3/{kind}s?marker=nope")
    assert (refused.status, refused.json()["error"]["message"]) == (404, "Marker nope could not be found.")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", ["abc", "-1", "1.5", "", "1" * 30, "%C2%B2"])
def test_a_limit_is_a_number(client: Caller, default_domain: str, kind: str, limit: str) -> None:
    refused = client.get(f"/v3/{kind}s?limit={limit}")
    assert refused.status == 400
    assert "limit" in refused.json()["error"]["message"]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_may_be_asked_for(client: Caller, many: dict[str, list[str]], kind: str) -> None:
    page = client.get(f"/v3/{kind}s?limit=0").json()
    assert page[f"{kind}s"] == []
    assert page["truncated"] is True


@pytest.fixture(scope="module")
def bounded(module_migrated_urls: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """An Identity whose operator bounds lists: users and groups to 2, others to 4, a client's limit to 3."""
    conf = "list_limit = 2\n[DEFAULT]\nlist_limit = 4\nmax_db_limit = 3"
    identity = make_identity(module_migrated_urls("identity"), tmp_path_factory.mktemp("bounded"), conf)
    client = Caller(identity, "admin")
    domain = make(client, "domain")["id"]
    for _ in range(6):
        make(client, "domain")
        for kind in ("project", "user", "group"):
            make(client, kind, domain_id=domain)
    yield client
    identity.db.close()


@pytest.mark.parametrize(
    ("kind", "query", "size"),
    [
        ("user", "", 2),
        ("user", "?limit=1", 1),
        ("user", "?limit=5", 2),
        ("group", "", 2),
        ("project", "", 4),
        ("project", "?limit=5", 3),
        ("domain", "", 4),
        ("domain", "?limit=2", 2),
    ],
)
def test_the_operator_bounds_lists(bounded: Caller, kind: str, query: str, size: int) -> None:
    page = bounded.get(f"/v3/{kind}s{query}").json()
    assert len(page[f"{kind}s"]) == size
    assert page["truncated"] is True
    last = page[f"{kind}s"][-1]["id"]
    assert page["links"]["next"] == f"http://cloud.test:1/v3/{kind}s?limit={size}&marker={last}"


def test_a_list_is_as_many_queries_whatever_its_length(client: Caller, many: dict[str, list[str]]) -> None:
    statements: list[str] = []
    engines = client.identity.db.engines
    count = lambda *arguments: statements.append(arguments[2])  # noqa: E731
    for engine in engines:
        sa.event.listen(engine, "before_cursor_execute", count)
    try:
        for kind, most in (("user", 1), ("group", 1), ("project", 2), ("domain", 2)):
            for query in ("", "?limit=1", "?name__startswith=page&domain_id=default"):
                statements.clear()
                assert client.get(f"/v3/{kind}s{query}").status == 200
                assert 0 < len(statements) <= most, statements
    finally:
        for engine in engines:
            sa.event.remove(engine, "before_cursor_execute", count)
