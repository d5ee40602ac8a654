"""Small results kept in memory until the generation moves on (see `generations`).

They are kept with the database connection they were read through, so every process, thread and database has its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from sqlalchemy.engine import Connection

from cumulet.identity.domain import generations
from cumulet.kernel.db import is_read

T = TypeVar("T")


def per_generation(connection: Connection, name: str, load: Callable[[Connection], T]) -> T:
    """`load(connection)`, or what it gave before if nothing has changed since.

    Inside a transaction it is always loaded: what is not committed must not be remembered under a number that another
    transaction may still get. The number is read before the rows, so a memory may be newer than it says, never older.
    """
    if not is_read(connection):
        return load(connection)
    generation = generations.current(connection)
    memory = cast("dict[str, tuple[int, Any]]", connection.info.setdefault("cumulet.per_generation", {}))
    known = memory.get(name)
    if known is not None and known[0] == generation:
        return cast(T, known[1])
    value = load(connection)
    memory[name] = (generation, value)
    return value
