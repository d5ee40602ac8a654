"""Volumes on their way to another project. The authentication key is kept as a salted hash."""

from __future__ import annotations

import sqlalchemy as sa

from cumulet.kernel.columns import cascade, flag, identifier, key, moment, name
from cumulet.volume.tables.base import table

transfers = table(
    "transfers",
    key(),
    identifier("volume_id", index=True),
    name(nullable=True),
    sa.Column("salt", sa.String(64), nullable=False),
    sa.Column("key_hash", sa.String(128), nullable=False),
    sa.Column("source_project_id", sa.String(255), nullable=False),
    sa.Column("destination_project_id", sa.String(255)),
    flag("no_snapshots", False),
    flag("accepted", False),
    moment("created_at", False),
    cascade("volume_id", "volumes.id"),
    sa.Index("ix_transfers_created", "created_at", "id"),
)
