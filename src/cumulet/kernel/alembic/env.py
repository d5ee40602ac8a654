"""Alembic's environment for every service: the connection and the version table come from `kernel.migrate`."""

from __future__ import annotations

from alembic import context

config = context.config
connection = config.attributes["connection"]
schema = config.attributes["schema"]
context.configure(
    connection=connection,
    version_table=schema.version_table,
    render_as_batch=True,
    transactional_ddl=connection.dialect.name != "mysql",
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
