"""`/v3/role_assignments`: who has which role where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa

from cumulet.identity.service import Identity
from tests.identity import make
from tests.identity.conftest import Caller

BASE = "http://cloud.test:1/v3/"


class World(NamedTuple):
    """A domain with a project, one below it, a user in a group, and a chain of roles: upper implies lower."""

    domain: str
    project: str
    child: str
    user: str
    group: str
    upper: str
    lower: str
    other: str


@pytest.fixture
def world(identity: Identity, client: Caller) -> World:
    domain = make.domain(identity)
    project = make.project(identity, domain)
    user = make.user(identity, domain)
    upper, lower, other = make.role(client), make.role(client), make.role(client)
    client.put(f"/v3/roles/{upper}/implies/{lower}")
    child = make.project(identity, domain, parent_id=project)
    return World(domain, project, child, user, make.group(identity, domain, user), upper, lower, other)


def listed(client: Caller, query: str) -> list[dict[str, Any]]:
    answer = client.get(f"/v3/role_assignments?{query}")
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json()["role_assignments"]
    return found


def test_grants_are_listed_with_links_to_themselves(client: Caller, world: World) -> None:
    for path in (
        f"projects/{world.project}/users/{world.user}/roles/{world.upper}",
        f"OS-INHERIT/domains/{world.domain}/users/{world.user}/roles/{world.upper}/inherited_to_projects",
        f"system/users/{world.user}/roles/{world.other}",
    ):
        assert client.put(f"/v3/{path}").status == 204
    user, upper, other = {"id": world.user}, {"id": world.upper}, {"id": world.other}
    inherited = {"domain": {"id": world.domain}, "OS-INHERIT:inherited_to": "projects"}
    found = listed(client, f"user.id={world.user}")
    assert sorted(found, key=lambda line: str(line["scope"])) == [
        {
            "scope": inherited,
            "user": user,
            "role": upper,
            "links": {
                "assignment": f"{BASE}OS-INHERIT/domains/{world.domain}/users/{world.user}/roles/{world.upper}"
                "/inherited_to_projects"
            },
        },
        {
            "scope": {"project": {"id": world.project}},
            "user": user,
            "role": upper,
            "links": {"assignment": f"{BASE}projects/{world.project}/users/{world.user}/roles/{world.upper}"},
        },
        {
            "scope": {"system": {"all": True}},
            "user": user,
            "role": other,
            "links": {"assignment": f"{BASE}system/users/{world.user}/roles/{world.other}"},
        },
    ]
    for line in found:
        assert client.head(line["links"]["assignment"].removeprefix("http://cloud.test:1")).status == 204


def test_filters(client: Caller, world: World) -> None:
    client.put(f"/v3/projects/{world.project}/users/{world.user}/roles/{world.upper}")
    client.put(f"/v3/projects/{world.child}/groups/{world.group}/roles/{world.other}")
    client.put(f"/v3/domains/{world.domain}/users/{world.user}/roles/{world.lower}")
    client.put(f"/v3/system/users/{world.user}/roles/{world.upper}")
    client.put(f"/v3/OS-INHERIT/projects/{world.project}/users/{world.user}/roles/{world.lower}/inherited_to_projects")

    def count(query: str) -> int:
        return len(listed(client, query))

    user = f"user.id={world.user}"
    assert count(user) == 4
    assert count(f"group.id={world.group}") == 1
    assert count(f"{user}&role.id={world.lower}") == 2
    assert count(f"{user}&scope.system=all") == 1
    assert count(f"{user}&scope.system=some") == 4
    assert count(f"{user}&scope.domain.id={world.domain}") == 1
    assert count(f"scope.project.id={world.project}") == 2
    assert count(f"scope.project.id={world.project}&include_subtree") == 3
    assert count(f"scope.project.id={world.project}&include_subtree=0") == 2
    assert count(f"{user}&scope.OS-INHERIT:inherited_to=projects") == 1
    assert count(f"{user}&scope.OS-INHERIT:inherited_to=") == 3
    assert count("user.id=nobody") == count("scope.project.id=nothing") == 0
    assert count(f"{user}&something=else") == 4


def test_effective_ones_resolve_groups_inheritance_and_implications(client: Caller, world: World) -> None:
    path = f"OS-INHERIT/domains/{world.domain}/groups/{world.group}/roles/{world.upper}/inherited_to_projects"
    client.put(f"/v3/{path}")
    found = listed(client, f"user.id={world.user}&effective")
    places = {(line["scope"]["project"]["id"], line["role"]["id"]) for line in found}
    assert places == {(project, role) for project in (world.project, world.child) for role in world[5:7]}
    implied = next(line for line in found if line["role"]["id"] == world.lower)
    assert implied["links"] == {
        "assignment": BASE + path,
        "membership": f"{BASE}groups/{world.group}/users/{world.user}",
        "prior_role": f"{BASE}roles/{world.upper}/implies/{world.lower}",
    }
    for link in implied["links"].values():
        if "/groups/" not in link or "/roles/" in link:  # memberships are another noun's
            assert client.head(link.removeprefix("http://cloud.test:1")).status == 204
    assert {line["scope"]["OS-INHERIT:inherited_to"] for line in found} == {"projects"}


def test_effective_ones_of_one_place(client: Caller, world: World) -> None:
    client.put(f"/v3/domains/{world.domain}/users/{world.user}/roles/{world.upper}")
    client.put(f"/v3/system/groups/{world.group}/roles/{world.upper}")
    inherited = f"users/{world.user}/roles/{world.other}/inherited_to_projects"
    client.put(f"/v3/OS-INHERIT/projects/{world.project}/{inherited}")
    user = f"effective&user.id={world.user}"
    on_domain = listed(client, f"{user}&scope.domain.id={world.domain}")
    assert sorted(line["role"]["id"] for line in on_domain) == sorted(world[5:7])
    assert listed(client, f"{user}&scope.project.id={world.project}") == []
    on_child = listed(client, f"{user}&scope.project.id={world.child}")
    assert [(line["scope"]["project"]["id"], line["role"]["id"]) for line in on_child] == [(world.child, world.other)]
    below = listed(client, f"{user}&scope.project.id={world.project}&include_subtree")
    assert below == on_child
    on_system = listed(client, f"{user}&scope.system=all")
    assert sorted(line["role"]["id"] for line in on_system) == sorted(world[5:7])
    everywhere = listed(client, user)
    assert not [line for line in everywhere if "system" in line["scope"]]
    assert listed(client, f"{user}&role.id={world.lower}&scope.domain.id={world.domain}") == [
        line for line in on_domain if line["role"]["id"] == world.lower
    ]
    only_inherited = listed(client, f"{user}&scope.OS-INHERIT:inherited_to=projects")
    assert only_inherited == on_child


def test_a_domains_own_role_is_hidden_behind_what_it_implies(client: Caller, world: World) -> None:
    own = make.role(client, domain_id=world.domain)
    client.put(f"/v3/roles/{own}/implies/{world.lower}")
    client.put(f"/v3/projects/{world.project}/users/{world.user}/roles/{own}")
    assert [line["role"]["id"] for line in listed(client, f"user.id={world.user}")] == [own]
    effective = listed(client, f"user.id={world.user}&effective")
    assert [line["role"]["id"] for line in effective] == [world.lower]


def test_names(client: Caller, identity: Identity) -> None:
    domain = make.domain(identity, "names")
    user, group = make.user(identity, domain, "ada"), make.group(identity, domain, name="countesses")
    project = make.project(identity, domain, "engine")
    role, own = make.role(client, "count"), make.role(client, "own", domain_id=domain)
    client.put(f"/v3/projects/{project}/users/{user}/roles/{role}")
    client.put(f"/v3/domains/{domain}/groups/{group}/roles/{own}")
    of_domain = {"id": domain, "name": "names"}
    (line,) = listed(client, f"user.id={user}&include_names")
    assert line["user"] == {"id": user, "name": "ada", "domain": of_domain}
    assert line["scope"] == {"project": {"id": project, "name": "engine", "domain": of_domain}}
    assert line["role"] == {"id": role, "name": "count"}
    (line,) = listed(client, f"group.id={group}&include_names")
    assert line["group"] == {"id": group, "name": "countesses", "domain": of_domain}
    assert line["scope"] == {"domain": of_domain}
    assert line["role"] == {"id": own, "name": "own", "domain": of_domain}
    assert listed(client, f"user.id={user}&include_names=0")[0]["user"] == {"id": user}


@pytest.mark.parametrize(
    "query",
    [
        "scope.project.id=p&scope.domain.id=d",
        "scope.project.id=p&scope.system=all",
        "scope.domain.id=d&scope.system=all",
        "user.id=u&group.id=g",
        "group.id=g&effective",
        "effective&scope.domain.id=d&scope.OS-INHERIT:inherited_to=projects",
        "include_subtree",
        "include_subtree=0",
    ],
)
def test_filters_that_contradict_each_other_are_refused(client: Caller, query: str) -> None:
    assert client.get(f"/v3/role_assignments?{query}").status == 400


def test_effective_ones_of_somebody_unknown(client: Caller) -> None:
    assert client.get("/v3/role_assignments?effective&user.id=nobody").status == 404
    assert client.get("/v3/role_assignments?effective&scope.project.id=nothing").status == 404
    assert client.get("/v3/role_assignments?scope.project.id=nothing&include_subtree").status == 404


def test_who_sees_what(client: Caller, identity: Identity, world: World) -> None:
    client.put(f"/v3/projects/{world.project}/users/{world.user}/roles/{world.upper}")
    client.put(f"/v3/system/users/{world.user}/roles/{world.upper}")
    reader = client.as_("ra" + world.domain, roles=("reader",), domain_id=world.domain)
    assert [line["scope"] for line in listed(reader, "")] == [{"project": {"id": world.project}}]
    stranger = client.as_("rs" + world.domain, roles=("reader",), domain_id=make.domain(identity))
    assert listed(stranger, "") == []
    tree = f"/v3/role_assignments?include_subtree&scope.project.id={world.project}"
    assert reader.get(tree).status == 200
    assert stranger.get(tree).status == 403
    assert client.as_("system_reader").get(tree).status == 200
    assert client.as_("member").get("/v3/role_assignments").status == 403


class Statements(list[str]):
    """The statements that a database was asked while it was watched."""


@pytest.fixture
def statements(identity: Identity) -> Iterator[Statements]:
    seen = Statements()

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        seen.append(statement)

    for engine in identity.db.engines:
        sa.event.listen(engine, "before_cursor_execute", note)
    yield seen
    for engine in identity.db.engines:
        sa.event.remove(engine, "before_cursor_execute", note)


def test_a_thousand_assignments_cost_a_handful_of_statements(
    client: Caller, identity: Identity, world: World, statements: Statements
) -> None:
    for _ in range(40):
        make.project(identity, world.domain, parent_id=world.project)
    members = [make.user(identity, world.domain) for _ in range(25)]
    group = make.group(identity, world.domain, *members)
    client.put(f"/v3/OS-INHERIT/domains/{world.domain}/groups/{group}/roles/{world.upper}/inherited_to_projects")
    statements.clear()
    found = listed(client, "effective&include_names")
    assert len(found) >= 25 * 42 * 2
    assert len(statements) <= 10
    statements.clear()
    assert len(listed(client, "include_names")) > 0
    assert len(statements) <= 6
