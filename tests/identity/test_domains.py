"""`/v3/domains`: the namespaces of everything else in Identity."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from cumulet.identity import tables
from cumulet.kernel.ids import hex_id
from tests.identity.conftest import Caller
from tests.identity.resources import make

pytestmark = pytest.mark.usefixtures("default_domain")


def test_a_domain_is_created_shown_changed_and_deleted(client: Caller) -> None:
    name = hex_id()
    made = client.post("/v3/domains", {"domain": {"name": f"  {name} ", "team": "blue", "tags": ["b", "a"]}})
    assert made.status == 201
    shown = made.json()["domain"]
    assert shown == {
        "id": shown["id"],
        "name": name,
        "description": "",
        "enabled": True,
        "tags": ["a", "b"],
        "options": {},
        "team": "blue",
        "links": {"self": f"http://cloud.test:1/v3/domains/{shown['id']}"},
    }
    path = f"/v3/domains/{shown['id']}"
    assert client.get(path).json()["domain"] == shown
    changed = client.patch(path, {"domain": {"description": "mine", "team": None, "enabled": "off", "id": "ignored"}})
    assert changed.json()["domain"] == {**shown, "description": "mine", "team": None, "enabled": False}
    assert client.delete(path).status == 204
    assert client.get(path).json()["error"]["message"] == f"Could not find domain: {shown['id']}."


def test_a_domain_is_a_project_too(client: Caller) -> None:
    domain_id = make(client, "domain")["id"]
    shown = client.get(f"/v3/projects/{domain_id}").json()["project"]
    assert (shown["is_domain"], shown["domain_id"], shown["parent_id"]) == (True, None, None)
    client.patch(f"/v3/projects/{domain_id}", {"project": {"description": "as a project"}})
    assert client.get(f"/v3/domains/{domain_id}").json()["domain"]["description"] == "as a project"
    project_id = make(client, "project", domain_id=domain_id)["id"]
    for method in ("GET", "PATCH", "DELETE"):
        body = {"domain": {"description": "x"}} if method == "PATCH" else None
        assert client.request(method, f"/v3/domains/{project_id}", json=body).status == 404


def test_names_are_single(client: Caller) -> None:
    taken, other = make(client, "domain"), make(client, "domain")
    message = (
        "Conflict occurred attempting to store project - it is not permitted to have two projects acting as domains "
        f"with the same name: {taken['name']}."
    )
    for refused in (
        client.post("/v3/domains", {"domain": {"name": taken["name"]}}),
        client.patch(f"/v3/domains/{other['id']}", {"domain": {"name": taken["name"]}}),
        client.post("/v3/projects", {"project": {"name": taken["name"], "is_domain": True}}),
    ):
        assert (refused.status, refused.json()["error"]["message"]) == (409, message)


def test_names_are_found_in_any_case_and_differ_in_more(client: Caller) -> None:
    name = f"Team-{hex_id()}"
    domain = client.post("/v3/domains", {"domain": {"name": name}}).json()["domain"]
    assert [one["id"] for one in client.get(f"/v3/domains?name={name.lower()}").json()["domains"]] == [domain["id"]]
    assert client.post("/v3/domains", {"domain": {"name": name.upper()}}).status == 409
    other = make(client, "domain")["id"]
    assert client.patch(f"/v3/domains/{other}", {"domain": {"name": name.upper()}}).status == 409
    renamed = client.patch(f"/v3/domains/{domain['id']}", {"domain": {"name": name.upper()}})
    assert (renamed.status, renamed.json()["domain"]["name"]) == (200, name.upper())


def test_an_operator_may_choose_the_id(client: Caller) -> None:
    chosen = hex_id()
    made = client.post("/v3/domains", {"domain": {"name": hex_id(), "explicit_domain_id": chosen}})
    assert made.json()["domain"]["id"] == chosen
    assert client.post("/v3/domains", {"domain": {"name": hex_id(), "explicit_domain_id": "short"}}).status == 400
    assert client.post("/v3/domains", {"domain": {"name": hex_id(), "explicit_domain_id": chosen}}).status == 409


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"domain": {"name": ""}}, "name"),
        ({"domain": {"name": "  "}}, "name"),
        ({"domain": {"name": "x" * 65}}, "name"),
        ({"domain": {"name": "a\0b"}}, "name"),
        ({"domain": {"name": 1}}, "name"),
        ({"domain": {}}, "name"),
        ({"domain": {"name": "x", "enabled": "foo"}}, "enabled"),
        ({"domain": {"name": "x", "enabled": None}}, "enabled"),
        ({"domain": {"name": "x", "description": 7}}, "description"),
        ({"domain": {"name": "x", "description": "x" * 256}}, "description"),
        ({"domain": {"name": "x", "options": {"foo": True}}}, "foo"),
        ({"domain": {"name": "x", "tags": ["a,b"]}}, "tags"),
        ({"domain": {"name": "x"}, "other": 1}, "other"),
        ({"domains": {"name": "x"}}, "domain"),
        ([], "object"),
    ],
)
def test_bad_bodies_are_refused_naming_the_field(client: Caller, body: Any, field: str) -> None:
    refused = client.post("/v3/domains", body)
    assert refused.status == 400
    assert field in refused.json()["error"]["message"]


def test_an_update_needs_something(client: Caller) -> None:
    path = f"/v3/domains/{make(client, 'domain')['id']}"
    assert client.patch(path, {"domain": {}}).status == 400
    assert client.patch(path, {"domain": {"parent_id": "x", "is_domain": False}}).status == 200


def test_only_a_disabled_and_mutable_domain_is_deleted(client: Caller) -> None:
    domain_id = make(client, "domain")["id"]
    path = f"/v3/domains/{domain_id}"
    refused = client.delete(path)
    assert refused.status == 403
    assert refused.json()["error"]["message"] == "Cannot delete a domain that is enabled, please disable it first."
    client.patch(path, {"domain": {"enabled": False}})
    client.patch(path, {"domain": {"options": {"immutable": True}}})
    refused = client.delete(path)
    assert refused.status == 403
    assert f"Unable to delete immutable domain resource: `{domain_id}." in refused.json()["error"]["message"]
    assert client.patch(path, {"domain": {"description": "x"}}).status == 403
    assert client.patch(path, {"domain": {"options": {"immutable": None}}}).json()["domain"]["options"] == {}
    assert client.delete(path).status == 204


def test_an_immutable_project_keeps_its_domain(client: Caller) -> None:
    domain_id = make(client, "domain")["id"]
    project_id = make(client, "project", domain_id=domain_id, options={"immutable": True})["id"]
    client.patch(f"/v3/domains/{domain_id}", {"domain": {"enabled": False}})
    assert client.delete(f"/v3/domains/{domain_id}").status == 403
    assert client.get(f"/v3/projects/{project_id}").status == 200


def test_a_domain_goes_with_all_that_is_in_it(client: Caller) -> None:
    domain_id = make(client, "domain")["id"]
    inside = {
        "users": make(client, "user", domain_id=domain_id)["id"],
        "groups": make(client, "group", domain_id=domain_id)["id"],
        "projects": make(client, "project", domain_id=domain_id)["id"],
    }
    child = make(client, "project", domain_id=domain_id, parent_id=inside["projects"])["id"]
    client.put(f"/v3/groups/{inside['groups']}/users/{inside['users']}")
    client.put(f"/v3/domains/{domain_id}/config", {"config": {"ldap": {"url": "ldap://there"}}})
    client.patch(f"/v3/domains/{domain_id}", {"domain": {"enabled": False}})
    assert client.delete(f"/v3/projects/{domain_id}").status == 204
    for kind, thing_id in [*inside.items(), ("projects", child), ("domains", domain_id)]:
        assert client.get(f"/v3/{kind}/{thing_id}").status == 404
    with client.identity.db.read() as connection:
        for table in (tables.domain_config,):
            assert connection.execute(sa.select(table).where(table.c.domain_id == domain_id)).first() is None


def test_disabling_and_deleting_a_domain_end_its_tokens(client: Caller) -> None:
    domain_id = make(client, "domain")["id"]

    def events() -> int:
        count = sa.select(sa.func.count()).where(tables.revocations.c.domain_id == domain_id)
        with client.identity.db.read() as connection:
            return int(connection.execute(count).scalar() or 0)

    client.patch(f"/v3/domains/{domain_id}", {"domain": {"description": "x"}})
    assert events() == 0
    client.patch(f"/v3/domains/{domain_id}", {"domain": {"enabled": False}})
    assert events() == 1
    client.delete(f"/v3/domains/{domain_id}")
    assert events() == 2


def test_lists_are_filtered_by_name_and_enabled(client: Caller) -> None:
    on, off = make(client, "domain"), make(client, "domain", enabled=False)

    def ids(query: str) -> set[str]:
        return {each["id"] for each in client.get(f"/v3/domains?{query}").json()["domains"]}

    assert {on["id"], off["id"]} <= ids("")
    assert ids(f"name={on['name']}") == {on["id"]}
    assert on["id"] in ids("enabled") and off["id"] not in ids("enabled=true")
    assert off["id"] in ids("enabled=0") and on["id"] not in ids("enabled=False")
    assert ids(f"name__startswith={off['name'][:20]}") == {off["id"]}
    assert client.get("/v3/domains?enabled=perhaps").status == 400
    assert client.get("/v3/domains?name=").status == 400


def test_who_may_do_what(client: Caller) -> None:
    mine, other = make(client, "domain")["id"], make(client, "domain")["id"]
    worker = client.as_("worker", roles=("member",), project_id="p", project_domain_id=mine)
    reader = client.as_("reader", roles=("reader",), domain_id=mine)
    system = client.as_("system_reader")
    for outsider in (worker, reader):
        assert outsider.get(f"/v3/domains/{mine}").status == 200
        assert outsider.get(f"/v3/domains/{other}").status == 403
        assert outsider.get("/v3/domains/nope").status == 403
        assert outsider.post("/v3/domains", {"domain": {"name": hex_id()}}).status == 403
        assert outsider.patch(f"/v3/domains/{mine}", {"domain": {"description": "x"}}).status == 403
        assert outsider.delete(f"/v3/domains/{mine}").status == 403
    assert worker.get("/v3/domains").status == 403
    assert [each["id"] for each in reader.get("/v3/domains").json()["domains"]] == [mine]
    assert {mine, other} <= {each["id"] for each in system.get("/v3/domains").json()["domains"]}
    assert system.patch(f"/v3/domains/{mine}", {"domain": {"description": "x"}}).status == 403
