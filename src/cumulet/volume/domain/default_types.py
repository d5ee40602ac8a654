"""Which type the volumes of a project have when they name none (3.62)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.errors import NotFound
from cumulet.volume.service import Volume
from cumulet.volume.tables import default_types


def find(connection: Connection) -> list[Row[Any]]:
    return list(connection.execute(sa.select(default_types).order_by(default_types.c.project_id)))


def load(connection: Connection, project_id: str) -> Row[Any]:
    """Raises the 404."""
    row = connection.execute(sa.select(default_types).where(default_types.c.project_id == project_id)).first()
    if row is None:
        raise NotFound(f"Default type for project {project_id} not found.")
    return row


def set_default(volume: Volume, project_id: str, type_id: str) -> Row[Any]:
    with volume.db.write() as connection:
        connection.execute(sa.delete(default_types).where(default_types.c.project_id == project_id))
        values = {"project_id": project_id, "volume_type_id": type_id, "created_at": volume.now()}
        connection.execute(sa.insert(default_types).values(**values))
        return load(connection, project_id)


def unset(volume: Volume, project_id: str) -> None:
    with volume.db.write() as connection:
        connection.execute(sa.delete(default_types).where(default_types.c.project_id == project_id))
