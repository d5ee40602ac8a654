"""`/v3/limits`: what one project or one domain may have, and how the two go together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.identity.service import Identity
from tests.identity import make
from tests.identity.conftest import Caller, make_identity

PATH = "/v3/limits"


class Bakery:
    """A service with a registered limit of ten loaves, a domain and a project in it."""

    def __init__(self, client: Caller, default: int = 10) -> None:
        self.client = client
        self.service = make.service(client)
        self.domain = make.domain(client.identity)
        self.project = make.project(client.identity, self.domain)
        registered = {"service_id": self.service, "resource_name": "loaves", "default_limit": default}
        made = client.post("/v3/registered_limits", {"registered_limits": [registered]})
        assert made.status == 201

    def body(self, **fields: Any) -> dict[str, Any]:
        return {"service_id": self.service, "resource_name": "loaves", "resource_limit": 5, **fields}

    def post(self, *given: dict[str, Any]) -> Any:
        return self.client.post(PATH, {"limits": list(given)})


@pytest.fixture
def bakery(client: Caller) -> Bakery:
    return Bakery(client)


def test_a_limit_is_created_shown_changed_and_deleted(client: Caller, bakery: Bakery) -> None:
    made = bakery.post(bakery.body(project_id=bakery.project))
    assert made.status == 201
    (limit,) = made.json()["limits"]
    path = f"{PATH}/{limit['id']}"
    assert limit == {
        "id": limit["id"],
        "project_id": bakery.project,
        "domain_id": None,
        "service_id": bakery.service,
        "region_id": None,
        "resource_name": "loaves",
        "resource_limit": 5,
        "description": None,
        "links": {"self": f"http://cloud.test:1{path}"},
    }
    assert client.get(path).json()["limit"] == limit
    changed = client.patch(path, {"limit": {"resource_limit": -1, "description": "as many as they like"}})
    assert changed.json()["limit"] == {**limit, "resource_limit": -1, "description": "as many as they like"}
    assert client.patch(path, {"limit": {}}).status == 200
    assert client.delete(path).status == 204
    missing = client.get(path)
    assert missing.status == client.delete(path).status == 404
    assert missing.json()["error"]["message"] == f"Could not find limit for {limit['id']}."
    assert client.patch(path, {"limit": {"resource_limit": 1}}).status == 404


def test_a_limit_is_of_a_project_or_of_a_domain(bakery: Bakery) -> None:
    of_domain = bakery.post(bakery.body(domain_id=bakery.domain)).json()["limits"][0]
    assert (of_domain["domain_id"], of_domain["project_id"]) == (bakery.domain, None)
    assert bakery.post(bakery.body(project_id=bakery.domain)).status == 409
    assert bakery.post(bakery.body(project_id=bakery.project)).status == 201
    assert bakery.post(bakery.body(project_id=bakery.project)).status == 409
    for owners in (
        {},
        {"project_id": bakery.project, "domain_id": bakery.domain},
        {"project_id": bakery.project, "domain_id": None},
        {"project_id": None},
    ):
        refused = bakery.post(bakery.body(**owners))
        assert refused.status == 400
        assert "project_id" in refused.json()["error"]["message"]


def test_there_is_no_limit_without_a_registered_one(bakery: Bakery) -> None:
    refused = bakery.post(bakery.body(project_id=bakery.project, resource_name="rolls"))
    assert refused.status == 403
    assert refused.json()["error"]["message"] == (
        "Unable to create a limit that has no corresponding registered limit."
    )
    make.region(bakery.client, "meadow-" + bakery.domain)
    assert bakery.post(bakery.body(project_id=bakery.project, region_id="meadow-" + bakery.domain)).status == 403


def test_all_or_none_are_created(client: Caller, bakery: Bakery) -> None:
    refused = bakery.post(bakery.body(project_id=bakery.project), bakery.body(project_id="nothing"))
    assert refused.status == 400
    assert client.get(f"{PATH}?project_id={bakery.project}").json()["limits"] == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"service_id": "nothing"}, "service_id"),
        ({"region_id": "nowhere"}, "region_id"),
        ({"project_id": "nothing"}, "project_id"),
        ({"project_id": "no/thing"}, "project_id"),
        ({"resource_limit": -2}, "resource_limit"),
        ({"resource_limit": 2**31}, "resource_limit"),
        ({"resource_limit": None}, "resource_limit"),
        ({"resource_name": ""}, "resource_name"),
        ({"more": 1}, "more"),
    ],
)
def test_bad_bodies(bakery: Bakery, changes: dict[str, Any], field: str) -> None:
    refused = bakery.post({**bakery.body(project_id=bakery.project), **changes})
    assert refused.status == 400
    assert field in refused.json()["error"]["message"]


def test_bad_changes(client: Caller, bakery: Bakery) -> None:
    path = f"{PATH}/{bakery.post(bakery.body(project_id=bakery.project)).json()['limits'][0]['id']}"
    for changes in ({"resource_limit": -2}, {"resource_name": "rolls"}, {"project_id": "other"}):
        assert client.patch(path, {"limit": changes}).status == 400
    assert bakery.post().status == 400


def test_who_sees_what(client: Caller, identity: Identity, bakery: Bakery) -> None:
    other = make.project(identity, bakery.domain)
    for owner in ({"domain_id": bakery.domain}, {"project_id": bakery.project}, {"project_id": other}):
        assert bakery.post(bakery.body(**owner)).status == 201
    listed = {
        limit["project_id"]: limit["id"] for limit in client.get(f"{PATH}?service_id={bakery.service}").json()["limits"]
    }
    assert set(listed) == {None, bakery.project, other}

    def seen(caller: Caller) -> set[str | None]:
        return {limit["project_id"] for limit in caller.get(f"{PATH}?service_id={bakery.service}").json()["limits"]}

    mine = client.as_("l" + bakery.project, roles=("member",), project_id=bakery.project)
    assert seen(mine) == {bakery.project}
    assert mine.get(f"{PATH}/{listed[bakery.project]}").status == 200
    assert mine.get(f"{PATH}/{listed[other]}").status == mine.get(f"{PATH}/{listed[None]}").status == 403
    assert mine.get(f"{PATH}/nothing").status == 403
    assert mine.delete(f"{PATH}/{listed[bakery.project]}").status == 403
    of_domain = client.as_("l" + bakery.domain, roles=("reader",), domain_id=bakery.domain)
    assert seen(of_domain) == {None, bakery.project, other}
    assert all(of_domain.get(f"{PATH}/{limit}").status == 200 for limit in listed.values())
    stranger = client.as_("s" + bakery.domain, roles=("reader",), domain_id=make.domain(identity))
    assert seen(stranger) == set()
    assert stranger.get(f"{PATH}/{listed[None]}").status == 403
    for caller in ("service", "system_reader"):
        assert len(seen(client.as_(caller))) == 3


def test_the_model(client: Caller) -> None:
    assert client.as_("member").get("/v3/limits/model").json() == {
        "model": {
            "name": "flat",
            "description": "Limit enforcement and validation does not take project hierarchy into consideration.",
        }
    }


@pytest.fixture
def strict(database_url: str, tmp_path: Path) -> Iterator[Caller]:
    identity = make_identity(database_url, tmp_path, "[unified_limit]\nenforcement_model = strict_two_level\n")
    yield Caller(identity, "admin")
    identity.db.close()


def test_two_strict_levels(strict: Caller) -> None:
    assert strict.get("/v3/limits/model").json()["model"]["name"] == "strict_two_level"
    bakery = Bakery(strict)
    over_default = bakery.post(bakery.body(project_id=bakery.project, resource_limit=11))
    assert over_default.status == 403
    assert "doesn't satisfy current hierarchy model" in over_default.json()["error"]["message"]
    both = (
        bakery.body(project_id=bakery.project, resource_limit=15),
        bakery.body(domain_id=bakery.domain, resource_limit=20),
    )
    of_project, of_domain = (limit["id"] for limit in bakery.post(*both).json()["limits"])
    assert strict.patch(f"{PATH}/{of_project}", {"limit": {"resource_limit": 21}}).status == 403
    assert strict.patch(f"{PATH}/{of_domain}", {"limit": {"resource_limit": 14}}).status == 403
    assert strict.patch(f"{PATH}/{of_domain}", {"limit": {"resource_limit": 15}}).status == 200
    assert strict.get(f"{PATH}/{of_project}").json()["limit"]["resource_limit"] == 15
