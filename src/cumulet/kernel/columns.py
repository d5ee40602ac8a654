"""The kinds of columns every service's tables are made of, so that they mean the same on every database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

_LONG = sa.Text(16_000_000).with_variant(sa.Text(), "sqlite", "postgresql")


def tables_of(metadata: sa.MetaData) -> Callable[..., sa.Table]:
    """`table(name, *columns)` in `metadata`; text compares by its bytes on MariaDB as it does elsewhere."""

    def table(name: str, *parts: Any) -> sa.Table:
        created: sa.Table = sa.Table(
            name,
            metadata,
            *parts,
            mysql_engine="InnoDB",
            mysql_charset="utf8mb4",
            mysql_collate="utf8mb4_bin",
            mariadb_engine="InnoDB",
            mariadb_charset="utf8mb4",
            mariadb_collate="utf8mb4_bin",
        )
        return created

    return table


def key(name: str = "id") -> sa.Column[str]:
    """An identifier in the primary key."""
    return sa.Column(name, sa.String(64), primary_key=True)


def identifier(name: str = "id", *, nullable: bool = False, **rest: Any) -> sa.Column[str]:
    """An identifier of something, in this table or another service."""
    return sa.Column(name, sa.String(64), nullable=nullable, **rest)


def moment(name: str, nullable: bool = True, **rest: Any) -> sa.Column[int]:
    """A time: microseconds since 1970 UTC (kernel.clock)."""
    return sa.Column(name, sa.BigInteger, nullable=nullable, **rest)


def json_text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    """JSON as text, up to 16 MB."""
    return sa.Column(name, _LONG, nullable=nullable)


def flag(name: str, default: bool = True) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False, default=default)


def name(column: str = "name", *, nullable: bool = False) -> sa.Column[Any]:
    """A text of up to 255 characters."""
    return sa.Column(column, sa.String(255), nullable=nullable)


def count(column: str, default: int = 0) -> sa.Column[int]:
    """A number of 32 bits that is always there."""
    return sa.Column(column, sa.Integer, nullable=False, default=default)


def cascade(column: str, target: str) -> sa.ForeignKeyConstraint:
    """The row goes with the row that `column` names. `target`: `servers.id`."""
    return sa.ForeignKeyConstraint([column], [target], ondelete="CASCADE")
