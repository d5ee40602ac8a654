"""rules of new groups"""

from __future__ import annotations

import time
import uuid

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What a cloud's security groups begin with: everything out, and in a default group in from its own members."""
    table = sa.table(
        "default_security_group_rules",
        *(sa.column(name) for name in ("id", "project_id", "description", "tags", "direction", "ethertype")),
        *(sa.column(name) for name in ("revision_number", "created_at", "updated_at", "remote_group_id")),
        sa.column("used_in_default_sg", sa.Boolean),
        sa.column("used_in_non_default_sg", sa.Boolean),
    )
    counter = sa.table("state_generation", sa.column("id", sa.Integer), sa.column("value", sa.BigInteger))
    op.bulk_insert(counter, [{"id": 1, "value": 0}])
    now = time.time_ns() // 1000
    op.bulk_insert(
        table,
        [
            {
                "id": str(uuid.uuid4()),
                "project_id": "",
                "description": "",
                "tags": "[]",
                "revision_number": 0,
                "created_at": now + position,
                "updated_at": now + position,
                "direction": direction,
                "ethertype": ethertype,
                "remote_group_id": "PARENT" if direction == "ingress" else None,
                "used_in_default_sg": True,
                "used_in_non_default_sg": direction == "egress",
            }
            for position, (direction, ethertype) in enumerate(
                (("egress", "IPv4"), ("egress", "IPv6"), ("ingress", "IPv4"), ("ingress", "IPv6"))
            )
        ],
    )
