"""`/v3/projects`: what users own things in, in a tree below each domain."""

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


def test_a_project_is_created_shown_changed_and_deleted(client: Caller) -> None:
    name = hex_id()
    body = {"name": f" {name} ", "tags": ["b", " a"], "team": "blue", "id": "ignored", "extra": {"x": 1}}
    made = client.post("/v3/projects", {"project": body})
    assert made.status == 201
    shown = made.json()["project"]
    path = f"/v3/projects/{shown['id']}"
    assert shown == {
        "id": shown["id"],
        "name": name,
        "domain_id": "default",
        "parent_id": "default",
        "description": "",
        "enabled": True,
        "is_domain": False,
        "tags": ["a", "b"],
        "options": {},
        "team": "blue",
        "links": {"self": f"http://cloud.test:1{path}"},
    }
    assert client.get(path).json()["project"] == shown
    changed = client.patch(path, {"project": {"description": None, "team": "red", "tags": ["c"]}})
    expected = {**shown, "description": None, "team": "red", "tags": ["c"]}
    # The original shows the keys it keeps aside once more in the answer to an update.
    assert changed.json()["project"] == {**expected, "extra": {"team": "red"}}
    assert client.get(path).json()["project"] == expected
    assert client.patch(path, {"project": {}}).status == 200
    assert client.delete(path).status == 204
    assert _message(client.get(path)) == f"Could not find project: {shown['id']}."


def test_a_name_is_single_in_its_domain(client: Caller) -> None:
    taken, other = make(client, "project"), make(client, "project")
    refused = client.post("/v3/projects", {"project": {"name": taken["name"]}})
    assert refused.status == 409
    assert _message(refused).startswith(
        "Conflict occurred attempting to store project - it is not permitted to have two projects with either the same "
        f"name or same id in the same domain: name is {taken['name']}, project id "
    )
    refused = client.patch(f"/v3/projects/{other['id']}", {"project": {"name": taken["name"]}})
    assert refused.status == 409
    assert make(client, "project", name=taken["name"], domain_id=make(client, "domain")["id"])
    assert make(client, "project", name=taken["name"].upper())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"domain_id": "nope"}, "Could not find domain: nope."),
        ({"parent_id": "nope"}, "Could not find project: nope."),
        ({"is_domain": True, "domain_id": "default"}, "only root projects are allowed to act as domains."),
        ({"is_domain": True, "parent_id": "default"}, "only root projects are allowed to act as domains."),
        ({"name": ""}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"enabled": "foo"}, "enabled"),
        ({"tags": ["x" * 256]}, "tags"),
        ({"tags": [""]}, "tags"),
        ({"tags": "a"}, "tags"),
        ({"tags": ["a", "a"]}, "tags"),
        ({"tags": [f"t{number}" for number in range(81)]}, "tags"),
        ({"options": {"unknown": 1}}, "unknown"),
        ({"parent_id": "a_b"}, "parent_id"),
        ({"description": 1}, "description"),
    ],
)
def test_bad_bodies_are_refused(client: Caller, fields: dict[str, Any], message: str) -> None:
    refused = client.post("/v3/projects", {"project": {"name": hex_id(), **fields}})
    assert refused.status == 400
    assert message in _message(refused)


def test_a_parent_gives_the_domain_and_must_be_in_it(client: Caller) -> None:
    domain_id = make(client, "domain")["id"]
    parent = make(client, "project", domain_id=domain_id)
    child = make(client, "project", parent_id=parent["id"])
    assert (child["parent_id"], child["domain_id"]) == (parent["id"], domain_id)
    body = {"name": hex_id(), "parent_id": parent["id"], "domain_id": "default"}
    refused = client.post("/v3/projects", {"project": body})
    assert refused.status == 400
    assert _message(refused) == (
        "Cannot create project, since it specifies its domain_id default, but specifies a parent in a different domain "
        f"({domain_id})."
    )


def test_place_and_kind_never_change(client: Caller) -> None:
    project = make(client, "project")
    path = f"/v3/projects/{project['id']}"
    assert client.patch(path, {"project": {"parent_id": "default", "domain_id": "default"}}).status == 200
    refused = client.patch(path, {"project": {"parent_id": make(client, "project")["id"]}})
    assert (refused.status, _message(refused)) == (403, "Update of `parent_id` is not allowed.")
    refused = client.patch(path, {"project": {"domain_id": "other"}})
    assert (refused.status, _message(refused)) == (400, "Cannot change Domain ID")
    refused = client.patch(path, {"project": {"is_domain": True}})
    assert (refused.status, _message(refused)) == (400, "Update of `is_domain` is not allowed.")
    refused = client.patch(path, {"project": {"id": "other"}})
    assert (refused.status, _message(refused)) == (400, "Cannot change ID")


