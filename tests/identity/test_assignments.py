"""Effective roles: the queries against a model that walks everything by hand, over random clouds."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

import hypothesis.strategies as st
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings

from cumulet.identity import tables
from cumulet.identity.domain import assignments, generations, role_assignments
from cumulet.identity.domain.assignments import EVERYTHING
from cumulet.identity.domain.role_assignments import Wanted
from cumulet.identity.service import Identity
from cumulet.identity.tables import DOMAIN, GROUP, PROJECT, SYSTEM, USER

_WORLDS = count()
Grant = tuple[str, int, str, int, int, bool]
"""(actor type, actor, target type, target, role, inherited)"""


@dataclass
class World:
    """Things are numbers. Projects: number -> its parent project, None right under its domain."""

    domains: int
    projects: list[tuple[int, int | None]]  # (domain, parent)
    users: int
    groups: list[set[int]]  # members
    roles: list[int | None]  # the domain a role is of
    implies: set[tuple[int, int]]
    grants: set[Grant]
    name: str = field(default_factory=lambda: f"w{next(_WORLDS)}-")

    def above(self, project: int) -> list[tuple[str, int]]:
        domain, parent = self.projects[project]
        found = []
        while parent is not None:
            found.append((PROJECT, parent))
            parent = self.projects[parent][1]
        return [*found, (DOMAIN, domain)]

    def roles_of(self, user: int, target_type: str, target: int) -> set[int]:
        actors = {(USER, user)} | {(GROUP, number) for number, members in enumerate(self.groups) if user in members}
        above = self.above(target) if target_type == PROJECT else []
        held = {
            role
            for actor_type, actor, kind, place, role, inherited in self.grants
            if (actor_type, actor) in actors
            and (((kind, place) == (target_type, target) and not inherited) or ((kind, place) in above and inherited))
        }
        while True:
            more = {implied for prior, implied in self.implies if prior in held} - held
            if not more:
                return {role for role in held if self.roles[role] is None}
            held |= more

    def places(self) -> list[tuple[str, int]]:
        return [
            *((PROJECT, number) for number in range(len(self.projects))),
            *((DOMAIN, number) for number in range(self.domains)),
            (SYSTEM, 0),
        ]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    domains = draw(st.integers(1, 2))
    projects: list[tuple[int, int | None]] = []
    for number in range(draw(st.integers(1, 6))):
        parent = draw(st.none() | st.integers(0, number - 1)) if number else None
        projects.append((draw(st.integers(0, domains - 1)) if parent is None else projects[parent][0], parent))
    users = draw(st.integers(1, 3))
    groups = draw(st.lists(st.sets(st.integers(0, users - 1)), max_size=2))
    roles = draw(st.lists(st.none() | st.integers(0, domains - 1), min_size=1, max_size=5))
    role = st.integers(0, len(roles) - 1)
    implies = draw(st.sets(st.tuples(role, role), max_size=7))
    actor = st.tuples(st.just(USER), st.integers(0, users - 1))
    if groups:
        actor |= st.tuples(st.just(GROUP), st.integers(0, len(groups) - 1))
    target = st.one_of(
        st.tuples(st.just(PROJECT), st.integers(0, len(projects) - 1), st.booleans()),
        st.tuples(st.just(DOMAIN), st.integers(0, domains - 1), st.booleans()),
        st.just((SYSTEM, 0, False)),
    )
    grant = st.builds(lambda who, where, what: (*who, *where[:2], what, where[2]), actor, target, role)
    return World(domains, projects, users, groups, roles, implies, draw(st.sets(grant, max_size=10)))


def store(identity: Identity, world: World) -> None:
    """The world's rows under names of its own, so that worlds do not meet."""

    def name(kind: str, number: int | None) -> str:
        return f"{world.name}{kind}{number}"

    blank = {"options": "{}", "extra": "{}"}
    domain_rows = [
        {"id": name("D", n), "name": name("D", n), "domain_id": "", "parent_id": None, "is_domain": True, **blank}
        for n in range(world.domains)
    ]
    project_rows = [
        {
            "id": name("P", n),
            "name": name("P", n),
            "domain_id": name("D", domain),
            "parent_id": name("D", domain) if parent is None else name("P", parent),
            "is_domain": False,
            **blank,
        }
        for n, (domain, parent) in enumerate(world.projects)
    ]
    user_rows = [{"id": name("U", n), "name": name("U", n), "domain_id": "d", **blank} for n in range(world.users)]
    group_rows = [{"id": name("G", n), "name": name("G", n), "domain_id": "d", "extra": "{}"} for n in range(9)]
    member_rows = [
        {"user_id": name("U", user), "group_id": name("G", group)}
        for group, members in enumerate(world.groups)
        for user in members
    ]
    role_rows = [
        {"id": name("R", n), "name": name("R", n), "domain_id": "" if owner is None else name("D", owner), **blank}
        for n, owner in enumerate(world.roles)
    ]
    implied_rows = [
        {"prior_role_id": name("R", prior), "implied_role_id": name("R", implied)} for prior, implied in world.implies
    ]
    grant_rows = [
        {
            "actor_type": actor_type,
            "actor_id": name(actor_type, actor),
            "target_type": target_type,
            "target_id": EVERYTHING if target_type == SYSTEM else name(target_type, target),
            "role_id": name("R", role),
            "inherited": inherited,
        }
        for actor_type, actor, target_type, target, role, inherited in world.grants
    ]
    with identity.db.write() as connection:
        for table, rows in (
            (tables.projects, domain_rows + project_rows),
            (tables.users, user_rows),
            (tables.groups, group_rows),
            (tables.memberships, member_rows),
            (tables.roles, role_rows),
            (tables.implied_roles, implied_rows),
            (tables.assignments, grant_rows),
        ):
            if rows:
                connection.execute(sa.insert(table), rows)
        generations.bump(connection)


