"""Memberships: which users are in which groups."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from cumulet.identity.domain import generations, groups, revocations, users
from cumulet.identity.service import Identity
from cumulet.identity.tables import memberships
from cumulet.kernel.db import violates_unique
from cumulet.kernel.errors import NotFound

_BOTH = sa.and_(
    memberships.c.group_id == sa.bindparam("group_id"),
    memberships.c.user_id == sa.bindparam("user_id"),
)
_FIND = sa.select(memberships.c.user_id).where(_BOTH)
_DELETE = sa.delete(memberships).where(_BOTH)


def exists(connection: Connection, group_id: str, user_id: str) -> bool:
    return connection.execute(_FIND, {"group_id": group_id, "user_id": user_id}).first() is not None


def check(identity: Identity, group_id: str, user_id: str) -> None:
    """Raises NotFound for the user, the group, or a user who is not in it."""
    with identity.db.read() as connection:
        _check_both(connection, group_id, user_id)
        if not exists(connection, group_id, user_id):
            raise _absent(group_id, user_id)


def _check_both(connection: Connection, group_id: str, user_id: str) -> None:
    users.load(connection, user_id)
    groups.load(connection, group_id)


def _absent(group_id: str, user_id: str) -> NotFound:
    return NotFound(f"User '{user_id}' not found in group '{group_id}'")


def add(identity: Identity, group_id: str, user_id: str) -> None:
    """A user who is in the group stays in it. Raises NotFound for the user or the group."""
    try:
        with identity.db.write() as connection:
            _check_both(connection, group_id, user_id)
            if not exists(connection, group_id, user_id):
                connection.execute(sa.insert(memberships).values(group_id=group_id, user_id=user_id))
                generations.bump(connection)
    except IntegrityError as error:
        if violates_unique(error):
            return  # another request has just added the user
        with identity.db.read() as connection:
            _check_both(connection, group_id, user_id)  # one of them was deleted meanwhile
        raise


def remove(identity: Identity, group_id: str, user_id: str) -> None:
    """Ends the user's tokens: their roles may be the group's. Raises NotFound."""
    with identity.db.write() as connection:
        _check_both(connection, group_id, user_id)
        if connection.execute(_DELETE, {"group_id": group_id, "user_id": user_id}).rowcount == 0:
            raise _absent(group_id, user_id)
        revocations.revoke(connection, user_id=user_id)