def test_a_tree_is_at_most_five_levels_deep(client: Caller) -> None:
    parent = "default"
    for _ in range(5):
        parent = make(client, "project", parent_id=parent)["id"]
    refused = client.post("/v3/projects", {"project": {"name": hex_id(), "parent_id": parent}})
    assert (refused.status, _message(refused)) == (403, f"Max hierarchy depth reached for {parent} branch.")


def test_a_branch_is_disabled_from_its_leaves_and_enabled_from_its_root(client: Caller) -> None:
    top = make(client, "project")["id"]
    leaf = make(client, "project", parent_id=top)["id"]
    off, on = {"project": {"enabled": False}}, {"project": {"enabled": True}}
    refused = client.patch(f"/v3/projects/{top}", off)
    message = f"Cannot disable project {top} since its subtree contains enabled projects."
    assert (refused.status, _message(refused)) == (403, message)
    assert client.patch(f"/v3/projects/{leaf}", off).status == 200
    assert client.patch(f"/v3/projects/{top}", off).json()["project"]["enabled"] is False
    refused = client.patch(f"/v3/projects/{leaf}", on)
    message = f"Cannot enable project {leaf} since it has disabled parents"
    assert (refused.status, _message(refused)) == (403, message)
    refused = client.post("/v3/projects", {"project": {"name": hex_id(), "parent_id": top}})
    message = f"cannot create a project in a branch containing a disabled project: {top}"
    assert (refused.status, _message(refused)) == (400, message)


def test_only_a_leaf_is_deleted(client: Caller) -> None:
    top = make(client, "project")["id"]
    leaf = make(client, "project", parent_id=top)["id"]
    refused = client.delete(f"/v3/projects/{top}")
    assert refused.status == 403
    assert f"Cannot delete the project {top} since it is not a leaf in the hierarchy." in _message(refused)
    assert client.delete(f"/v3/projects/{leaf}").status == 204
    assert client.delete(f"/v3/projects/{top}").status == 204


def test_an_immutable_project_stays_as_it_is(client: Caller) -> None:
    project = make(client, "project", options={"immutable": True})["id"]
    path = f"/v3/projects/{project}"
    refused = client.patch(path, {"project": {"description": "x"}})
    assert refused.status == 403
    assert _message(refused) == (
        f'Unable to update immutable project resource: `{project}. Set resource option "immutable" to false first.'
    )
    assert client.delete(path).status == 403
    assert client.patch(path, {"project": {"options": {"immutable": False}, "name": "x"}}).status == 403
    assert client.patch(path, {"project": {"options": {"immutable": False}}}).status == 200
    assert client.delete(path).status == 204


def test_a_deleted_project_takes_with_it_what_is_about_it(client: Caller) -> None:
    user = make(client, "user")["id"]
    project = make(client, "project", tags=["t"])["id"]
    client.patch(f"/v3/users/{user}", {"user": {"default_project_id": project}})
    identity = client.identity
    with identity.db.write() as connection:
        role_id = hex_id()
        connection.execute(
            sa.insert(tables.roles).values(id=role_id, domain_id="", name=role_id, options="{}", extra="{}")
        )
        grant = {"actor_type": "U", "actor_id": user, "target_type": "P", "target_id": project, "inherited": False}
        connection.execute(sa.insert(tables.assignments).values(**grant, role_id=role_id))
        secret = {"key_hash": "k", "encrypted_blob": "b", "extra": "{}", "type": "cert"}
        connection.execute(
            sa.insert(tables.credentials).values(id=hex_id(), user_id=user, project_id=project, **secret)
        )
        for trust_id, redelegated in (("first" + project, None), ("second" + project, "first" + project)):
            of = project if redelegated is None else "another"
            trust = {"trustor_user_id": user, "trustee_user_id": user, "project_id": of, "extra": "{}"}
            connection.execute(sa.insert(tables.trusts).values(id=trust_id, redelegated_trust_id=redelegated, **trust))
    assert client.delete(f"/v3/projects/{project}").status == 204
    assert "default_project_id" not in client.get(f"/v3/users/{user}").json()["user"]
    with identity.db.read() as connection:
        for table, condition in (
            (tables.assignments, tables.assignments.c.target_id == project),
            (tables.credentials, tables.credentials.c.project_id == project),
            (tables.project_tags, tables.project_tags.c.project_id == project),
            (tables.trusts, tables.trusts.c.trustor_user_id == user),
        ):
            assert connection.execute(sa.select(table).where(condition)).first() is None, table.name
        ended = sa.select(tables.revocations).where(tables.revocations.c.project_id == project)
        assert connection.execute(ended).first() is not None


