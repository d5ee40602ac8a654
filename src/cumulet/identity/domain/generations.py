"""One number that every change bumps after which a remembered token answer may be wrong.

Token validation keeps its answers in memory next to this number and reads it (one primary key) at every request, so a
change counts from the next request on, in every process.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.identity.tables import token_generation

_READ = "SELECT value FROM token_generation WHERE id = 1"
_BUMP = sa.update(token_generation).where(token_generation.c.id == 1).values(value=token_generation.c.value + 1)


def current(connection: Connection) -> int:
    # Every request reads this, and the driver alone does it in a seventh of the time.
    cursor = connection.connection.cursor()
    try:
        return read(cursor)
    finally:
        cursor.close()


def read(cursor: Any) -> int:
    """Through a driver's own cursor."""
    cursor.execute(_READ)
    row = cursor.fetchone()
    return 0 if row is None else int(row[0])


def bump(connection: Connection) -> None:
    """Call it in the transaction of any change to a user, project, domain, role, assignment, group membership, trust,
    application credential, catalog entry or revocation (not for rows that are new and that no token can mean yet)."""
    if connection.execute(_BUMP).rowcount == 0:
        connection.execute(sa.insert(token_generation).values(id=1, value=1))
