"""`/v3/users`: who can log in."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from cumulet.identity import tables
from cumulet.kernel.ids import hex_id
from tests.identity.conftest import Caller
from tests.identity.make import role
from tests.identity.resources import grant, make

pytestmark = pytest.mark.usefixtures("default_domain")


def _message(answer: Any) -> str:
    return str(answer.json()["error"]["message"])


def test_a_user_is_created_shown_changed_and_deleted(client: Caller) -> None:
    name = hex_id()
    body = {
        "name": f" {name} ",
        "password": "secret",
        "email": "ada@example.org",
        "description": "counts",
        "id": "ignored",
        "links": {"self": "ignored"},
        "password_expires_at": "2020-01-01T00:00:00Z",
        "options": {"lock_password": True, "ignore_password_expiry": None, "multi_factor_auth_rules": [["password"]]},
    }
    made = client.post("/v3/users", {"user": body})
    assert made.status == 201
    shown = made.json()["user"]
    path = f"/v3/users/{shown['id']}"
    assert shown == {
        "id": shown["id"],
        "name": name,
        "domain_id": "default",
        "enabled": True,
        "password_expires_at": None,
        "email": "ada@example.org",
        "description": "counts",
        "options": {"lock_password": True, "multi_factor_auth_rules": [["password"]]},
        "links": {"self": f"http://cloud.test:1{path}"},
    }
    assert client.get(path).json()["user"] == shown
    changes = {"email": None, "enabled": "no", "options": {"lock_password": None}, "domain_id": "default"}
    changed = client.patch(path, {"user": changes})
    expected = {**shown, "email": None, "enabled": False, "options": {"multi_factor_auth_rules": [["password"]]}}
    assert changed.json()["user"] == {**expected, "extra": {"email": None, "description": "counts"}}
    assert client.get(path).json()["user"] == expected
    assert client.delete(path).status == 204
    assert _message(client.get(path)) == f"Could not find user: {shown['id']}."
    assert client.delete(path).status == 404


def test_a_name_is_single_in_its_domain(client: Caller) -> None:
    taken, other = make(client, "user"), make(client, "user")
    refused = client.post("/v3/users", {"user": {"name": taken["name"]}})
    assert (refused.status, _message(refused)) == (
        409,
        "Conflict occurred attempting to store user - Duplicate entry found with name "
        f"{taken['name']} at domain ID default.",
    )
    refused = client.patch(f"/v3/users/{other['id']}", {"user": {"name": taken["name"]}})
    assert (refused.status, _message(refused)) == (
        409,
        f"Conflict occurred attempting to store user - Duplicate entry found with name {taken['name']}.",
    )
    assert make(client, "user", name=taken["name"], domain_id=make(client, "domain")["id"])
    assert make(client, "user", name=taken["name"].upper())
    assert client.patch(f"/v3/users/{taken['id']}", {"user": {"name": taken["name"]}}).status == 200


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": " "}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"name": None}, "name"),
        ({"password": 12345}, "password"),
        ({"password": "x" * 4097}, "password"),
        ({"domain_id": None}, "domain_id"),
        ({"domain_id": "a_b"}, "domain_id"),
        ({"domain_id": "x" * 65}, "domain_id"),
        ({"enabled": "Fal"}, "enabled"),
        ({"enabled": 0}, "enabled"),
        ({"enabled": None}, "enabled"),
        ({"description": 7}, "description"),
        ({"default_project_id": 7}, "default_project_id"),
        ({"options": {"unknown": 1}}, "unknown"),
        ({"options": {"lock_password": "yes"}}, "lock_password"),
        ({"options": {"multi_factor_auth_rules": [[]]}}, "multi_factor_auth_rules"),
        ({"options": {"multi_factor_auth_rules": [["a"], ["a"]]}}, "multi_factor_auth_rules"),
        ({"options": {"multi_factor_auth_rules": [["a", "a"]]}}, "multi_factor_auth_rules"),
        ({"options": {"multi_factor_auth_rules": "a"}}, "multi_factor_auth_rules"),
        ({"federated": [{"idp_id": "x"}]}, "protocols"),
    ],
)
def test_bad_bodies_are_refused_naming_the_field(client: Caller, fields: dict[str, Any], field: str) -> None:
    refused = client.post("/v3/users", {"user": {"name": hex_id(), **fields}})
    assert refused.status == 400
    assert field in _message(refused)
    path = f"/v3/users/{make(client, 'user')['id']}"
    refused = client.patch(path, {"user": fields})
    assert refused.status == 400
    assert field in _message(refused)


def test_a_name_may_be_long(client: Caller) -> None:
    assert make(client, "user", name="ü" * 255)["name"] == "ü" * 255


def test_a_user_needs_a_domain_that_is_there(client: Caller) -> None:
    project = make(client, "project")["id"]
    for domain in ("nope", project):
        refused = client.post("/v3/users", {"user": {"name": hex_id(), "domain_id": domain}})
        assert (refused.status, _message(refused)) == (404, f"Could not find domain: {domain}.")


def test_users_of_other_identity_providers_need_them(client: Caller) -> None:
    federated = [{"idp_id": "acme", "protocols": [{"protocol_id": "saml", "unique_id": "u"}]}]
    refused = client.post("/v3/users", {"user": {"name": hex_id(), "federated": federated}})
    assert (refused.status, _message(refused)) == (400, "Could not find Identity Provider: acme")
    assert "federated" not in make(client, "user", federated=[])
    assert client.get("/v3/users?idp_id=acme").json()["users"] == []


def test_the_default_project_is_a_project(client: Caller) -> None:
    project = make(client, "project")["id"]
    user = make(client, "user", default_project_id=project)
    assert user["default_project_id"] == project
    path = f"/v3/users/{user['id']}"
    refused = client.patch(path, {"user": {"default_project_id": "default"}})
    assert (refused.status, _message(refused)) == (400, "User's default project ID cannot be a domain ID: default")
    assert client.patch(path, {"user": {"default_project_id": "unknown"}}).status == 200
    assert "default_project_id" not in client.patch(path, {"user": {"default_project_id": None}}).json()["user"]


def test_an_update_needs_something_and_keeps_id_and_domain(client: Caller) -> None:
    user = make(client, "user")["id"]
    path = f"/v3/users/{user}"
    assert client.patch(path, {"user": {}}).status == 400
    assert client.patch(path, {"user": {"id": user}}).status == 200
    assert _message(client.patch(path, {"user": {"id": "x"}})) == "Cannot change ID"
    assert _message(client.patch(path, {"user": {"domain_id": "x"}})) == "Cannot change Domain ID"
    assert client.patch("/v3/users/nope", {"user": {"name": "x"}}).status == 404


def test_a_deleted_user_takes_with_it_what_is_theirs(client: Caller) -> None:
    user, friend = make(client, "user", password="secret")["id"], make(client, "user")["id"]
    group, project = make(client, "group")["id"], make(client, "project")["id"]
    client.put(f"/v3/groups/{group}/users/{user}")
    grant(client, role(client), f"users/{user}", f"projects/{project}")
    with client.identity.db.write() as connection:

        def insert(table: sa.Table, **row: Any) -> str:
            row = {"id": hex_id(), **row} if "id" in table.c and table is not tables.password_history else row
            connection.execute(sa.insert(table).values(**row))
            return str(row.get("id"))

        secret = {"key_hash": "k", "encrypted_blob": "b", "extra": "{}", "type": "cert"}
        insert(tables.credentials, user_id=user, **secret)
        insert(tables.password_history, user_id=user, password_hash="x", created_at=1)
        insert(tables.trusts, trustor_user_id=user, trustee_user_id=friend, extra="{}")
        received = insert(tables.trusts, trustor_user_id=friend, trustee_user_id=user, extra="{}")
        handed_on = {"trustor_user_id": friend, "trustee_user_id": "third", "redelegated_trust_id": received}
        insert(tables.trusts, extra="{}", **handed_on)
        application = insert(tables.application_credentials, name="a", secret_hash="h", user_id=user)
        rule = insert(tables.access_rules, user_id=user, service="compute", path="/", method="GET")
        connection.execute(
            sa.insert(tables.application_credential_access_rules).values(
                application_credential_id=application, access_rule_id=rule
            )
        )
    assert client.delete(f"/v3/users/{user}").status == 204
    with client.identity.db.read() as connection:
        for table, column in (
            (tables.memberships, tables.memberships.c.user_id),
            (tables.assignments, tables.assignments.c.actor_id),
            (tables.credentials, tables.credentials.c.user_id),
            (tables.password_history, tables.password_history.c.user_id),
            (tables.application_credentials, tables.application_credentials.c.user_id),
            (tables.access_rules, tables.access_rules.c.user_id),
            (tables.trusts, tables.trusts.c.trustor_user_id),
            (tables.trusts, tables.trusts.c.trustee_user_id),
        ):
            assert connection.execute(sa.select(table).where(column == user)).first() is None, table.name
        trusts_of_friend = sa.select(tables.trusts).where(tables.trusts.c.trustor_user_id == friend)
        assert connection.execute(trusts_of_friend).first() is None
        linked = sa.select(tables.application_credential_access_rules)
        linked = linked.where(tables.application_credential_access_rules.c.access_rule_id == rule)
        assert connection.execute(linked).first() is None


def test_what_ends_a_users_tokens(client: Caller) -> None:
    user = make(client, "user", password="secret")["id"]
    path = f"/v3/users/{user}"

    def events() -> int:
        count = sa.select(sa.func.count()).where(tables.revocations.c.user_id == user)
        with client.identity.db.read() as connection:
            return int(connection.execute(count).scalar() or 0)

    client.patch(path, {"user": {"description": "x", "enabled": True}})
    assert events() == 0
    client.patch(path, {"user": {"password": "other"}})
    assert events() == 1
    client.patch(path, {"user": {"enabled": False}})
    assert events() == 2
    client.patch(path, {"user": {"enabled": False}})
    assert events() == 2
    client.delete(path)
    assert events() == 3


def test_lists_are_filtered(client: Caller) -> None:
    domain = make(client, "domain")["id"]
    ada = make(client, "user", domain_id=domain, name="Ada")["id"]
    bob = make(client, "user", domain_id=domain, name="adAbob", enabled=False, email="b@b", default_project_id="p")
    listed = client.get(f"/v3/users?domain_id={domain}").json()
    shown = {each["id"]: each for each in listed["users"]}
    assert shown[bob["id"]] == client.get(f"/v3/users/{bob['id']}").json()["user"]
    assert listed["links"] == {
        "self": f"http://cloud.test:1/v3/users?domain_id={domain}",
        "previous": None,
        "next": None,
    }

    def ids(query: str) -> list[str]:
        return sorted(each["id"] for each in client.get(f"/v3/users?domain_id={domain}&{query}").json()["users"])

    both = sorted([ada, bob["id"]])
    assert ids("") == ids("email=x") == ids("name__unknown=x") == ids("sort_key=name") == both
    assert ids("enabled=true") == ids("enabled") == [ada]
    assert ids("enabled=off") == [bob["id"]]
    assert ids("name=Ada") == [ada]
    assert ids("name__contains=A") == both
    assert ids("name__contains=dAb") == [bob["id"]]
    assert ids("name__istartswith=ADA") == both
    assert ids("name=Ada&enabled=false") == []
    assert client.get("/v3/users?domain_id=nope").json()["users"] == []
    assert client.get("/v3/users?enabled=perhaps").status == 400
    assert client.get("/v3/users?name=").status == 400
    assert client.get("/v3/users?domain_id=a_b").status == 400
    assert client.head("/v3/users").status == 200


def test_a_domains_people_see_and_manage_its_users(client: Caller) -> None:
    domain = make(client, "domain")["id"]
    inside, outside = make(client, "user", domain_id=domain)["id"], make(client, "user")["id"]
    reader = client.as_("u-reader", roles=("reader",), domain_id=domain)
    manager = client.as_("u-manager", roles=("manager", "reader"), domain_id=domain)
    assert [each["id"] for each in reader.get("/v3/users").json()["users"]] == [inside]
    assert reader.get("/v3/users?domain_id=default").json()["users"] == []
    assert reader.get(f"/v3/users/{inside}").status == 200
    assert reader.get(f"/v3/users/{outside}").status == 403
    assert reader.get("/v3/users/nope").status == 403
    change = {"user": {"description": "x"}}
    assert reader.patch(f"/v3/users/{inside}", change).status == 403
    assert manager.patch(f"/v3/users/{inside}", change).status == 200
    assert manager.patch(f"/v3/users/{outside}", change).status == 403
    assert manager.post("/v3/users", {"user": {"name": hex_id(), "domain_id": domain}}).status == 201
    assert manager.post("/v3/users", {"user": {"name": hex_id()}}).status == 403
    assert manager.post("/v3/users", {"user": {"name": hex_id(), "domain_id": "default"}}).status == 403
    assert manager.delete(f"/v3/users/{outside}").status == 403
    assert manager.delete(f"/v3/users/{inside}").status == 204


def test_one_sees_oneself_and_nobody_else(client: Caller) -> None:
    me, other = make(client, "user")["id"], make(client, "user")["id"]
    mine = client.as_("u-me", roles=("member", "reader"), user_id=me, project_id="p")
    assert mine.get(f"/v3/users/{me}").status == 200
    assert mine.get("/v3/users").status == 403
    for unseen in (other, "nope"):
        refused = mine.get(f"/v3/users/{unseen}")
        message = "You are not authorized to perform the requested action: identity:get_user."
        assert (refused.status, _message(refused)) == (403, message)
        assert mine.patch(f"/v3/users/{unseen}", {"user": {"name": "x"}}).status == 403
    assert mine.patch(f"/v3/users/{me}", {"user": {"description": "x"}}).status == 403
    assert mine.delete(f"/v3/users/{me}").status == 403
    assert client.as_("system_reader").get("/v3/users").status == 200
    assert client.as_("nobody").get("/v3/users").status == 401
