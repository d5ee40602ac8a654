"""Limits. What is used is counted from live rows; `quota_locks` has one row a project, locked while it is counted."""

from __future__ import annotations

import sqlalchemy as sa

from cumulet.volume.tables.base import table

quotas = table(
    "quotas",
    sa.Column("project_id", sa.String(255), primary_key=True),
    sa.Column("resource", sa.String(255), primary_key=True),
    sa.Column("limit", sa.Integer, nullable=False),
)
quota_classes = table(
    "quota_classes",
    sa.Column("class_name", sa.String(255), primary_key=True),
    sa.Column("resource", sa.String(255), primary_key=True),
    sa.Column("limit", sa.Integer, nullable=False),
)
quota_locks = table("quota_locks", sa.Column("project_id", sa.String(255), primary_key=True))
