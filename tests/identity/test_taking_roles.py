"""After a role is taken, whichever way the user had it, the token is over from the next request on, everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.identity import make
from tests.identity.login import DEFAULT, Cloud

DIRECT = "/v3/projects/{0.project}/users/{0.user}/roles/{0.role}"
WAYS = {
    "project": (DIRECT, "project"),
    "project, by group": ("/v3/projects/{0.project}/groups/{0.group}/roles/{0.role}", "project"),
    "project above": (
        "/v3/OS-INHERIT/projects/{0.parent}/users/{0.user}/roles/{0.role}/inherited_to_projects",
        "project",
    ),
    "project above, by group": (
        "/v3/OS-INHERIT/projects/{0.parent}/groups/{0.group}/roles/{0.role}/inherited_to_projects",
        "project",
    ),
    "its domain": (
        "/v3/OS-INHERIT/domains/{0.domain}/users/{0.user}/roles/{0.role}/inherited_to_projects",
        "project",
    ),
    "domain": ("/v3/domains/{0.domain}/users/{0.user}/roles/{0.role}", "domain"),
    "domain, by group": ("/v3/domains/{0.domain}/groups/{0.group}/roles/{0.role}", "domain"),
    "system": ("/v3/system/users/{0.user}/roles/{0.role}", "system"),
    "system, by group": ("/v3/system/groups/{0.group}/roles/{0.role}", "system"),
}


class World(NamedTuple):
    cloud: Cloud
    domain: str
    parent: str
    project: str
    user: str
    name: str
    group: str
    role: str

    def ask(self, method: str, path: str, body: Any = None) -> int:
        answer = self.cloud.client.request(method, path.format(self), token=self.cloud.admin_token, json=body)
        return answer.status

    def token(self, kind: str) -> str:
        scopes: dict[str, Any] = {
            "project": {"project": {"id": self.project}},
            "domain": {"domain": {"id": self.domain}},
            "system": {"system": {"all": True}},
        }
        return self.cloud.token(self.name, scope=scopes[kind])


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> World:
    cloud = Cloud(database_url, tmp_path)
    identity, user = cloud.identity, cloud.user()
    domain = make.domain(identity)
    parent = make.project(identity, domain)
    project = make.project(identity, domain, parent_id=parent)
    group = make.group(identity, DEFAULT, user.id)
    return World(cloud, domain, parent, project, user.id, user.name, group, cloud.roles["member"])


@pytest.mark.parametrize("way", WAYS)
def test_the_token_is_over_from_the_next_request_on(world: World, way: str) -> None:
    path, kind = WAYS[way]
    other = world.cloud.another_process()
    assert world.ask("PUT", path) == 204
    token = world.token(kind)
    assert world.cloud.works(token)
    assert world.cloud.works(token, other)
    assert world.ask("DELETE", path) == 204
    assert not world.cloud.works(token)
    assert not world.cloud.works(token, other)


@pytest.mark.parametrize("way", ["project", "project, by group"])
def test_a_role_given_again_does_not_bring_the_token_back(world: World, way: str) -> None:
    path, kind = WAYS[way]
    world.ask("PUT", path)
    token = world.token(kind)
    world.ask("DELETE", path)
    world.ask("PUT", path)
    assert not world.cloud.works(token)
    assert world.cloud.works(world.token(kind))


def test_the_token_is_over_when_the_role_is_deleted(world: World) -> None:
    made = world.cloud.client.post("/v3/roles", {"role": {"name": "brief"}}, token=world.cloud.admin_token)
    brief = world._replace(role=made.json()["role"]["id"])
    brief.ask("PUT", DIRECT)
    token = brief.token("project")
    assert brief.ask("DELETE", "/v3/roles/{0.role}") == 204
    assert not world.cloud.works(token)


def test_a_token_loses_at_once_what_is_no_longer_implied(world: World) -> None:
    """`member` implies `reader`."""
    world.ask("PUT", DIRECT)
    token, other = world.token("project"), world.cloud.another_process()

    def names() -> set[str]:
        answer = other.get("/v3/auth/tokens", token=token, headers={"X-Subject-Token": token})
        return {role["name"] for role in answer.json()["token"]["roles"]}

    assert names() == {"member", "reader"}
    implication = f"/v3/roles/{world.role}/implies/{world.cloud.roles['reader']}"
    assert world.ask("DELETE", implication) == 204
    assert names() == {"member"}
    assert world.ask("PUT", implication) == 201
    assert names() == {"member", "reader"}


def test_leaving_a_group_takes_its_roles(world: World) -> None:
    world.ask("PUT", WAYS["project, by group"][0])
    token = world.token("project")
    assert world.ask("DELETE", "/v3/groups/{0.group}/users/{0.user}") == 204
    assert not world.cloud.works(token)
