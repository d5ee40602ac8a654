"""names of users, groups and projects are looked up"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("groups", schema=None) as batch_op:
        batch_op.create_index("ix_groups_name", ["name"], unique=False)

    with op.batch_alter_table("projects", schema=None) as batch_op:
        batch_op.create_index("ix_projects_name", ["name"], unique=False)

    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.create_index("ix_users_name", ["name"], unique=False)
