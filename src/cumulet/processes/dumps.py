"""One service's database as a file and back: SQLite's own backup, or the database server's dump program."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import sqlalchemy as sa

from cumulet.kernel.db import Database

_SERVER_TIMEOUT_S = 3600


class DumpFailed(Exception):
    """The server's program is missing or refused. The message is for the operator."""


def file_name(service: str, database: Database) -> str:
    return f"{service}.sqlite" if database.is_sqlite else f"{service}.{database.backend}.sql"


@contextlib.contextmanager
def snapshots(databases: Mapping[str, Database]) -> Iterator[dict[str, sqlite3.Connection]]:
    """A reading transaction on every SQLite database, all begun while no writer was in any of them.

    So the copies belong to one moment over all services, and writers wait only for the beginning, not for the copying.
    """
    opened: dict[str, sqlite3.Connection] = {}
    with contextlib.ExitStack() as stack:
        with contextlib.ExitStack() as turns:
            for name, database in sorted(databases.items()):
                if not database.is_sqlite:
                    continue
                turns.enter_context(database.write())
                connection = sqlite3.connect(f"file:{database.url.database}?mode=ro", uri=True, isolation_level=None)
                stack.callback(connection.close)
                connection.execute("BEGIN")
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
                opened[name] = connection
        yield opened


def copy(snapshot: sqlite3.Connection, target: Path) -> None:
    """The snapshot's content as a new database file."""
    with contextlib.closing(sqlite3.connect(target)) as copied:
        snapshot.backup(copied)


def dump(database: Database, target: Path) -> None:
    """The content of a server's database as SQL. Raises DumpFailed."""
    program, arguments, environment = _server_program(database, ("mariadb-dump", "mysqldump"), "pg_dump")
    if database.backend == "mysql":
        arguments += ["--single-transaction", "--hex-blob", "--skip-comments", _name(database.url)]
    else:
        arguments += ["--no-owner", "--no-privileges", "--clean", "--if-exists", _name(database.url)]
    with target.open("wb") as output:
        _run([program, *arguments], environment, stdout=output)


def load(database: Database, source: Path) -> None:
    """Put a dump into the server's database in place of what is there. Raises DumpFailed."""
    _drop_all(database)
    program, arguments, environment = _server_program(database, ("mariadb", "mysql"), "psql")
    if database.backend == "postgresql":
        arguments += ["--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--single-transaction"]
    arguments.append(_name(database.url))
    with source.open("rb") as given:
        _run([program, *arguments], environment, stdin=given, stdout=subprocess.DEVNULL)


def _drop_all(database: Database) -> None:
    """A table that the dump does not know must not survive its restore."""
    metadata = sa.MetaData()
    with database.engine.begin() as connection:
        if database.backend == "mysql":
            connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS=0")
        metadata.reflect(connection)
        metadata.drop_all(connection)


def _name(url: sa.URL) -> str:
    return url.database or ""


def _server_program(
    database: Database, for_mysql: tuple[str, ...], for_postgresql: str
) -> tuple[str, list[str], dict[str, str]]:
    """Path, connection arguments and environment. The password is in the environment, never on the command line."""
    url = database.url
    candidates = for_mysql if database.backend == "mysql" else (for_postgresql,)
    program = next((path for name in candidates if (path := shutil.which(name))), None)
    if program is None:
        package = "mariadb-client" if database.backend == "mysql" else "postgresql-client"
        raise DumpFailed(f"{candidates[0]} is not installed; it comes with the package {package}")
    environment = dict(os.environ)
    arguments: list[str] = []
    if database.backend == "mysql":
        environment["MYSQL_PWD"] = url.password or ""
        options = {"host": url.host, "port": url.port, "user": url.username, "socket": url.query.get("unix_socket")}
    else:
        environment["PGPASSWORD"] = url.password or ""
        options = {"host": url.query.get("host") or url.host, "port": url.port, "username": url.username}
    for name, value in options.items():
        if value is not None:
            arguments.append(f"--{name}={value}")
    return program, arguments, environment


def _run(command: list[str], environment: dict[str, str], **streams: object) -> None:
    done = subprocess.run(  # type: ignore[call-overload]  # noqa: S603 - a fixed program, arguments as a list
        command, env=environment, stderr=subprocess.PIPE, timeout=_SERVER_TIMEOUT_S, check=False, **streams
    )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise DumpFailed(f"{Path(command[0]).name} ended with {done.returncode}: {said}")
