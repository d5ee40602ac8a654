"""Volume's services (back ends, scheduler, backup) and the pools that back ends report."""

from __future__ import annotations

import sqlalchemy as sa

from cumulet.kernel.columns import flag, json_text, key, moment, name
from cumulet.volume.tables.base import table

volume_services = table(
    "volume_services",
    key(),
    sa.Column("binary", sa.String(64), nullable=False),  # cinder-volume, cinder-scheduler, cinder-backup
    name("host"),  # HOST@BACKEND of a back end, else HOST
    name("availability_zone"),
    flag("disabled", False),
    sa.Column("disabled_reason", sa.String(255)),
    flag("frozen", False),
    sa.Column("replication_status", sa.String(36), nullable=False, default="disabled"),
    sa.Column("active_backend_id", sa.String(255)),
    sa.Column("backend_state", sa.String(16)),
    json_text("log_levels"),  # prefix -> level
    moment("created_at", False),
    moment("updated_at"),
    moment("last_seen_at"),
    sa.UniqueConstraint("host", "binary", name="uq_volume_services"),
)
pools = table(
    "pools",
    sa.Column("name", sa.String(255), primary_key=True),  # HOST@BACKEND#POOL
    sa.Column("backend", sa.String(255), nullable=False, index=True),  # HOST@BACKEND
    json_text("capabilities"),  # as reported
    moment("reported_at", False),
)
