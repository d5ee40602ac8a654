"""first tables"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "change_counters",
        sa.Column("shard", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("deletions", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("shard"),
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.bulk_insert(
        sa.table("change_counters", sa.column("shard"), sa.column("value"), sa.column("deletions")),
        [{"shard": shard, "value": 0, "deletions": 0} for shard in range(18)],
    )
    op.create_table(
        "consumers",
        sa.Column("uuid", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=255), nullable=False),
        sa.Column("type", sa.String(length=255), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("uuid"),
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("consumers", schema=None) as batch_op:
        batch_op.create_index("ix_consumers_project_user", ["project_id", "user_id"], unique=False)

    op.create_table(
        "providers",
        sa.Column("uuid", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("parent_uuid", sa.String(length=64), nullable=True),
        sa.Column("root_uuid", sa.String(length=64), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["parent_uuid"], ["providers.uuid"], name="fk_providers_parent"),
        sa.PrimaryKeyConstraint("uuid"),
        sa.UniqueConstraint("name", name="uq_providers_name"),
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("providers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_providers_parent_uuid"), ["parent_uuid"], unique=False)
        batch_op.create_index(batch_op.f("ix_providers_root_uuid"), ["root_uuid"], unique=False)
        batch_op.create_index("ix_providers_shard_changed", ["shard", "changed"], unique=False)

    op.create_table(
        "resource_classes",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "traits",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "inventories",
        sa.Column("provider_uuid", sa.String(length=64), nullable=False),
        sa.Column("resource_class", sa.String(length=255), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("min_unit", sa.BigInteger(), nullable=False),
        sa.Column("max_unit", sa.BigInteger(), nullable=False),
        sa.Column("step_size", sa.BigInteger(), nullable=False),
        sa.Column("allocation_ratio", sa.Double(), nullable=False),
        sa.Column("capacity", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["provider_uuid"], ["providers.uuid"], name="fk_inventories_provider"),
        sa.ForeignKeyConstraint(
            ["resource_class"], ["resource_classes.name"], name="fk_inventories_resource_class", onupdate="CASCADE"
        ),
        sa.PrimaryKeyConstraint("provider_uuid", "resource_class"),
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("inventories", schema=None) as batch_op:
        batch_op.create_index("ix_inventories_resource_class", ["resource_class"], unique=False)

    op.create_table(
        "provider_aggregates",
        sa.Column("provider_uuid", sa.String(length=64), nullable=False),
        sa.Column("aggregate_uuid", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["provider_uuid"], ["providers.uuid"], name="fk_provider_aggregates_provider"),
        sa.PrimaryKeyConstraint("provider_uuid", "aggregate_uuid"),
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "provider_traits",
        sa.Column("provider_uuid", sa.String(length=64), nullable=False),
        sa.Column("trait", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(["provider_uuid"], ["providers.uuid"], name="fk_provider_traits_provider"),
        sa.ForeignKeyConstraint(["trait"], ["traits.name"], name="fk_provider_traits_trait"),
        sa.PrimaryKeyConstraint("provider_uuid", "trait"),
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("provider_traits", schema=None) as batch_op:
        batch_op.create_index("ix_provider_traits_trait", ["trait"], unique=False)

    op.create_table(
        "allocations",
        sa.Column("consumer_uuid", sa.String(length=64), nullable=False),
        sa.Column("provider_uuid", sa.String(length=64), nullable=False),
        sa.Column("resource_class", sa.String(length=255), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["consumer_uuid"], ["consumers.uuid"], name="fk_allocations_consumer"),
        sa.ForeignKeyConstraint(
            ["provider_uuid", "resource_class"],
            ["inventories.provider_uuid", "inventories.resource_class"],
            name="fk_allocations_inventory",
            onupdate="CASCADE",
        ),
        sa.PrimaryKeyConstraint("consumer_uuid", "provider_uuid", "resource_class"),
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("allocations", schema=None) as batch_op:
        batch_op.create_index("ix_allocations_inventory", ["provider_uuid", "resource_class"], unique=False)
