"""Who holds a volume: servers and hosts."""

from __future__ import annotations

import sqlalchemy as sa

from cumulet.kernel.columns import cascade, identifier, json_text, key, moment, name
from cumulet.volume.tables.base import table

attachments = table(
    "attachments",
    key(),
    identifier("volume_id", index=True),
    sa.Column("project_id", sa.String(255), nullable=False),
    identifier("instance_id", nullable=True, index=True),
    name("attached_host", nullable=True),
    sa.Column("mountpoint", sa.String(255)),
    sa.Column("attach_status", sa.String(32), nullable=False),  # reserved, attaching, attached, detaching, …
    sa.Column("attach_mode", sa.String(8)),
    json_text("connector", nullable=True),
    json_text("connection_info", nullable=True),
    moment("attached_at"),
    moment("detached_at"),
    moment("created_at", False),
    moment("updated_at"),
    cascade("volume_id", "volumes.id"),
    sa.Index("ix_attachments_project", "project_id", "created_at", "id"),
)