def test_the_tree_as_ids(client: Caller) -> None:
    domain_id = make(client, "domain")["id"]
    top = make(client, "project", domain_id=domain_id)["id"]
    left, right = sorted(make(client, "project", parent_id=top)["id"] for _ in range(2))
    leaf = make(client, "project", parent_id=left)["id"]
    shown = client.get(f"/v3/projects/{left}?parents_as_ids&subtree_as_ids").json()["project"]
    assert shown["parents"] == {top: {domain_id: None}}
    assert shown["subtree"] == {leaf: None}
    assert client.get(f"/v3/projects/{leaf}?subtree_as_ids").json()["project"]["subtree"] is None
    assert client.get(f"/v3/projects/{domain_id}?parents_as_ids").json()["project"]["parents"] is None
    whole = client.get(f"/v3/projects/{domain_id}?subtree_as_ids").json()["project"]["subtree"]
    assert whole == {top: {left: {leaf: None}, right: None}}


@pytest.mark.parametrize("side", ["parents", "subtree"])
def test_the_tree_is_asked_for_in_one_way(client: Caller, side: str) -> None:
    project = make(client, "project")["id"]
    refused = client.get(f"/v3/projects/{project}?{side}_as_ids&{side}_as_list")
    message = f"Cannot use {side}_as_list and {side}_as_ids query params at the same time."
    assert (refused.status, _message(refused)) == (400, message)


def test_the_tree_as_a_list_shows_the_callers_projects(client: Caller) -> None:
    top = make(client, "project", tags=["up"])["id"]
    middle = make(client, "project", parent_id=top)["id"]
    leaf = make(client, "project", parent_id=middle)["id"]
    user = make(client, "user")["id"]
    role_id = role(client)
    for project in (top, leaf):
        grant(client, role_id, f"users/{user}", f"projects/{project}")
    worker = client.as_(f"worker-{leaf}", roles=("member",), user_id=user, project_id=leaf)
    shown = worker.get(f"/v3/projects/{leaf}?parents_as_list").json()["project"]
    assert [(each["project"]["id"], each["project"]["tags"]) for each in shown["parents"]] == [(top, ["up"])]
    worker = client.as_(f"worker-{top}", roles=("member",), user_id=user, project_id=top)
    shown = worker.get(f"/v3/projects/{top}?subtree_as_list&parents_as_list").json()["project"]
    assert [each["project"]["id"] for each in shown["subtree"]] == [leaf]
    assert shown["parents"] == []


def test_lists_leave_out_domains_unless_asked_for(client: Caller) -> None:
    domain, project = make(client, "domain")["id"], make(client, "project")["id"]

    def ids(query: str) -> set[str]:
        return {each["id"] for each in client.get(f"/v3/projects?{query}").json()["projects"]}

    assert project in ids("") and domain not in ids("")
    assert project not in ids("is_domain=true") and domain in ids("is_domain=1")
    assert project in ids("is_domain=false")


def test_lists_are_filtered(client: Caller) -> None:
    domain = make(client, "domain")["id"]
    top = make(client, "project", domain_id=domain, name="Alpha")["id"]
    low = make(client, "project", domain_id=domain, parent_id=top, name="alphabet", enabled=False)["id"]

    def ids(query: str) -> list[str]:
        return sorted(each["id"] for each in client.get(f"/v3/projects?domain_id={domain}&{query}").json()["projects"])

    both = sorted([top, low])
    assert ids("") == both
    assert ids(f"parent_id={top}") == [low]
    assert ids("enabled=false") == [low]
    assert ids("name=Alpha") == [top]
    assert ids("name__contains=lpha") == both
    assert ids("name__contains=Alph") == [top]
    assert ids("name__icontains=ALPH") == both
    assert ids("name__startswith=al") == [low]
    assert ids("name__istartswith=AL") == both
    assert ids("name__endswith=bet") == [low]
    assert ids("name__iendswith=HA") == [top]
    assert ids("name__endswith=longer-than-any-name") == []
    assert ids("name__contains=") == both
    assert ids("description=x&unknown__contains=y") == both
    assert client.get("/v3/projects?enabled=xx").status == 400
    assert client.get("/v3/projects?domain_id=a_b").status == 400


