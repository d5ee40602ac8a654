"""Roles of users and groups on projects, domains and the system."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest
import sqlalchemy as sa

from cumulet.identity import tables
from cumulet.identity.domain import generations
from cumulet.identity.service import Identity
from tests.identity import make
from tests.identity.conftest import Caller


class Parties(NamedTuple):
    domain: str
    project: str
    user: str
    group: str
    role: str


@pytest.fixture
def parties(identity: Identity, client: Caller) -> Parties:
    domain = make.domain(identity)
    user = make.user(identity, domain)
    return Parties(domain, make.project(identity, domain), user, make.group(identity, domain, user), make.role(client))


PLACES = {
    "project-user": "/v3/projects/{0.project}/users/{0.user}/roles",
    "project-group": "/v3/projects/{0.project}/groups/{0.group}/roles",
    "domain-user": "/v3/domains/{0.domain}/users/{0.user}/roles",
    "domain-group": "/v3/domains/{0.domain}/groups/{0.group}/roles",
    "system-user": "/v3/system/users/{0.user}/roles",
    "system-group": "/v3/system/groups/{0.group}/roles",
    "inherited-domain-user": "/v3/OS-INHERIT/domains/{0.domain}/users/{0.user}/roles",
    "inherited-domain-group": "/v3/OS-INHERIT/domains/{0.domain}/groups/{0.group}/roles",
    "inherited-project-user": "/v3/OS-INHERIT/projects/{0.project}/users/{0.user}/roles",
    "inherited-project-group": "/v3/OS-INHERIT/projects/{0.project}/groups/{0.group}/roles",
}


def _suffix(path: str) -> str:
    return "/inherited_to_projects" if "OS-INHERIT" in path else ""


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_grant_is_given_checked_listed_and_taken(client: Caller, parties: Parties, place: str) -> None:
    path = place.format(parties)
    one = f"{path}/{parties.role}{_suffix(path)}"
    assert client.head(one).status == 404
    missing = client.get(one)
    assert missing.status == 404
    assert missing.json()["error"]["message"].startswith(f"Could not find role assignment with role: {parties.role}")
    assert client.delete(one).status == 404
    assert client.put(one).status == 204
    assert client.put(one).status == 204
    assert (client.get(one).status, client.head(one).status) == (204, 204)
    assert client.get(one).body == b""
    if "OS-INHERIT/projects" not in path:
        listed = client.get(path + _suffix(path))
        assert [role["id"] for role in listed.json()["roles"]] == [parties.role]
    assert client.delete(one).status == 204
    assert client.delete(one).status == 404
    assert client.head(one).status == 404


def test_inherited_and_direct_grants_are_two(client: Caller, parties: Parties) -> None:
    end = f"domains/{parties.domain}/users/{parties.user}/roles/{parties.role}"
    assert client.put(f"/v3/{end}").status == 204
    assert client.head(f"/v3/OS-INHERIT/{end}/inherited_to_projects").status == 404
    assert client.put(f"/v3/OS-INHERIT/{end}/inherited_to_projects").status == 204
    assert client.delete(f"/v3/{end}").status == 204
    assert client.head(f"/v3/OS-INHERIT/{end}/inherited_to_projects").status == 204


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_nothing_is_granted_to_or_on_what_is_not_there(client: Caller, parties: Parties, place: str) -> None:
    for field in parties._fields:
        path = place.format(parties._replace(**{field: "nothing"}))
        role_id = "nothing" if field == "role" else parties.role
        if path == place.format(parties) and field != "role":
            continue
        one = f"{path}/{role_id}{_suffix(path)}"
        refused = client.put(one)
        assert refused.status == 404
        assert refused.json()["error"]["message"] == f"Could not find {field}: nothing."
        assert client.get(one).status == client.head(one).status == client.delete(one).status == 404
        if "OS-INHERIT/projects" not in path and field != "role":
            assert client.get(path + _suffix(path)).status == 404


def test_a_project_is_no_domain_but_a_domain_is_a_project(client: Caller, parties: Parties) -> None:
    end = f"users/{parties.user}/roles/{parties.role}"
    assert client.put(f"/v3/domains/{parties.project}/{end}").status == 404
    assert client.put(f"/v3/projects/{parties.domain}/{end}").status == 204


def test_a_domains_role_stays_in_its_domain(client: Caller, parties: Parties) -> None:
    own = make.role(client, domain_id=parties.domain)
    foreign = make.role(client, domain_id="another")
    users = f"users/{parties.user}/roles"
    assert client.put(f"/v3/projects/{parties.project}/{users}/{own}").status == 204
    refused = client.put(f"/v3/projects/{parties.project}/{users}/{foreign}")
    assert refused.status == 403
    assert refused.json()["error"]["message"] == (
        f"Project {parties.project} must be in the same domain as the role {foreign} being assigned."
    )
    assert client.put(f"/v3/domains/{parties.domain}/{users}/{foreign}").status == 204
    refused = client.put(f"/v3/system/{users}/{own}")
    assert refused.status == 400
    assert "domain-specific role" in refused.json()["error"]["message"]


def test_taking_a_role_moves_the_generation_and_ends_the_users_tokens(
    client: Caller, identity: Identity, parties: Parties
) -> None:
    path = f"/v3/projects/{parties.project}/users/{parties.user}/roles/{parties.role}"
    client.put(path)
    before = _generation(identity)
    assert client.delete(path).status == 204
    assert _generation(identity) > before
    assert _events(identity, parties.project) == [parties.user]


def test_taking_a_groups_role_ends_the_tokens_of_every_member(
    client: Caller, identity: Identity, parties: Parties
) -> None:
    members = sorted(make.user(identity, parties.domain) for _ in range(5))
    group = make.group(identity, parties.domain, *members)
    path = f"/v3/projects/{parties.project}/groups/{group}/roles/{parties.role}"
    client.put(path)
    assert client.delete(path).status == 204
    assert sorted(_events(identity, parties.project)) == members


def _generation(identity: Identity) -> int:
    with identity.db.read() as connection:
        return generations.current(connection)


def _events(identity: Identity, project_id: str) -> list[str]:
    query = sa.select(tables.revocations.c.user_id).where(tables.revocations.c.project_id == project_id)
    with identity.db.read() as connection:
        return list(connection.execute(query).scalars())


def test_a_domains_manager_gives_and_takes_some_roles_inside_it(
    client: Caller, identity: Identity, parties: Parties
) -> None:
    manager = client.as_(parties.domain, roles=("manager", "member", "reader"), domain_id=parties.domain)
    member = client.get("/v3/roles?name=member").json()["roles"]
    member_id = member[0]["id"] if member else make.role(client, "member")
    users = f"/v3/projects/{parties.project}/users/{parties.user}/roles"
    assert manager.put(f"{users}/{parties.role}").status == 403
    assert manager.put(f"{users}/{member_id}").status == 204
    assert manager.head(f"{users}/{member_id}").status == 204
    assert manager.get(users).status == 200
    assert manager.put(f"/v3/domains/{parties.domain}/users/{parties.user}/roles/{member_id}").status == 204
    assert manager.delete(f"{users}/{member_id}").status == 204
    assert manager.put(f"/v3/system/users/{parties.user}/roles/{member_id}").status == 403
    outside = make.domain(identity)
    stranger, elsewhere = make.user(identity, outside), make.project(identity, outside)
    assert manager.put(f"/v3/projects/{parties.project}/users/{stranger}/roles/{member_id}").status == 403
    assert manager.put(f"/v3/projects/{elsewhere}/users/{parties.user}/roles/{member_id}").status == 403


def test_a_domains_reader_and_the_systems_only_look(client: Caller, identity: Identity, parties: Parties) -> None:
    reader = client.as_("r" + parties.domain, roles=("reader",), domain_id=parties.domain)
    users = f"/v3/projects/{parties.project}/users/{parties.user}/roles"
    client.put(f"{users}/{parties.role}")
    assert reader.head(f"{users}/{parties.role}").status == 204
    assert reader.get(users).status == 200
    assert reader.delete(f"{users}/{parties.role}").status == 403
    outside = client.as_("o" + parties.domain, roles=("reader",), domain_id=make.domain(identity))
    assert outside.get(users).status == 403
    assert client.as_("member").get(users).status == 403
    assert client.as_("system_reader").get(users).status == 200
    assert client.as_("system_reader").put(f"{users}/{parties.role}").status == 403


def test_grants_end_with_whom_and_what_they_are_between(client: Caller, identity: Identity, parties: Parties) -> None:
    other_user, other_project = make.user(identity, parties.domain), make.project(identity, parties.domain)
    outside = make.domain(identity)
    stranger, elsewhere = make.user(identity, outside), make.project(identity, outside)
    for place in PLACES.values():
        path = place.format(parties)
        assert client.put(f"{path}/{parties.role}{_suffix(path)}").status == 204
    for target in (parties.project, parties.domain, other_project, elsewhere):
        for user in (other_user, stranger):
            assert client.put(f"/v3/projects/{target}/users/{user}/roles/{parties.role}").status == 204
    for gone in (f"users/{parties.user}", f"groups/{parties.group}", f"projects/{parties.project}"):
        assert client.delete(f"/v3/{gone}").status == 204
        assert gone.partition("/")[2] not in _everything(identity)
    client.patch(f"/v3/domains/{parties.domain}", {"domain": {"enabled": False}})
    assert client.delete(f"/v3/domains/{parties.domain}").status == 204
    left = _everything(identity)
    assert left.isdisjoint({parties.domain, other_user, other_project})
    assert {stranger, elsewhere} <= left


def _everything(identity: Identity) -> set[str]:
    """The ids of all users, groups, projects and domains that any grant names."""
    with identity.db.read() as connection:
        rows = connection.execute(sa.select(tables.assignments.c.actor_id, tables.assignments.c.target_id))
        return {thing for row in rows for thing in row}


def test_no_grant_outlives_a_user_who_goes_at_the_same_time(client: Caller, identity: Identity) -> None:
    domain, role = make.domain(identity), make.role(client)
    project = make.project(identity, domain)
    for user in [make.user(identity, domain) for _ in range(12)]:
        path = f"/v3/projects/{project}/users/{user}/roles/{role}"
        with ThreadPoolExecutor(3) as pool:
            granted = [pool.submit(client.put, path) for _ in range(2)]
            deleted = pool.submit(client.delete, f"/v3/users/{user}")
        assert deleted.result().status == 204
        assert {answer.result().status for answer in granted} <= {204, 404}
        assert user not in _everything(identity)
