"""One service's database: SQLite (WAL), PostgreSQL or MariaDB behind the same two verbs, `read` and `write`.

Nothing is shared between processes: make a `Database` after a fork, never before.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
import sqlalchemy.dialects.sqlite  # before workers are forked, so that they share it; other dialects are loaded at need
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError

T = TypeVar("T")

# MariaDB: lock wait timeout, deadlock. PostgreSQL: serialization failure, deadlock.
_RETRYABLE_MYSQL = {1205, 1213}
_IDLE_SECONDS = 1.0
_READS: dict[str, Any] = {"cumulet_reads": True}
_RETRYABLE_SQLSTATE = {"40001", "40P01"}


class TransactionLost(Exception):
    """The database chose this transaction as the loser of a deadlock; running it again from its start is right.

    The HTTP application and the job runner catch it and run the handler again.
    """


def _normalised(url: str) -> sa.URL:
    """The operator's connection string with the driver that this package ships.

    The guides write `mysql+pymysql://` or `mysql://`; PostgreSQL strings usually name psycopg2 or no driver.
    """
    parsed = make_url(url)
    if parsed.drivername in ("mysql", "mariadb", "mysql+mysqldb"):
        parsed = parsed.set(drivername="mysql+pymysql")
    elif parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg2"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "mysql" and "charset" not in parsed.query:
        parsed = parsed.update_query_dict({"charset": "utf8mb4"})
    return parsed


class Database:
    """Connections to one service's database.

    `read()` gives a connection in autocommit: every statement sees what is committed.
    `write()` gives a connection in ONE transaction that commits when the block ends and rolls back when it raises.
    Writers of an SQLite file are served in turn by a file lock, so none ever meets SQLITE_BUSY; on the servers the
    isolation is READ COMMITTED and code locks what it decides on with `with_for_update()`.
    """

    def __init__(self, url: str, *, pool_size: int = 8, durable: bool = True) -> None:
        self.url = _normalised(url)
        self.backend = self.url.get_backend_name()
        self.is_sqlite = self.backend == "sqlite"
        self._local = threading.local()
        self._turn = threading.Lock()
        self._lock_fd: int | None = None
        self._durable = durable
        if self.is_sqlite:
            self.engine = self._sqlite_engine(pool_size)
            self._reader = self.engine.execution_options(isolation_level="AUTOCOMMIT", **_READS)
        else:
            self.engine = self._server_engine(pool_size, isolation_level="READ COMMITTED")
            # Connections of their own: switching one to autocommit and back takes five round trips.
            reader = self._server_engine(pool_size, isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True)
            self._reader = reader.execution_options(**_READS)

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Those that statements go through: for who wants to listen to all of them."""
        return (self.engine,) if self.is_sqlite else (self.engine, self._reader)

    def _server_engine(self, pool_size: int, **options: Any) -> Engine:
        engine = sa.create_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_recycle=3600,
            pool_reset_on_return=None,  # a transaction that is left open is ended by Connection.close
            **options,
        )
        _check_idle_connections(engine)
        if self.backend == "mysql":
            from cumulet.kernel import mariadb  # loads a driver that an embedded cloud does without

            mariadb.read_rows_fast(engine)
        return engine

    def _sqlite_engine(self, pool_size: int) -> Engine:
        path = self.url.database
        if not path or path == ":memory:":
            raise ValueError("an SQLite database of a service is a file: it is shared by processes")
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        # Without a bound: each thread that reads keeps one, and whoever has the writers' turn must get one from beside
        # them, or all that wait for the turn would keep it from being used.
        engine = sa.create_engine(self.url, pool_size=pool_size, max_overflow=-1, pool_reset_on_return=None)
        durable = self._durable

        @sa.event.listens_for(engine, "connect")
        def prepare(connection: sqlite3.Connection, record: object) -> None:
            connection.isolation_level = None  # transactions are begun in `write`, not by the driver
            cursor = connection.cursor()
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.execute("PRAGMA busy_timeout=30000")
            cursor.execute("PRAGMA temp_store=MEMORY")
            cursor.close()

        lock = Path(f"{path}.lock")
        self._lock_fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not Path(path).exists():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        return engine

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading. Exhaust every result before the block ends."""
        if self.is_sqlite:
            # A thread keeps its own connection: opening a pool's costs as much as a small query.
            connection = getattr(self._local, "connection", None)
            if connection is None:
                connection = self._local.connection = self._reader.connect()
            yield connection
            return
        try:
            with self._reader.connect() as connection:
                yield connection
        except DBAPIError as error:
            if error.connection_invalidated:
                raise TransactionLost(str(error.orig)) from error
            raise

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection in one transaction. Raises TransactionLost where running it again is right."""
        if self.is_sqlite:
            with self._writer_turn(), self.engine.connect() as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                try:
                    yield connection
                except BaseException:
                    connection.exec_driver_sql("ROLLBACK")
                    raise
                connection.exec_driver_sql("COMMIT")
            return
        with self.engine.connect() as connection:
            transaction = connection.begin()
            try:
                yield connection
            except DBAPIError as error:
                # Before its commit a lost connection has changed nothing, so running it again is right.
                if _is_retryable(error) or error.connection_invalidated:
                    raise TransactionLost(str(error.orig)) from error
                raise
            try:
                transaction.commit()
            except DBAPIError as error:
                if _is_retryable(error):
                    raise TransactionLost(str(error.orig)) from error
                raise

    @contextlib.contextmanager
    def _writer_turn(self) -> Iterator[None]:
        """One writer at a time over all threads and processes, first come first served, released by any death."""
        assert self._lock_fd is not None
        with self._turn:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._lock_fd, fcntl.LOCK_UN)

    def ping(self) -> None:
        """Raise if the database does not answer."""
        with self.read() as connection:
            connection.execute(sa.text("SELECT 1")).scalar()

    def close(self) -> None:
        """Give every connection back; the object is of no use afterwards."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None
        for engine in self.engines:
            engine.dispose()
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None


def is_read(connection: Connection) -> bool:
    """Whether a connection is one of `Database.read`, which sees only what is committed."""
    return bool(connection.get_execution_options().get("cumulet_reads"))


def _check_idle_connections(engine: Engine) -> None:
    """Have a connection answer before it is used when it was not used for some time: the server may have ended it.

    Asking before every use (`pool_pre_ping`) would double what a small query costs.
    """

    @sa.event.listens_for(engine, "checkin")
    def remember(connection: Any, record: Any) -> None:
        record.info["idle_since"] = time.monotonic()

    @sa.event.listens_for(engine, "checkout")
    def check(connection: Any, record: Any, proxy: Any) -> None:
        since = record.info.get("idle_since")
        if since is None or time.monotonic() - since < _IDLE_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError(str(error)) from error


def _is_retryable(error: DBAPIError) -> bool:
    original: Any = error.orig
    if getattr(original, "sqlstate", None) in _RETRYABLE_SQLSTATE:
        return True
    return _mysql_number(original) in _RETRYABLE_MYSQL


def violates_unique(error: IntegrityError) -> bool:
    """Whether a unique index refused the row (and not a foreign key or a NOT NULL)."""
    original: Any = error.orig
    if isinstance(original, sqlite3.IntegrityError):
        return original.sqlite_errorcode in (
            sqlite3.SQLITE_CONSTRAINT_UNIQUE,
            sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
        )
    if getattr(original, "sqlstate", None) == "23505":
        return True
    return _mysql_number(original) in (1062, 1586)


def _mysql_number(original: Any) -> int | None:
    args: tuple[Any, ...] = tuple(getattr(original, "args", ()))
    return args[0] if args and isinstance(args[0], int) else None


def run_again(work: Callable[[], T], *, attempts: int = 12) -> T:
    """Run `work` until its transaction is not lost; the last loss is raised."""
    for attempt in range(attempts - 1):
        try:
            return work()
        except TransactionLost:
            time.sleep(random.uniform(0, 0.005 * 2 ** min(attempt, 6)))
    return work()
