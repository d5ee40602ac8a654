"""Which roles come with a role: the graph of implied roles, walked to its end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.identity.domain.remembered import per_generation
from cumulet.identity.tables import implied_roles, roles


class RoleRef(NamedTuple):
    """A role as tokens name it; `domain_id` is None for a role of no domain."""

    id: str
    name: str
    domain_id: str | None


class Graph:
    """The implications as they were at one generation, walked on demand and remembered."""

    def __init__(self, direct: Mapping[str, Sequence[RoleRef]]) -> None:
        self._direct = direct
        self._walked: dict[str, tuple[tuple[str, RoleRef], ...]] = {}

    def implied_by(self, role_id: str) -> tuple[tuple[str, RoleRef], ...]:
        """(the role that implies it directly, the implied role), each implied role once, `role_id` itself never."""
        walked = self._walked.get(role_id)
        if walked is None:
            walked = self._walked[role_id] = self._walk(role_id)
        return walked

    def _walk(self, start: str) -> tuple[tuple[str, RoleRef], ...]:
        found: dict[str, tuple[str, RoleRef]] = {}
        waiting = [start]
        while waiting:
            prior = waiting.pop()
            for role in self._direct.get(prior, ()):
                if role.id not in found and role.id != start:
                    found[role.id] = (prior, role)
                    waiting.append(role.id)
        return tuple(found.values())


_EDGES = sa.select(implied_roles.c.prior_role_id, roles.c.id, roles.c.name, roles.c.domain_id).join(
    roles, roles.c.id == implied_roles.c.implied_role_id
)


def graph(connection: Connection) -> Graph:
    return per_generation(connection, "implications", _load)


def _load(connection: Connection) -> Graph:
    direct: dict[str, list[RoleRef]] = defaultdict(list)
    for prior, role_id, name, domain_id in connection.execute(_EDGES):
        direct[prior].append(RoleRef(role_id, name, domain_id or None))
    return Graph(dict(direct))


def expand(connection: Connection, held: Iterable[RoleRef]) -> list[RoleRef]:
    """`held` and all they imply, each once; roles of a domain only lend what they imply, as in the original."""
    implied = graph(connection)
    found: dict[str, RoleRef] = {}
    for role in held:
        found.setdefault(role.id, role)
        for _, other in implied.implied_by(role.id):
            found.setdefault(other.id, other)
    return [role for role in found.values() if role.domain_id is None]
