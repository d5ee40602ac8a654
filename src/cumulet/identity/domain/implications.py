"""Which roles come with a role: the graph of implied roles, walked to its end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
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


Graph = Mapping[str, tuple[RoleRef, ...]]
"""Role id -> every role it implies, directly or through others, itself not among them."""

_EDGES = sa.select(implied_roles.c.prior_role_id, roles.c.id, roles.c.name, roles.c.domain_id).join(
    roles, roles.c.id == implied_roles.c.implied_role_id
)


def graph(connection: Connection) -> Graph:
    return per_generation(connection, "implications", _load)


def _load(connection: Connection) -> Graph:
    direct: dict[str, list[RoleRef]] = defaultdict(list)
    for prior, role_id, name, domain_id in connection.execute(_EDGES):
        direct[prior].append(RoleRef(role_id, name, domain_id or None))
    return {prior: _closure(prior, direct) for prior in tuple(direct)}


def _closure(start: str, direct: Mapping[str, list[RoleRef]]) -> tuple[RoleRef, ...]:
    found: dict[str, RoleRef] = {}
    waiting = [start]
    while waiting:
        for role in direct.get(waiting.pop(), ()):
            if role.id not in found and role.id != start:
                found[role.id] = role
                waiting.append(role.id)
    return tuple(found.values())


def expand(connection: Connection, held: Iterable[RoleRef]) -> list[RoleRef]:
    """`held` and all they imply, each once; roles of a domain only lend what they imply, as in the original."""
    implied = graph(connection)
    found: dict[str, RoleRef] = {}
    for role in held:
        found.setdefault(role.id, role)
        for other in implied.get(role.id, ()):
            found.setdefault(other.id, other)
    return [role for role in found.values() if role.domain_id is None]