def test_a_domains_people_see_and_manage_its_projects(client: Caller) -> None:
    domain = make(client, "domain")["id"]
    inside, outside = make(client, "project", domain_id=domain)["id"], make(client, "project")["id"]
    reader = client.as_("p-reader", roles=("reader",), domain_id=domain)
    manager = client.as_("p-manager", roles=("manager", "reader"), domain_id=domain)
    assert [each["id"] for each in reader.get("/v3/projects").json()["projects"]] == [inside]
    assert reader.get("/v3/projects?domain_id=default").json()["projects"] == []
    assert reader.get(f"/v3/projects/{inside}").status == 200
    for unseen in (outside, domain, "nope"):
        assert reader.get(f"/v3/projects/{unseen}").status == 403
    change = {"project": {"description": "x"}}
    assert reader.patch(f"/v3/projects/{inside}", change).status == 403
    assert manager.patch(f"/v3/projects/{inside}", change).status == 200
    assert manager.patch(f"/v3/projects/{domain}", change).status == 403
    assert manager.patch(f"/v3/projects/{outside}", change).status == 403
    assert manager.post("/v3/projects", {"project": {"name": hex_id(), "domain_id": domain}}).status == 201
    assert manager.post("/v3/projects", {"project": {"name": hex_id()}}).status == 403
    assert manager.post("/v3/projects", {"project": {"name": hex_id(), "domain_id": "default"}}).status == 403
    assert manager.post("/v3/projects", {"project": {"name": hex_id(), "is_domain": True}}).status == 403
    assert manager.delete(f"/v3/projects/{inside}").status == 204


def test_who_works_in_a_project_sees_it(client: Caller) -> None:
    mine, other = make(client, "project")["id"], make(client, "project")["id"]
    worker = client.as_("p-worker", roles=("member", "reader"), project_id=mine)
    assert worker.get(f"/v3/projects/{mine}").status == 200
    assert worker.get("/v3/projects").status == 403
    for unseen in (other, "nope"):
        refused = worker.get(f"/v3/projects/{unseen}")
        assert (refused.status, _message(refused)) == (
            403,
            "You are not authorized to perform the requested action: identity:get_project.",
        )
    assert worker.patch(f"/v3/projects/{mine}", {"project": {"name": "x"}}).status == 403
    assert worker.delete(f"/v3/projects/{mine}").status == 403


def test_a_domains_administrator_makes_projects_in_it(client: Caller) -> None:
    domain = make(client, "domain")["id"]
    boss = client.as_("p-boss", roles=("admin",), domain_id=domain)
    assert make(boss, "project")["domain_id"] == domain


def test_a_users_projects(client: Caller) -> None:
    user, other = make(client, "user")["id"], make(client, "user")["id"]
    group = make(client, "group")["id"]
    client.put(f"/v3/groups/{group}/users/{user}")
    domain = make(client, "domain")["id"]
    direct, by_group = make(client, "project")["id"], make(client, "project", enabled=False)["id"]
    inherited = make(client, "project", domain_id=domain)["id"]
    role_id = role(client)
    grant(client, role_id, f"users/{user}", f"projects/{direct}")
    grant(client, role_id, f"groups/{group}", f"projects/{by_group}")
    grant(client, role_id, f"users/{user}", f"domains/{domain}", inherited=True)
    mine = client.as_("p-user", user_id=user)
    found = mine.get(f"/v3/users/{user}/projects").json()["projects"]
    assert sorted(each["id"] for each in found) == sorted([direct, by_group, inherited])
    found = mine.get(f"/v3/users/{user}/projects?enabled=false").json()["projects"]
    assert [each["id"] for each in found] == [by_group]
    assert mine.get(f"/v3/users/{other}/projects").status == 403
    assert mine.get("/v3/users/nope/projects").status == 403
    assert client.get("/v3/users/nope/projects").status == 404
