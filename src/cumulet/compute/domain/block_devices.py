"""The disks of servers: one row each, and the short form in the server's own row that lists show."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.compute.tables import block_devices


def of_server(connection: Connection, server_id: str) -> list[Row[Any]]:
    """In the order in which they were asked for."""
    query = sa.select(block_devices).where(block_devices.c.server_id == server_id)
    return list(connection.execute(query.order_by(block_devices.c.created_at, block_devices.c.id)))
