"""Backups: where each is, what it was made of, and by which digest it is known again."""

from __future__ import annotations

import sqlalchemy as sa

from cumulet.kernel.columns import count, identifier, json_text, key, moment, name
from cumulet.volume.tables.base import table

backups = table(
    "backups",
    key(),
    identifier("volume_id", index=True),
    identifier("snapshot_id", nullable=True),
    identifier("parent_id", nullable=True, index=True),
    sa.Column("project_id", sa.String(255), nullable=False),
    name("user_id", nullable=True),
    name(nullable=True),
    sa.Column("description", sa.Text),
    sa.Column("status", sa.String(64), nullable=False),
    sa.Column("fail_reason", sa.String(255)),
    count("size"),
    sa.Column("object_count", sa.Integer),
    sa.Column("container", sa.String(255)),  # as its user sees it
    sa.Column("location", sa.String(255)),  # where its files are, below the directory of backups
    sa.Column("availability_zone", sa.String(255)),
    name("host", nullable=True),
    sa.Column("service", sa.String(255)),
    sa.Column("digest", sa.String(64)),
    identifier("encryption_key_id", nullable=True),
    identifier("restore_volume_id", nullable=True),
    sa.Column("previous_status", sa.String(64)),  # of the volume or snapshot it is made of
    json_text("metadata"),
    json_text("volume_facts", nullable=True),  # of the volume: metadata, image_metadata, bootable
    moment("data_timestamp"),
    moment("created_at", False),
    moment("updated_at"),
    sa.Index("ix_backups_project", "project_id", "created_at", "id"),
    sa.Index("ix_backups_created", "created_at", "id"),
)
