"""Snapshots of volumes."""

from __future__ import annotations

import sqlalchemy as sa

from cumulet.kernel.columns import cascade, count, flag, identifier, json_text, key, moment, name
from cumulet.volume.tables.base import table

snapshots = table(
    "snapshots",
    key(),
    identifier("volume_id"),
    sa.Column("project_id", sa.String(255), nullable=False),
    name("user_id", nullable=True),
    name(nullable=True),
    sa.Column("description", sa.Text),
    sa.Column("status", sa.String(64), nullable=False),
    sa.Column("progress", sa.String(16)),
    count("volume_size"),
    identifier("volume_type_id", nullable=True),
    identifier("group_snapshot_id", nullable=True),
    identifier("encryption_key_id", nullable=True),
    flag("consumes_quota"),
    sa.Column("provider_id", sa.String(255)),
    sa.Column("provider_location", sa.Text),
    json_text("metadata"),
    moment("created_at", False),
    moment("updated_at"),
    sa.Column("generation", sa.Integer, nullable=False, default=0),
    sa.ForeignKeyConstraint(["volume_id"], ["volumes.id"]),
    sa.Index("ix_snapshots_volume", "volume_id", "created_at"),
    sa.Index("ix_snapshots_project", "project_id", "created_at", "id"),
    sa.Index("ix_snapshots_quota", "project_id", "consumes_quota", "volume_type_id", "volume_size"),
    sa.Index("ix_snapshots_created", "created_at", "id"),
    sa.Index("ix_snapshots_group", "group_snapshot_id"),
)
snapshot_metadata = table(
    "snapshot_metadata",
    key("snapshot_id"),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("value", sa.String(255), nullable=False),
    cascade("snapshot_id", "snapshots.id"),
    sa.Index("ix_snapshot_metadata_key", "key"),
)
