"""Alembic's environment for every service: the connection and the version table come from `kernel.migrate`."""

from __future__ import annotations

from alembic import context

config = context.config
connection = config.attributes["connection"]
schema = config.attributes["schema"]
metadata = config.attributes.get("metadata")  # only when a revision is written
context.configure(
    connection=connection,
    target_metadata=metadata,
    compare_type=True,
    include_object=lambda thing, name, kind, *_: not (kind == "table" and name == schema.version_table),
    version_table=schema.version_table,
    render_as_batch=True,
    transactional_ddl=connection.dialect.name != "mysql",
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
