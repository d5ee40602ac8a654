"""Placement's tables.

Names of resource classes, traits and consumer types stand in the rows that use them, so no read has to translate
identifiers. `inventories.used` is the sum of the allocations of that inventory, changed in the transaction that changes
them and only where it stays within `capacity`: over-commitment is refused by the database itself, whoever writes.

`providers.changed` is the value that the provider's shard of `change_counters` had when anything about the provider
last changed. A process that keeps providers in memory asks for the few that are newer than what it has
(`domain.changes`).
"""

from __future__ import annotations

import sqlalchemy as sa

from cumulet.kernel.columns import identifier, key, moment, tables_of

metadata = sa.MetaData()
_table = tables_of(metadata)


def _name(column: str, *, length: int = 255, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(column, sa.String(length), nullable=False, primary_key=primary_key)


change_counters = _table(
    "change_counters",
    sa.Column("shard", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("value", sa.BigInteger, nullable=False),
    sa.Column("deletions", sa.BigInteger, nullable=False),
)

resource_classes = _table("resource_classes", _name("name", primary_key=True), moment("updated_at", nullable=False))
traits = _table("traits", _name("name", primary_key=True), moment("updated_at", nullable=False))

providers = _table(
    "providers",
    key("uuid"),
    _name("name", length=200),
    sa.Column("generation", sa.Integer, nullable=False),
    identifier("parent_uuid", nullable=True, index=True),
    identifier("root_uuid", index=True),
    sa.Column("shard", sa.Integer, nullable=False),
    sa.Column("changed", sa.BigInteger, nullable=False),
    moment("created_at", nullable=False),
    moment("updated_at", nullable=False),
    sa.UniqueConstraint("name", name="uq_providers_name"),
    sa.ForeignKeyConstraint(["parent_uuid"], ["providers.uuid"], name="fk_providers_parent"),
    sa.Index("ix_providers_shard_changed", "shard", "changed"),
)
inventories = _table(
    "inventories",
    key("provider_uuid"),
    _name("resource_class", primary_key=True),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("reserved", sa.BigInteger, nullable=False),
    sa.Column("min_unit", sa.BigInteger, nullable=False),
    sa.Column("max_unit", sa.BigInteger, nullable=False),
    sa.Column("step_size", sa.BigInteger, nullable=False),
    sa.Column("allocation_ratio", sa.Double, nullable=False),
    sa.Column("capacity", sa.BigInteger, nullable=False),
    sa.Column("used", sa.BigInteger, nullable=False),
    moment("updated_at", nullable=False),
    sa.ForeignKeyConstraint(["provider_uuid"], ["providers.uuid"], name="fk_inventories_provider"),
    sa.ForeignKeyConstraint(
        ["resource_class"], ["resource_classes.name"], name="fk_inventories_resource_class", onupdate="CASCADE"
    ),
    sa.Index("ix_inventories_resource_class", "resource_class"),
)
provider_traits = _table(
    "provider_traits",
    key("provider_uuid"),
    _name("trait", primary_key=True),
    sa.ForeignKeyConstraint(["provider_uuid"], ["providers.uuid"], name="fk_provider_traits_provider"),
    sa.ForeignKeyConstraint(["trait"], ["traits.name"], name="fk_provider_traits_trait"),
    sa.Index("ix_provider_traits_trait", "trait"),
)
provider_aggregates = _table(
    "provider_aggregates",
    key("provider_uuid"),
    identifier("aggregate_uuid", primary_key=True),
    sa.ForeignKeyConstraint(["provider_uuid"], ["providers.uuid"], name="fk_provider_aggregates_provider"),
)

consumers = _table(
    "consumers",
    key("uuid"),
    sa.Column("generation", sa.Integer, nullable=False),
    _name("project_id"),
    _name("user_id"),
    sa.Column("type", sa.String(255)),  # NULL: made before microversion 1.38, "unknown"
    moment("updated_at", nullable=False),
    sa.Index("ix_consumers_project_user", "project_id", "user_id"),
)
allocations = _table(
    "allocations",
    key("consumer_uuid"),
    identifier("provider_uuid", primary_key=True),
    _name("resource_class", primary_key=True),
    sa.Column("used", sa.BigInteger, nullable=False),
    moment("created_at", nullable=False),
    sa.ForeignKeyConstraint(["consumer_uuid"], ["consumers.uuid"], name="fk_allocations_consumer"),
    sa.ForeignKeyConstraint(
        ["provider_uuid", "resource_class"],
        ["inventories.provider_uuid", "inventories.resource_class"],
        name="fk_allocations_inventory",
        onupdate="CASCADE",
    ),
    sa.Index("ix_allocations_inventory", "provider_uuid", "resource_class"),
)
