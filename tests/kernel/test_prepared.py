"""A SELECT that is made ready gives what SQLAlchemy gives for it, on every database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from cumulet.kernel.columns import flag, json_text, key, moment, tables_of
from cumulet.kernel.db import Database
from cumulet.kernel.prepared import Prepared

metadata = sa.MetaData()
things = tables_of(metadata)(
    "things", key(), moment("made_at"), flag("hidden"), json_text("more", nullable=True), sa.Column("share", sa.Float)
)
ROWS = [
    {"id": "one", "made_at": 1 << 50, "hidden": True, "more": '{"a": "ü"}', "share": 0.5},
    {"id": "two", "made_at": None, "hidden": False, "more": None, "share": None},
]
OLDER = sa.select(things).where(
    things.c.made_at < sa.bindparam("before"), things.c.id == sa.bindparam("sought"), things.c.hidden
)
BY_ID = sa.select(things).where(things.c.id == sa.bindparam("sought"))


@pytest.fixture
def db(database_url: str, tmp_path: Path) -> Iterator[Database]:
    database = Database(database_url)
    metadata.create_all(database.engine)
    with database.write() as connection:
        connection.execute(sa.insert(things), ROWS)
    yield database
    database.close()


@pytest.mark.parametrize("each", ROWS, ids=lambda row: row["id"])
def test_a_row_is_what_sqlalchemy_gives(db: Database, each: dict[str, object]) -> None:
    values = {"sought": each["id"]}
    with db.read() as connection:
        row = Prepared(BY_ID).first(connection, values)
        plain = connection.execute(BY_ID, values).one()
    assert tuple(row) == tuple(plain) == tuple(each.values())
    assert (row.id, row.made_at, row.hidden, row.more) == (plain.id, plain.made_at, plain.hidden, plain.more)
    assert type(row.hidden) is bool


def test_all_rows_in_their_order(db: Database) -> None:
    backwards = sa.select(things.c.id, things.c.hidden).order_by(things.c.id.desc())
    with db.read() as connection:
        assert list(Prepared(backwards).all(connection)) == [("two", False), ("one", True)]
        assert list(Prepared(BY_ID).all(connection, {"sought": "none"})) == []


def test_parameters_go_by_their_names(db: Database) -> None:
    older = Prepared(OLDER)
    with db.read() as connection:
        assert older.first(connection, {"sought": "one", "before": (1 << 50) + 1}).id == "one"
        assert older.first(connection, {"before": 1 << 50, "sought": "one"}) is None
        assert older.first(connection, {"sought": "none'; --", "before": 1}) is None
        with pytest.raises((KeyError, sa.exc.StatementError)):
            older.first(connection, {"sought": "one"})


def test_a_transaction_sees_what_it_has_written(db: Database) -> None:
    by_id = Prepared(BY_ID)
    with db.write() as connection:
        connection.execute(sa.update(things).where(things.c.id == "two").values(hidden=True))
        assert by_id.first(connection, {"sought": "two"}).hidden is True
        connection.execute(sa.delete(things).where(things.c.id == "two"))
        assert by_id.first(connection, {"sought": "two"}) is None
