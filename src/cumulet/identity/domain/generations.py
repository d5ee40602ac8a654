"""One number that every change bumps after which a remembered token answer may be wrong.

Token validation keeps its answers in memory next to this number and reads it (one primary key) at every request, so a
change counts from the next request on, in every process.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.identity.tables import token_generation

_READ = sa.select(token_generation.c.value).where(token_generation.c.id == 1)
_BUMP = sa.update(token_generation).where(token_generation.c.id == 1).values(value=token_generation.c.value + 1)


def current(connection: Connection) -> int:
    return int(connection.execute(_READ).scalar() or 0)


def bump(connection: Connection) -> None:
    """Call it in the transaction of any change to a user, project, domain, role, assignment, group membership, trust,
    application credential, catalog entry or revocation (not for rows that are new and that no token can mean yet)."""
    if connection.execute(_BUMP).rowcount == 0:
        connection.execute(sa.insert(token_generation).values(id=1, value=1))
