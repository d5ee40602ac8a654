"""The current generation (see `domain.generations`), read as cheaply as a driver can: every request does it.

On a database server each thread keeps a connection of its own for this one number, since taking one from a pool costs
several round trips. It is in autocommit, so every read sees what is committed.
"""

from __future__ import annotations

import threading
from typing import Any

from cumulet.identity.domain import generations
from cumulet.kernel.db import Database


class CurrentGeneration:
    """Safe in threads. A connection that broke is made anew; a server that does not answer raises as `db.read()`."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._local = threading.local()

    def read(self) -> int:
        if self._db.is_sqlite:
            with self._db.read() as connection:
                return generations.current(connection)
        cursor = getattr(self._local, "cursor", None)
        if cursor is not None:
            try:
                return generations.read(cursor)
            except self._db.engine.dialect.loaded_dbapi.Error:
                self._drop()
        return generations.read(self._connect())

    def _connect(self) -> Any:
        """A cursor on a connection of this thread's own, outside the pool."""
        proxy = self._db.engine.raw_connection()
        connection: Any = proxy.dbapi_connection
        proxy.detach()
        self._db.engine.dialect.set_isolation_level(connection, "AUTOCOMMIT")
        self._local.connection, self._local.cursor = connection, connection.cursor()
        return self._local.cursor

    def _drop(self) -> None:
        connection, self._local.connection, self._local.cursor = self._local.connection, None, None
        try:
            connection.close()
        except self._db.engine.dialect.loaded_dbapi.Error:
            return  # it was broken already
