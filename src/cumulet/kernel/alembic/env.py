"""Alembic's environment for every service: the connection and the version table come from `kernel.migrate`."""

from __future__ import annotations

from alembic import context

from cumulet.kernel import migrate

config = context.config
connection = config.attributes["connection"]
schema = config.attributes["schema"]
context.configure(
    connection=connection,
    target_metadata=config.attributes.get("metadata"),  # only when a revision is written
    render_as_batch=True,
    transactional_ddl=connection.dialect.name != "mysql",
    transaction_per_migration=True,
    **migrate.comparison(schema),
)
with context.begin_transaction():
    context.run_migrations()
