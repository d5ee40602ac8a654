"""Schemas that bring themselves up to date: Alembic revisions of one service, applied at start and by command.

Alembic is only imported when there is something to do: an up-to-date database costs one SELECT.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.resources
import os
import re
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from cumulet.kernel.db import Database

if TYPE_CHECKING:
    from alembic.config import Config


@dataclass(frozen=True)
class Schema:
    """A service's migrations: `package` is the folder with `versions/`, `name` the service's.

    Revision files are called `<revision>_<slug>.py`, and revisions sort as text in the order they are applied.
    """

    name: str
    package: str

    @property
    def folder(self) -> Path:
        parent, _, name = self.package.rpartition(".")
        return Path(str(importlib.resources.files(parent))) / name

    @property
    def version_table(self) -> str:
        return f"cumulet_{self.name}_version"

    @property
    def revisions(self) -> list[str]:
        """Every revision, oldest first."""
        return sorted(file.name.partition("_")[0] for file in (self.folder / "versions").glob("[0-9]*_*.py"))

    @property
    def head(self) -> str:
        return self.revisions[-1]


def current(database: Database, schema: Schema) -> str | None:
    """The revision the database is at, None for an empty one."""
    table = sa.table(schema.version_table, sa.column("version_num"))
    with database.engine.connect() as connection:
        if not sa.inspect(connection).has_table(schema.version_table):
            return None
        return connection.execute(sa.select(table.c.version_num)).scalar()


def upgrade(database: Database, schema: Schema, revision: str = "head") -> bool:
    """Bring the database to `revision`. Returns whether anything was done. Safe to call from several hosts at once."""
    if current(database, schema) == (schema.head if revision == "head" else revision):
        return False
    from alembic import command

    with _turn(database), database.engine.connect() as connection:
        if current(database, schema) != schema.head or revision != "head":
            command.upgrade(configuration(schema, connection), revision)
    return True


def configuration(schema: Schema, connection: sa.Connection) -> Config:
    """What Alembic's commands need to know of one service and its open database."""
    from alembic.config import Config

    config = Config(cmd_opts=Namespace(quiet=True))
    config.set_main_option("script_location", str(Path(__file__).with_name("alembic")).replace("%", "%%"))
    config.set_main_option("version_locations", str(schema.folder / "versions").replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["schema"] = schema
    config.attributes["connection"] = connection
    return config


def comparison(schema: Schema) -> dict[str, Any]:
    """How Alembic tells whether a database and the tables differ."""

    def other_type(context: Any, inspected: Any, column: Any, inspected_type: Any, wanted: Any) -> bool | None:
        # MariaDB stores TEXT(16000000) as the smallest kind that holds it, and tells that kind's name afterwards.
        stored = type(inspected_type).__name__
        if stored not in ("MEDIUMTEXT", "LONGTEXT"):
            return None  # Alembic's own judgement
        declared = str(wanted.compile(dialect=context.dialect))
        return not (declared.startswith(stored) or re.fullmatch(r"TEXT\(\d{6,}\)", declared))

    def is_ours(thing: Any, name: str | None, kind: str, *_: Any) -> bool:
        return not (kind == "table" and name == schema.version_table)

    return {"compare_type": other_type, "include_object": is_ours, "version_table": schema.version_table}


_LOCK = 0x63756D75  # "cumu": one migration at a time on a shared server


@contextlib.contextmanager
def _turn(database: Database) -> Iterator[None]:
    """One migration at a time over all hosts of a database, given back by any death."""
    if database.is_sqlite:
        descriptor = os.open(f"{database.url.database}.migration", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
        return
    with database.engine.connect() as connection:
        if database.backend == "mysql":
            connection.execute(sa.text("SELECT GET_LOCK('cumulet-migration', 300)")).scalar()
        else:
            connection.execute(sa.text(f"SELECT pg_advisory_lock({_LOCK})")).scalar()
        connection.commit()
        try:
            yield
        finally:
            if database.backend == "mysql":
                connection.execute(sa.text("SELECT RELEASE_LOCK('cumulet-migration')")).scalar()
            else:
                connection.execute(sa.text(f"SELECT pg_advisory_unlock({_LOCK})")).scalar()
            connection.commit()
