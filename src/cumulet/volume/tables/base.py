"""What every table of Volume is made with. Times are microseconds since 1970 UTC, sizes GiB."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cumulet.kernel.columns import tables_of
from cumulet.kernel.jobs import jobs_table

metadata = sa.MetaData()
table = tables_of(metadata)
jobs = jobs_table(metadata)


def name(column: str = "name", nullable: bool = True) -> sa.Column[Any]:
    return sa.Column(column, sa.String(255), nullable=nullable)


def count(column: str, default: int = 0) -> sa.Column[int]:
    return sa.Column(column, sa.Integer, nullable=False, default=default)


def cascade(column: str, target: str) -> sa.ForeignKeyConstraint:
    """The row goes with the row that `column` names."""
    return sa.ForeignKeyConstraint([column], [target], ondelete="CASCADE")
