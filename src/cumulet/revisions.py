"""Writing a revision for `scripts/revision`: the difference between a service's tables and its newest migration."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cumulet import services
from cumulet.kernel import migrate
from cumulet.kernel.db import Database
from cumulet.kernel.migrate import Schema


def differences(database: Database, schema: Schema, metadata: sa.MetaData) -> list[Any]:
    """What Alembic finds different between a database and the tables; empty when the migrations say the same."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=migrate.comparison(schema))
        found: list[Any] = compare_metadata(context, metadata)
        return found


def write(service: str, message: str) -> Path | None:
    """Write the next revision file of a service; None when nothing changed."""
    from alembic import command

    description = services.enabled((service,))[0]
    schema: Schema = description.load().SCHEMA
    tables = description.tables()
    versions = schema.folder / "versions"
    versions.mkdir(parents=True, exist_ok=True)
    existing = schema.revisions
    number = f"{int(existing[-1]) + 1 if existing else 1:04d}"
    slug = re.sub(r"[^a-z0-9]+", "_", message.lower()).strip("_")[:50]
    with tempfile.TemporaryDirectory() as scratch:
        database = Database(f"sqlite:///{scratch}/compare.sqlite")
        if existing:
            migrate.upgrade(database, schema)
            if not differences(database, schema, tables.metadata):
                return None
        with database.engine.connect() as connection:
            config = migrate.configuration(schema, connection)
            config.attributes["metadata"] = tables.metadata
            command.revision(config, message, autogenerate=True, rev_id=number)
        database.close()
    written = next(versions.glob(f"{number}_*.py"))
    lines = written.read_text().splitlines(keepends=True)
    written.write_text("".join(line for line in lines if "# ### " not in line))
    return written.rename(versions / f"{number}_{slug}.py")


if __name__ == "__main__":
    made = write(sys.argv[1], sys.argv[2])
    sys.stdout.write(f"{made}\n" if made else "The newest revision already says all of it.\n")
