"""Fixtures: databases that have the tables of a service as its migrations leave them, without migrating for each test.

A file of SQLite is copied from one that was migrated. On the servers, where making and dropping a database costs more
than most tests, the tables of a database whose test is over are emptied, and the next test gets it.

- `migrated_urls`: a function; each call with the name of a service gives the URL of a database new to the test. Any
  other name gives an empty database.
- `module_migrated_urls`: the same for the tests of one module.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from cumulet import services
from cumulet.kernel import migrate
from cumulet.kernel.db import Database
from tests.databases import MakeUrl, MariaDb, PostgreSql, Servers, SqliteFiles

_SCHEMAS = {service.name: service for service in services.SERVICES}
_LEAVES_S = 0.3
"""How long a server may take to see that a connection was closed."""

Rows = dict[str, tuple[tuple[Any, ...], ...]]


def _migrate(url: str, service: str) -> None:
    database = Database(url, durable=False)
    try:
        migrate.upgrade(database, _SCHEMAS[service].load().SCHEMA)
    finally:
        database.close()


class Copies:
    """Files copied from one that was migrated."""

    def __init__(self, server: SqliteFiles) -> None:
        self._server = server
        self._numbers = itertools.count(1)
        self._templates: set[str] = set()

    def take(self, service: str) -> tuple[str, str]:
        template = f"template_{service}"
        if template not in self._templates:
            _migrate(self._server.create(template), service)
            self._templates.add(template)
        name = f"c{next(self._numbers)}_{service}"
        return name, self._server.copy(template, name)

    def give_back(self, service: str, name: str, url: str) -> None:
        self._server.drop(name)


@dataclass(frozen=True)
class Words:
    """What servers say differently."""

    users: str
    tables: str
    any_order: str  # rows may go before those that refer to them
    empty: str


_WORDS = {
    MariaDb: Words(
        users="SELECT COUNT(*) FROM information_schema.processlist WHERE db = %s",
        tables="SHOW TABLES",
        any_order="SET FOREIGN_KEY_CHECKS = 0",
        empty="TRUNCATE TABLE",
    ),
    PostgreSql: Words(
        users="SELECT COUNT(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'",
        tables="SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
        any_order="SET session_replication_role = replica",
        empty="DELETE FROM",  # TRUNCATE makes new files
    ),
}


class Emptied:
    """Databases of a server: those whose test is over are emptied and taken again."""

    def __init__(self, server: MariaDb | PostgreSql) -> None:
        self._server = server
        self._words = _WORDS[type(server)]
        self._numbers = itertools.count(1)
        self._idle: dict[str, list[tuple[str, str]]] = {}
        self._new: dict[str, Rows] = {}  # by service: what its tables hold when they are new

    def take(self, service: str) -> tuple[str, str]:
        idle = self._idle.setdefault(service, [])
        if idle:
            return idle.pop()
        name = f"e{next(self._numbers)}_{service}"
        url = self._server.create(name)
        _migrate(url, service)
        if service not in self._new:
            with self._server.connect(name) as connection, connection.cursor() as cursor:
                self._new[service] = {table: _rows(cursor, table) for table in self._tables(cursor)}
        return name, url

    def give_back(self, service: str, name: str, url: str) -> None:
        """What somebody still uses, or what has other tables than before, is nobody's any more."""
        if self._is_left(name) and self._is_empty_again(service, name):
            self._idle[service].append((name, url))
        else:
            self._server.drop(name)

    def _is_left(self, name: str) -> bool:
        end = time.monotonic() + _LEAVES_S
        with self._server.connect() as connection, connection.cursor() as cursor:
            while True:
                cursor.execute(self._words.users, (name,))
                if cursor.fetchone() == (0,):
                    return True
                if time.monotonic() > end:
                    return False
                time.sleep(0.01)

    def _is_empty_again(self, service: str, name: str) -> bool:
        new = self._new[service]
        with self._server.connect(name) as connection, connection.cursor() as cursor:
            if self._tables(cursor) != list(new):
                return False
            cursor.execute(
                " UNION ALL ".join(f"SELECT '{table}' FROM (SELECT 1 FROM {table} LIMIT 1) t" for table in new)
            )
            filled = {table for (table,) in cursor.fetchall()}
            cursor.execute(self._words.any_order)
            for table, rows in new.items():
                left = () if table not in filled else _rows(cursor, table) if rows else None
                if left == rows:
                    continue
                cursor.execute(f"{self._words.empty} {table}")
                if rows:
                    cursor.executemany(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(rows[0]))})", rows)
            connection.commit()
        return True

    def _tables(self, cursor: Any) -> list[str]:
        cursor.execute(self._words.tables)
        return sorted(table for (table,) in cursor.fetchall())


def _rows(cursor: Any, table: str) -> tuple[tuple[Any, ...], ...]:
    cursor.execute(f"SELECT * FROM {table}")
    return tuple(cursor.fetchall())


class Migrated:
    """Per backend, the one that gives and takes its databases."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._stocks: dict[str, Copies | Emptied] = {}

    def lend(self, backend: str) -> Iterator[MakeUrl]:
        """A function that gives databases, all of which are taken back when the iterator goes on."""
        if backend not in self._stocks:
            server = self._servers.get(backend)
            self._stocks[backend] = Copies(server) if isinstance(server, SqliteFiles) else Emptied(server)
        stock = self._stocks[backend]
        lent: list[tuple[str, str, str]] = []
        for fresh in self._servers.fresh(backend):

            def make(name: str, fresh: MakeUrl = fresh) -> str:
                if name not in _SCHEMAS:
                    return fresh(name)
                lent.append((name, *stock.take(name)))
                return lent[-1][2]

            try:
                yield make
            finally:
                for service, name, url in lent:
                    stock.give_back(service, name, url)


@pytest.fixture(scope="session")
def migrated(database_servers: Servers) -> Migrated:
    return Migrated(database_servers)


@pytest.fixture
def migrated_urls(migrated: Migrated, database_backend: str) -> Iterator[MakeUrl]:
    yield from migrated.lend(database_backend)


@pytest.fixture(scope="module")
def module_migrated_urls(migrated: Migrated, database_backend: str) -> Iterator[MakeUrl]:
    yield from migrated.lend(database_backend)
