"""`insert_if_absent` on every database: whether a row was made, without ending the transaction."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cumulet.kernel.db import Database
from cumulet.kernel.upsert import insert_if_absent

metadata = sa.MetaData()
seats = sa.Table(
    "seats",
    metadata,
    sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("guest", sa.String(16), nullable=False),
)


def test_a_row_is_made_once_and_the_transaction_goes_on(database_url: str) -> None:
    db = Database(database_url)
    try:
        with db.write() as connection:
            metadata.create_all(connection)
        with db.write() as connection:
            assert insert_if_absent(connection, seats, {"row": 1, "number": 1, "guest": "ann"})
            assert not insert_if_absent(connection, seats, {"row": 1, "number": 1, "guest": "bob"})
            assert insert_if_absent(connection, seats, {"row": 1, "number": 2, "guest": "bob"})
        with db.read() as connection:
            found = connection.execute(sa.select(seats.c.guest).order_by(seats.c.number)).scalars().all()
        assert found == ["ann", "bob"]
    finally:
        db.close()


def test_another_refusal_than_that_of_a_unique_index_is_raised(database_url: str) -> None:
    db = Database(database_url)
    try:
        with db.write() as connection:
            metadata.create_all(connection)
        with pytest.raises(IntegrityError), db.write() as connection:
            insert_if_absent(connection, seats, {"row": 1, "number": 1, "guest": None})
    finally:
        db.close()
