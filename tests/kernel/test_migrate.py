"""Migrations: they make the tables the code knows, on every database, however many hosts run them at once."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from cumulet import revisions, services
from cumulet.kernel import migrate
from cumulet.kernel.db import Database

SERVICES = [pytest.param(service, id=service.name) for service in services.SERVICES]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    yield made
    made.close()


@pytest.mark.parametrize("service", SERVICES)
def test_migrations_say_the_same_as_the_tables(database: Database, service: services.Service) -> None:
    schema = service.load().SCHEMA
    assert migrate.current(database, schema) is None
    assert migrate.upgrade(database, schema) is True
    assert migrate.current(database, schema) == schema.head
    assert revisions.differences(database, schema, service.tables().metadata) == []


@pytest.mark.parametrize("service", SERVICES)
def test_create_all_makes_what_the_migrations_make(
    database: Database, database_url: str, service: services.Service
) -> None:
    """Who makes the tables from their declarations must not get another schema than operators have."""
    schema = service.load().SCHEMA
    migrate.upgrade(database, schema)
    migrated = _described(database)
    migrated.pop(schema.version_table)
    with database.engine.begin() as connection:
        _drop_all(connection)
        service.tables().metadata.create_all(connection)
    assert _described(database) == migrated


def _described(database: Database) -> dict[str, object]:
    """Columns (type, nullability), indexes and keys of every table."""
    inspector = sa.inspect(database.engine)
    return {
        table: (
            sorted((c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(table)),
            sorted((tuple(i["column_names"]), bool(i["unique"])) for i in inspector.get_indexes(table)),
            sorted(tuple(u["column_names"]) for u in inspector.get_unique_constraints(table)),
            inspector.get_pk_constraint(table)["constrained_columns"],
            sorted(
                (tuple(f["constrained_columns"]), f["referred_table"], tuple(sorted(f["options"].items())))
                for f in inspector.get_foreign_keys(table)
            ),
        )
        for table in inspector.get_table_names()
    }


def _drop_all(connection: sa.Connection) -> None:
    there = sa.MetaData()
    there.reflect(connection)
    there.drop_all(connection)


def test_an_up_to_date_database_costs_no_alembic() -> None:
    """A start finds out with one SELECT; the half second of loading Alembic is for those who need it."""
    script = (
        "import sys, tempfile; from cumulet.kernel import migrate; from cumulet.kernel.db import Database;"
        "from cumulet.identity.app import SCHEMA;"
        "d = Database(f'sqlite:///{tempfile.mkdtemp()}/a.sqlite'); migrate.upgrade(d, SCHEMA);"
        "[sys.modules.pop(m) for m in list(sys.modules) if m.partition('.')[0] == 'alembic'];"
        "assert migrate.upgrade(d, SCHEMA) is False;"
        "sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def _upgrade(url: str) -> bool:
    database = Database(url)
    done = migrate.upgrade(database, services.SERVICES[0].load().SCHEMA)
    database.close()
    return done


def test_several_hosts_may_migrate_at_once(database: Database, database_url: str) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as hosts:
        hosts.map(_upgrade, [database_url] * 4)
    schema = services.SERVICES[0].load().SCHEMA
    assert migrate.current(database, schema) == schema.head
    assert revisions.differences(database, schema, services.SERVICES[0].tables().metadata) == []


@pytest.mark.parametrize("service", SERVICES)
def test_revisions_are_one_line(service: services.Service) -> None:
    """Each follows the one before it: two that were written at the same time would leave a database between them."""
    from alembic.script import ScriptDirectory

    schema = service.load().SCHEMA
    with sa.create_engine("sqlite://").connect() as connection:
        directory = ScriptDirectory.from_config(migrate.configuration(schema, connection))
        assert directory.get_heads() == [schema.head]
        assert len(list(directory.walk_revisions())) == len(schema.revisions)
