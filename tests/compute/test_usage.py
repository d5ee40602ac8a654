"""Usage reports: hours times size of servers, in pages of servers from microversion 2.40 on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.compute.support import Cloud

PATH = "/v2.1/os-simple-tenant-usage"


@pytest.fixture
def projects(running: Cloud) -> dict[str, list[str]]:
    """The ids of three servers of one project and two of another, in order, by project."""
    found: dict[str, list[str]] = {}
    for project, count in (("member", 3), ("other", 2)):
        made = [running.settled(running.boot(project)["id"]) for _ in range(count)]
        found[made[0]["tenant_id"]] = sorted(server["id"] for server in made)
    return dict(sorted(found.items()))


def report(cloud: Cloud, query: str = "", version: str = "2.40", status: int = 200) -> Any:
    since = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S")
    path, _, rest = query.partition("?")
    return cloud.json("GET", f"{PATH}{path}?start={since}&{rest}".rstrip("&"), "admin", version=version, status=status)


def servers_of(body: dict[str, Any]) -> dict[str, list[str]]:
    reports = body["tenant_usages"]
    return {one["tenant_id"]: [server["instance_id"] for server in one["server_usages"]] for one in reports}


def test_pages_hold_all_servers_once_and_in_order(running: Cloud, projects: dict[str, list[str]]) -> None:
    assert servers_of(report(running, "?detailed=1")) == projects
    everything = [server for ids in projects.values() for server in ids]
    body, found = report(running, "?detailed=1&limit=2"), []
    for _ in range(len(everything)):
        page = [server for ids in servers_of(body).values() for server in ids]
        assert len(page) <= 2
        found += page
        if "tenant_usages_links" not in body:
            break
        (link,) = body["tenant_usages_links"]
        assert link["rel"] == "next" and "detailed=1" in link["href"] and f"marker={page[-1]}" in link["href"]
        parts = urlsplit(link["href"])
        body = running.json("GET", f"{parts.path}?{parts.query}", "admin", version="2.40")
    assert found == everything


def test_a_page_sums_up_what_it_shows(running: Cloud, projects: dict[str, list[str]]) -> None:
    first = report(running, "?detailed=1&limit=1")["tenant_usages"]
    (only,) = first[0]["server_usages"]
    assert first[0]["total_hours"] == only["hours"] and first[0]["total_vcpus_usage"] == only["hours"] * only["vcpus"]
    assert "server_usages" not in report(running, "?limit=1")["tenant_usages"][0]


def test_one_project_has_pages_too(running: Cloud, projects: dict[str, list[str]]) -> None:
    project_id, servers = next((key, ids) for key, ids in projects.items() if len(ids) == 3)
    body = report(running, f"/{project_id}?limit=2")
    assert [one["instance_id"] for one in body["tenant_usage"]["server_usages"]] == servers[:2]
    assert f"/os-simple-tenant-usage/{project_id}?" in body["tenant_usage_links"][0]["href"]
    body = report(running, f"/{project_id}?limit=2&marker={servers[1]}")
    assert [one["instance_id"] for one in body["tenant_usage"]["server_usages"]] == servers[2:]
    assert "tenant_usage_links" not in body
    assert report(running, f"/{project_id}?marker={servers[2]}") == {"tenant_usage": {}}
    others = next(ids for key, ids in projects.items() if key != project_id)
    assert others[0] in str(report(running, f"/{project_id}?marker={others[0]}", status=400))


@pytest.mark.parametrize("query", ["?limit=-1", "?limit=a", "?marker=nobody"])
def test_what_no_page_has_is_refused_from_2_40_on(cloud: Cloud, query: str) -> None:
    assert query[1:].partition("=")[0] in str(report(cloud, query, status=400)).lower()
    assert report(cloud, query, version="2.39") == {"tenant_usages": []}


def test_before_2_40_there_are_no_pages(running: Cloud, projects: dict[str, list[str]]) -> None:
    body = report(running, "?detailed=1&limit=1", version="2.39")
    assert servers_of(body) == projects and "tenant_usages_links" not in body
    assert report(running, "?limit=0") == {"tenant_usages": []}


def test_a_report_that_nobody_gave_a_time_has_no_hours(running: Cloud, projects: dict[str, list[str]]) -> None:
    found = running.json("GET", PATH, "admin", version="2.40")["tenant_usages"]
    assert {one["tenant_id"]: one["total_hours"] for one in found} == dict.fromkeys(projects, 0.0)
    running.json("GET", f"{PATH}?end=2020-01-01T00:00:00", "admin", version="2.40", status=400)