@given(world=worlds())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_effective_roles_are_those_of_the_model(identity: Identity, world: World) -> None:
    store(identity, world)
    with identity.db.read() as connection:
        listed = role_assignments.find(connection, Wanted(effective=True))
        listed += role_assignments.find(connection, Wanted(effective=True, system=True))
        resolved = {(line.actor_id, line.target_type, line.target_id, line.role_id) for line in listed}
        for user in range(world.users):
            user_id = f"{world.name}U{user}"
            targets = assignments.targets_of(connection, user_id)
            for target_type, target in world.places():
                target_id = EVERYTHING if target_type == SYSTEM else f"{world.name}{target_type}{target}"
                expected = {f"{world.name}R{role}" for role in world.roles_of(user, target_type, target)}
                scope = {
                    PROJECT: {"project_id": target_id},
                    DOMAIN: {"domain_id": target_id},
                    SYSTEM: {"system": True},
                }[target_type]
                found = assignments.effective_roles(connection, user_id, **scope)
                assert {role.id for role in found} == expected
                assert len(found) == len(expected)
                in_list = {
                    role for who, *where, role in resolved if who == user_id and where == [target_type, target_id]
                }
                assert in_list == expected
                if expected:
                    has = {PROJECT: targets.projects, DOMAIN: targets.domains, SYSTEM: {EVERYTHING}}[target_type]
                    assert target_id in has
                    assert targets.system or target_type != SYSTEM


@given(world=worlds())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_filtered_effective_lists_are_parts_of_the_whole_one(identity: Identity, world: World) -> None:
    store(identity, world)
    with identity.db.read() as connection:
        whole = [
            line for line in role_assignments.find(connection, Wanted(effective=True)) if world.name in line.actor_id
        ]
        for user in range(world.users):
            user_id = f"{world.name}U{user}"
            by_user = role_assignments.find(connection, Wanted(effective=True, user_id=user_id))
            assert _sorted(by_user) == _sorted(line for line in whole if line.actor_id == user_id)
        for number in range(len(world.projects)):
            project_id = f"{world.name}P{number}"
            by_project = role_assignments.find(connection, Wanted(effective=True, project_id=project_id))
            assert _sorted(by_project) == _sorted(line for line in whole if line.target_id == project_id)
            subtree = {
                f"{world.name}P{below}"
                for below in range(len(world.projects))
                if below == number or (PROJECT, number) in world.above(below)
            }
            in_tree = role_assignments.find(connection, Wanted(effective=True, project_id=project_id, subtree=True))
            assert _sorted(in_tree) == _sorted(line for line in whole if line.target_id in subtree)


def _sorted(lines: object) -> list[str]:
    return sorted(str(line) for line in lines)  # type: ignore[attr-defined]
