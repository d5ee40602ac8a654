"""Telling a database that is away from a statement that is wrong: the one passes, the other is a mistake of ours."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cumulet.kernel.db import TransactionLost

# Too many connections, shutting down, killed; and the client's own: no server at the socket or port, gone, lost during
# a query, lost at all. 0 is PyMySQL's for a connection that it has closed itself.
_MYSQL: Final = frozenset({0, 1040, 1053, 1927, 2002, 2003, 2006, 2013, 2055})
_POSTGRESQL: Final = ("08", "53", "57P")
"""Classes of SQLSTATE: connection exception, insufficient resources, operator intervention that ends connections."""


def is_outage(error: BaseException | None) -> bool:
    """Whether a request failed because its database did not answer, or not in time: the same may work later.

    SQLAlchemy's errors and the drivers' own are told; SQLite is never away.
    """
    if isinstance(error, TransactionLost | PoolTimeout):
        return True
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return True
        error = error.orig
    driver = type(error).__module__.partition(".")[0]
    if driver == "pymysql":
        arguments: tuple[Any, ...] = getattr(error, "args", ())
        return bool(arguments) and arguments[0] in _MYSQL
    if driver == "psycopg":
        state = getattr(error, "sqlstate", None)
        # A server that was not reached has no SQLSTATE to give.
        return "OperationalError" in {kind.__name__ for kind in type(error).__mro__} and (
            state is None or state.startswith(_POSTGRESQL)
        )
    return False
