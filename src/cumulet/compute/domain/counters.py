"""Numbers handed out in order, each once."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.compute.tables import counters
from cumulet.kernel.upsert import insert_if_absent


def next_number(connection: Connection, name: str, amount: int = 1) -> int:
    """The first of `amount` new numbers; the row stays locked until the transaction ends."""
    mine = counters.c.name == name
    if connection.execute(sa.update(counters).where(mine).values(value=counters.c.value + amount)).rowcount == 0:
        if insert_if_absent(connection, counters, {"name": name, "value": amount}):
            return 1
        connection.execute(sa.update(counters).where(mine).values(value=counters.c.value + amount))
    return int(connection.execute(sa.select(counters.c.value).where(mine)).scalar_one()) - amount + 1
