"""Passphrases of encrypted volumes, sealed with a key that is not in the database."""

from __future__ import annotations

import sqlalchemy as sa

from cumulet.kernel.columns import key, moment
from cumulet.volume.tables.base import table

encryption_keys = table(
    "encryption_keys",
    key(),
    sa.Column("project_id", sa.String(255), nullable=False),
    sa.Column("sealed", sa.Text, nullable=False),
    moment("created_at", False),
)
