"""What users are told about work that failed."""

from __future__ import annotations

import sqlalchemy as sa

from cumulet.kernel.columns import identifier, key, moment
from cumulet.volume.tables.base import table

messages = table(
    "messages",
    key(),
    sa.Column("project_id", sa.String(255), nullable=False),
    sa.Column("request_id", sa.String(255)),
    sa.Column("resource_type", sa.String(36)),  # VOLUME, VOLUME_SNAPSHOT, VOLUME_BACKUP
    identifier("resource_uuid", nullable=True),
    sa.Column("action_id", sa.String(10), nullable=False),
    sa.Column("detail_id", sa.String(10), nullable=False),
    sa.Column("message_level", sa.String(16), nullable=False),
    moment("created_at", False),
    moment("expires_at", False),
    sa.Index("ix_messages_project", "project_id", "created_at", "id"),
    sa.Index("ix_messages_expires", "expires_at"),
)
