"""`/v3/groups` and who is in them."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from cumulet.identity import tables
from cumulet.identity.domain import generations
from cumulet.kernel.ids import hex_id
from tests.identity.conftest import Caller
from tests.identity.make import role
from tests.identity.resources import grant, make

pytestmark = pytest.mark.usefixtures("default_domain")


def _message(answer: Any) -> str:
    return str(answer.json()["error"]["message"])


def _events(client: Caller, user_id: str) -> int:
    count = sa.select(sa.func.count()).where(tables.revocations.c.user_id == user_id)
    with client.identity.db.read() as connection:
        return int(connection.execute(count).scalar() or 0)


def test_a_group_is_created_shown_changed_and_deleted(client: Caller) -> None:
    name = hex_id()
    made = client.post("/v3/groups", {"group": {"name": f" {name} ", "team": "blue", "id": "ignored"}})
    assert made.status == 201
    shown = made.json()["group"]
    path = f"/v3/groups/{shown['id']}"
    assert shown == {
        "id": shown["id"],
        "name": name,
        "domain_id": "default",
        "description": "",
        "team": "blue",
        "links": {"self": f"http://cloud.test:1{path}"},
    }
    assert client.get(path).json()["group"] == shown
    changed = client.patch(path, {"group": {"description": None, "team": "red"}})
    assert changed.json()["group"] == {**shown, "description": None, "team": "red"}
    assert client.delete(path).status == 204
    assert _message(client.get(path)) == f"Could not find group: {shown['id']}."
    assert client.delete(path).status == 404


def test_a_name_is_single_in_its_domain(client: Caller) -> None:
    taken, other = make(client, "group"), make(client, "group")
    refused = client.post("/v3/groups", {"group": {"name": taken["name"]}})
    start = f"Conflict occurred attempting to store group - Duplicate entry found with name {taken['name']}"
    assert (refused.status, _message(refused)) == (409, f"{start} at domain ID default.")
    refused = client.patch(f"/v3/groups/{other['id']}", {"group": {"name": taken["name"]}})
    assert (refused.status, _message(refused)) == (409, f"{start}.")
    assert make(client, "group", name=taken["name"], domain_id=make(client, "domain")["id"])


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": 1}, "name"),
        ({"domain_id": None}, "domain_id"),
        ({"description": 1}, "description"),
        ({"description": "a\0b"}, "description"),
    ],
)
def test_bad_bodies_are_refused_naming_the_field(client: Caller, fields: dict[str, Any], field: str) -> None:
    refused = client.post("/v3/groups", {"group": {"name": hex_id(), **fields}})
    assert refused.status == 400
    assert field in _message(refused)


def test_an_update_needs_something_and_keeps_id_and_domain(client: Caller) -> None:
    path = f"/v3/groups/{make(client, 'group')['id']}"
    assert client.patch(path, {"group": {}}).status == 400
    assert _message(client.patch(path, {"group": {"id": "x"}})) == "Cannot change ID"
    assert _message(client.patch(path, {"group": {"domain_id": "x"}})) == "Cannot change Domain ID"
    refused = client.post("/v3/groups", {"group": {"name": hex_id(), "domain_id": "nope"}})
    assert (refused.status, _message(refused)) == (404, "Could not find domain: nope.")


def test_users_come_and_go(client: Caller) -> None:
    group, user, other = make(client, "group")["id"], make(client, "user")["id"], make(client, "user")["id"]
    path = f"/v3/groups/{group}/users/{user}"
    absent = f"User '{user}' not found in group '{group}'"
    for method in ("GET", "HEAD", "DELETE"):
        assert client.request(method, path).status == 404
    assert _message(client.get(path)) == absent
    assert client.put(path).status == 204
    assert client.put(path).status == 204
    assert client.get(path).status == client.head(path).status == 204
    assert [each["id"] for each in client.get(f"/v3/groups/{group}/users").json()["users"]] == [user]
    found = client.get(f"/v3/users/{user}/groups").json()["groups"]
    assert [(each["id"], each["membership_expires_at"]) for each in found] == [(group, None)]
    assert client.get(f"/v3/users/{other}/groups").json()["groups"] == []
    assert client.delete(path).status == 204
    assert _message(client.delete(path)) == absent


def test_both_must_be_there(client: Caller) -> None:
    group, user = make(client, "group")["id"], make(client, "user")["id"]
    for method in ("GET", "PUT", "DELETE"):
        refused = client.request(method, f"/v3/groups/{group}/users/nope")
        assert (refused.status, _message(refused)) == (404, "Could not find user: nope.")
        refused = client.request(method, f"/v3/groups/nope/users/{user}")
        assert (refused.status, _message(refused)) == (404, "Could not find group: nope.")
    assert client.get("/v3/groups/nope/users").status == 404
    assert client.get("/v3/users/nope/groups").status == 404


def test_leaving_a_group_ends_a_users_tokens_and_joining_does_not(client: Caller) -> None:
    group, user = make(client, "group")["id"], make(client, "user")["id"]

    def generation() -> int:
        with client.identity.db.read() as connection:
            return generations.current(connection)

    before = generation()
    client.put(f"/v3/groups/{group}/users/{user}")
    assert generation() > before
    assert _events(client, user) == 0
    client.delete(f"/v3/groups/{group}/users/{user}")
    assert _events(client, user) == 1


def test_a_group_with_roles_ends_its_members_tokens_when_it_goes(client: Caller) -> None:
    users = [make(client, "user")["id"] for _ in range(3)]
    project = make(client, "project")["id"]
    idle, busy = make(client, "group")["id"], make(client, "group")["id"]
    for user in users:
        client.put(f"/v3/groups/{idle}/users/{user}")
        client.put(f"/v3/groups/{busy}/users/{user}")
    grant(client, role(client), f"groups/{busy}", f"projects/{project}")
    assert client.delete(f"/v3/groups/{idle}").status == 204
    assert [_events(client, user) for user in users] == [0, 0, 0]
    assert client.delete(f"/v3/groups/{busy}").status == 204
    assert [_events(client, user) for user in users] == [1, 1, 1]
    with client.identity.db.read() as connection:
        for table, column in (
            (tables.memberships, tables.memberships.c.group_id),
            (tables.assignments, tables.assignments.c.actor_id),
        ):
            assert connection.execute(sa.select(table).where(column == busy)).first() is None


def test_lists_are_filtered(client: Caller) -> None:
    domain, user = make(client, "domain")["id"], make(client, "user")["id"]
    web = make(client, "group", domain_id=domain, name="web")["id"]
    api = make(client, "group", domain_id=domain, name="web-API", description=None)["id"]

    def ids(path: str) -> list[str]:
        return sorted(each["id"] for each in client.get(path).json()["groups"])

    of_domain = f"/v3/groups?domain_id={domain}"
    assert ids(of_domain) == sorted([web, api])
    assert ids(f"{of_domain}&name=web") == [web]
    assert ids(f"{of_domain}&name__icontains=api") == [api]
    assert ids(f"{of_domain}&name__endswith=API") == [api]
    client.put(f"/v3/groups/{web}/users/{user}")
    client.put(f"/v3/groups/{api}/users/{user}")
    assert ids(f"/v3/users/{user}/groups?name=web") == [web]
    assert client.get("/v3/groups?name=").status == 400


def test_a_groups_users_are_filtered(client: Caller) -> None:
    group = make(client, "group")["id"]
    on, off = make(client, "user")["id"], make(client, "user", enabled=False)["id"]
    for user in (on, off):
        client.put(f"/v3/groups/{group}/users/{user}")
    found = client.get(f"/v3/groups/{group}/users?enabled=false").json()["users"]
    assert [each["id"] for each in found] == [off]
    assert client.get(f"/v3/groups/{group}/users?password_expires_at=foo").status == 400


def test_a_domains_people_manage_its_groups(client: Caller) -> None:
    domain = make(client, "domain")["id"]
    group, user = make(client, "group", domain_id=domain)["id"], make(client, "user", domain_id=domain)["id"]
    outside, stranger = make(client, "group")["id"], make(client, "user")["id"]
    reader = client.as_("g-reader", roles=("reader",), domain_id=domain)
    manager = client.as_("g-manager", roles=("manager", "reader"), domain_id=domain)
    assert [each["id"] for each in reader.get("/v3/groups").json()["groups"]] == [group]
    assert reader.get(f"/v3/groups/{group}").status == 200
    assert reader.get(f"/v3/groups/{outside}").status == reader.get("/v3/groups/nope").status == 403
    assert reader.put(f"/v3/groups/{group}/users/{user}").status == 403
    assert manager.put(f"/v3/groups/{group}/users/{user}").status == 204
    assert manager.put(f"/v3/groups/{group}/users/{stranger}").status == 403
    assert manager.put(f"/v3/groups/{outside}/users/{user}").status == 403
    assert manager.put(f"/v3/groups/{group}/users/nope").status == 403
    assert reader.get(f"/v3/groups/{group}/users/{user}").status == 204
    assert reader.get(f"/v3/users/{user}/groups").status == 200
    assert manager.delete(f"/v3/groups/{group}/users/{user}").status == 204
    assert manager.post("/v3/groups", {"group": {"name": hex_id()}}).status == 403
    assert manager.post("/v3/groups", {"group": {"name": hex_id(), "domain_id": domain}}).status == 201
    assert manager.patch(f"/v3/groups/{group}", {"group": {"description": "x"}}).status == 200
    assert manager.delete(f"/v3/groups/{outside}").status == 403
    assert manager.delete(f"/v3/groups/{group}").status == 204


def test_one_sees_ones_own_groups(client: Caller) -> None:
    me, other = make(client, "user")["id"], make(client, "user")["id"]
    mine = client.as_("g-me", roles=("member",), user_id=me, project_id="p")
    assert mine.get(f"/v3/users/{me}/groups").status == 200
    assert mine.get(f"/v3/users/{other}/groups").status == 403
    assert mine.get("/v3/users/nope/groups").status == 403
    assert mine.get("/v3/groups").status == 403
    assert mine.get("/v3/groups/nope/users").status == 403
