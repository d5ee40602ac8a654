"""where backups are and what their volumes were"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("backups", schema=None) as batch_op:
        batch_op.add_column(sa.Column("location", sa.String(length=255), nullable=True))
        batch_op.add_column(
            sa.Column(
                "volume_facts",
                sa.Text(length=16000000).with_variant(sa.Text(), "postgresql").with_variant(sa.Text(), "sqlite"),
                nullable=True,
            )
        )
