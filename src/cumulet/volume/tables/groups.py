"""Groups of volumes, their types and snapshots."""

from __future__ import annotations

import sqlalchemy as sa

from cumulet.kernel.columns import flag, identifier, json_text, key, moment, name
from cumulet.volume.tables.base import table

group_types = table(
    "group_types",
    key(),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("description", sa.Text),
    flag("is_public"),
    json_text("group_specs"),
    moment("created_at", False),
    moment("updated_at"),
)
groups = table(
    "groups_",  # GROUPS is a word of SQL's
    key(),
    sa.Column("project_id", sa.String(255), nullable=False),
    name("user_id", nullable=True),
    name(nullable=True),
    sa.Column("description", sa.Text),
    sa.Column("status", sa.String(64), nullable=False),
    sa.Column("availability_zone", sa.String(255)),
    sa.Column("host", sa.String(255)),
    identifier("group_type_id", index=True),
    json_text("volume_types"),  # ids
    identifier("group_snapshot_id", nullable=True),
    identifier("source_group_id", nullable=True),
    sa.Column("replication_status", sa.String(36)),
    moment("created_at", False),
    moment("updated_at"),
    sa.Index("ix_groups_project", "project_id", "created_at", "id"),
)
group_snapshots = table(
    "group_snapshots",
    key(),
    identifier("group_id", index=True),
    identifier("group_type_id", nullable=True),
    sa.Column("project_id", sa.String(255), nullable=False),
    name("user_id", nullable=True),
    name(nullable=True),
    sa.Column("description", sa.Text),
    sa.Column("status", sa.String(64), nullable=False),
    moment("created_at", False),
    moment("updated_at"),
    sa.Index("ix_group_snapshots_project", "project_id", "created_at", "id"),
)
