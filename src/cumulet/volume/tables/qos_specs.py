"""Limits that volume types carry to the hypervisor or the back end."""

from __future__ import annotations

import sqlalchemy as sa

from cumulet.kernel.columns import json_text, key, moment
from cumulet.volume.tables.base import table

qos_specs = table(
    "qos_specs",
    key(),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("consumer", sa.String(16), nullable=False),  # front-end, back-end, both
    json_text("specs"),
    moment("created_at", False),
    moment("updated_at"),
    sa.Index("ix_qos_specs_created", "created_at", "id"),
)
