"""Implications between roles: who has the prior role has the implied one too."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from cumulet.identity.domain import generations, roles
from cumulet.identity.service import Identity
from cumulet.identity.tables import implied_roles
from cumulet.identity.tables import roles as roles_table
from cumulet.kernel.db import violates_unique
from cumulet.kernel.errors import Conflict, Forbidden, NotFound

Inference = tuple[roles.Role, list[roles.Role]]
"""A prior role and the roles it implies directly."""


def find(identity: Identity, prior_role_id: str) -> Inference:
    """Raises NotFound for the prior role."""
    query = (
        sa.select(roles_table)
        .join(implied_roles, implied_roles.c.implied_role_id == roles_table.c.id)
        .where(implied_roles.c.prior_role_id == prior_role_id)
        .order_by(roles_table.c.id)
    )
    with identity.db.read() as connection:
        prior = roles.load(connection, prior_role_id)
        return prior, [roles.role_of(row) for row in connection.execute(query)]


def find_all(identity: Identity) -> list[Inference]:
    """Every prior role with what it implies, sorted by id. Two queries."""
    edges = sa.select(implied_roles).order_by(implied_roles.c.prior_role_id, implied_roles.c.implied_role_id)
    either = sa.union(sa.select(implied_roles.c.prior_role_id), sa.select(implied_roles.c.implied_role_id))
    known = sa.select(roles_table).where(roles_table.c.id.in_(sa.select(either.subquery().c[0])))
    with identity.db.read() as connection:
        by_id = {row.id: roles.role_of(row) for row in connection.execute(known)}
        found: dict[str, list[roles.Role]] = {}
        for prior_id, implied_id in connection.execute(edges):
            if prior_id in by_id and implied_id in by_id:
                found.setdefault(prior_id, []).append(by_id[implied_id])
        return [(by_id[prior_id], implied) for prior_id, implied in found.items()]


def show(identity: Identity, prior_role_id: str, implied_role_id: str) -> tuple[roles.Role, roles.Role]:
    """Raises NotFound for either role or when the one does not imply the other."""
    with identity.db.read() as connection:
        return _load(connection, prior_role_id, implied_role_id)


def _load(connection: Connection, prior_role_id: str, implied_role_id: str) -> tuple[roles.Role, roles.Role]:
    prior, implied = roles.load(connection, prior_role_id), roles.load(connection, implied_role_id)
    if connection.execute(sa.select(implied_roles).where(_edge(prior_role_id, implied_role_id))).first() is None:
        raise _does_not_imply(prior_role_id, implied_role_id)
    return prior, implied


def _edge(prior_role_id: str, implied_role_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(implied_roles.c.prior_role_id == prior_role_id, implied_roles.c.implied_role_id == implied_role_id)


def _does_not_imply(prior_role_id: str, implied_role_id: str) -> NotFound:
    return NotFound(f"{prior_role_id} does not imply {implied_role_id}.")


def create(identity: Identity, prior_role_id: str, implied_role_id: str) -> tuple[roles.Role, roles.Role]:
    """Raises NotFound for either role, Conflict when it is so already, Forbidden where it must not be.

    A role named in [assignment] prohibited_implied_role is never implied, nor a domain's role by a role of no domain.
    """
    prohibited: list[str] = identity.conf.assignment.prohibited_implied_role
    row: dict[str, Any] = {"prior_role_id": prior_role_id, "implied_role_id": implied_role_id}
    try:
        with identity.db.write() as connection:
            implied, prior = roles.load(connection, implied_role_id), roles.load(connection, prior_role_id)
            if implied["name"] in prohibited or (implied["domain_id"] and not prior["domain_id"]):
                raise Forbidden(f"{implied_role_id} cannot be an implied roles.")
            connection.execute(sa.insert(implied_roles).values(**row))
            generations.bump(connection)
            return prior, implied
    except IntegrityError as error:
        if not violates_unique(error):
            raise
        raise Conflict("Conflict occurred attempting to store implied_role - Duplicate entry.") from None


def delete(identity: Identity, prior_role_id: str, implied_role_id: str) -> None:
    """Raises NotFound for either role or when the one does not imply the other."""
    with identity.db.write() as connection:
        _load(connection, prior_role_id, implied_role_id)
        connection.execute(sa.delete(implied_roles).where(_edge(prior_role_id, implied_role_id)))
        generations.bump(connection)
