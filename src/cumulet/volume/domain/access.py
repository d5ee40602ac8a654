"""Whose a thing is, where rules alone do not say it: others' things are not found rather than forbidden."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import ApiError


def mine(ctx: Context, row: Row[Any], missing: ApiError) -> Row[Any]:
    """The row, for its project and administrators; raises `missing` for all others."""
    if row.project_id != ctx.project_id and not ctx.is_admin:
        raise missing
    return row
