"""Volumes. A row holds all that a detailed list shows as ready JSON, so a list of any length is one query.

`attachments`, `metadata` and `image_metadata` repeat what stands in tables of their own (attachments, volume_metadata);
both are written in one transaction, only by the domain.
"""

from __future__ import annotations

import sqlalchemy as sa

from cumulet.kernel.columns import cascade, count, flag, identifier, json_text, key, moment, name
from cumulet.volume.tables.base import table

volumes = table(
    "volumes",
    key(),
    sa.Column("project_id", sa.String(255), nullable=False),
    name("user_id", nullable=True),
    name(nullable=True),
    sa.Column("description", sa.Text),
    count("size"),
    count("growing_gb"),  # what it is being extended by: counted against the quota already
    sa.Column("status", sa.String(64), nullable=False),
    sa.Column("previous_status", sa.String(64)),
    sa.Column("attach_status", sa.String(64), nullable=False),
    sa.Column("migration_status", sa.String(255)),
    identifier("name_id", nullable=True),  # under which name the back end knows it, after a migration
    sa.Column("availability_zone", sa.String(255)),
    sa.Column("host", sa.String(255)),  # HOST@BACKEND#POOL
    identifier("volume_type_id", nullable=True),
    identifier("snapshot_id", nullable=True),
    identifier("source_volid", nullable=True),
    identifier("group_id", nullable=True),
    identifier("encryption_key_id", nullable=True),
    identifier("service_uuid", nullable=True),
    flag("bootable", False),
    flag("encrypted", False),
    flag("multiattach", False),
    flag("consumes_quota"),  # not the second half of a migration, nor an image-volume cache's
    flag("shared_targets", False),
    sa.Column("provider_id", sa.String(255)),
    sa.Column("provider_location", sa.Text),
    sa.Column("replication_status", sa.String(36)),
    json_text("metadata"),
    json_text("admin_metadata"),
    json_text("image_metadata"),
    json_text("attachments"),
    json_text("scheduler_hints"),
    moment("created_at", False),
    moment("updated_at"),
    moment("launched_at"),
    moment("terminated_at"),
    sa.Column("generation", sa.Integer, nullable=False, default=0),  # of status changes: a job's end fits one of them
    sa.Index("ix_volumes_project", "project_id", "created_at", "id"),
    sa.Index("ix_volumes_created", "created_at", "id"),
    sa.Index("ix_volumes_quota", "project_id", "consumes_quota", "volume_type_id", "size", "growing_gb"),
    sa.Index("ix_volumes_host", "host", "size", "growing_gb"),
    sa.Index("ix_volumes_status", "status"),
    sa.Index("ix_volumes_type", "volume_type_id"),
    sa.Index("ix_volumes_snapshot", "snapshot_id"),
    sa.Index("ix_volumes_source", "source_volid"),
    sa.Index("ix_volumes_group", "group_id"),
    sa.Index("ix_volumes_name", "name"),
)
volume_metadata = table(
    # What a list can be filtered by.
    "volume_metadata",
    key("volume_id"),
    sa.Column("kind", sa.String(8), primary_key=True),  # user, image
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("value", sa.String(255), nullable=False),
    cascade("volume_id", "volumes.id"),
    sa.Index("ix_volume_metadata_key", "kind", "key"),
)
