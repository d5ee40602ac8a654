"""Tags: kept in a table of their own for filters, and as JSON in their resource's row for showing."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.errors import NotFound
from cumulet.network.domain import base
from cumulet.network.service import Network
from cumulet.network.tables import resource_tags


def of(row: Row[Any]) -> list[str]:
    tags: list[str] = base.from_json(row.tags)
    return tags


def require(tags: list[str], tag: str) -> None:
    """Raises the 404 of a tag that is not there."""
    if tag not in tags:
        raise NotFound(f"Tag {tag} could not be found.", code="TagNotFound")


def store(network: Network, connection: Connection, table: sa.Table, identifier: str, tags: list[str]) -> None:
    """Let these be a resource's tags."""
    base.forget_tags(connection, identifier)
    if tags:
        connection.execute(sa.insert(resource_tags), [{"resource_id": identifier, "tag": tag} for tag in tags])
    base.change(network, connection, table, identifier, tags=base.to_json(tags))
