"""Roles as trusts and application credentials name them: by id, or by a name of no domain."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.identity.domain.implications import RoleRef, expand
from cumulet.identity.tables import ROOT, roles
from cumulet.kernel.errors import NotFound


def resolve(connection: Connection, references: Sequence[tuple[str | None, str | None]]) -> list[str]:
    """The role ids of (id, name) pairs, each once, in order. One query. Raises NotFound for an unknown name."""
    names = [name for role_id, name in references if role_id is None and name is not None]
    known: dict[str, str] = {}
    if names:
        query = sa.select(roles.c.name, roles.c.id).where(roles.c.domain_id == ROOT, roles.c.name.in_(names))
        known = {row.name: row.id for row in connection.execute(query)}
    found: list[str] = []
    for role_id, name in references:
        wanted = role_id if role_id is not None else known.get(name or "")
        if wanted is None:
            raise NotFound(f"Role {name} is not defined")
        if wanted not in found:
            found.append(wanted)
    return found


def load(connection: Connection, role_ids: Sequence[str]) -> list[RoleRef]:
    """The roles that exist, in the order of `role_ids`. One query."""
    query = sa.select(roles.c.id, roles.c.name, roles.c.domain_id).where(roles.c.id.in_(list(role_ids)))
    found = {role_id: RoleRef(role_id, name, owner or None) for role_id, name, owner in connection.execute(query)}
    return [found[role_id] for role_id in role_ids if role_id in found]


def expanded(connection: Connection, role_ids: Sequence[str]) -> list[RoleRef]:
    """The roles that exist and all they imply, as a token has them."""
    return expand(connection, load(connection, role_ids))
