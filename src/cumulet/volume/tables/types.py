"""Volume types, who may use the private ones, and the default type of a project."""

from __future__ import annotations

import sqlalchemy as sa

from cumulet.kernel.columns import cascade, flag, identifier, json_text, key, moment
from cumulet.volume.tables.base import table

volume_types = table(
    "volume_types",
    key(),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("description", sa.Text),
    flag("is_public"),
    json_text("extra_specs"),
    identifier("qos_specs_id", nullable=True, index=True),
    json_text("encryption", nullable=True),  # provider, cipher, key_size, control_location, encryption_id
    moment("created_at", False),
    moment("updated_at"),
    sa.Index("ix_volume_types_created", "created_at", "id"),
)
volume_type_projects = table(
    "volume_type_projects",
    key("volume_type_id"),
    sa.Column("project_id", sa.String(255), primary_key=True),
    cascade("volume_type_id", "volume_types.id"),
    sa.Index("ix_volume_type_projects_project", "project_id"),
)
default_types = table(
    "default_types",
    sa.Column("project_id", sa.String(255), primary_key=True),
    identifier("volume_type_id", index=True),
    moment("created_at", False),
)
