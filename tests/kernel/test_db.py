"""Two verbs on a database: reads see what is committed, writes are one transaction in their turn."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cumulet.kernel.db import Database, TransactionLost, run_again, violates_unique

metadata = sa.MetaData()
counters = sa.Table("counters", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("value", sa.Integer))


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/db.sqlite"
    database = Database(url)
    with database.write() as connection:
        metadata.create_all(connection)
        connection.execute(sa.insert(counters).values(id=1, value=0))
    database.close()
    return url


def add(url: str, times: int) -> None:
    database = Database(url)
    for _ in range(times):
        with database.write() as connection:
            value = connection.execute(sa.select(counters.c.value)).scalar_one()
            connection.execute(sa.update(counters).values(value=value + 1))
    database.close()


def test_writers_of_many_threads_and_processes_take_turns(url: str) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [threading.Thread(target=add, args=(url, 100)) for _ in range(4)]
    others = [context.Process(target=add, args=(url, 100)) for _ in range(2)]
    for worker in (*workers, *others):
        worker.start()
    for worker in (*workers, *others):
        worker.join()
    with Database(url).read() as connection:
        assert connection.execute(sa.select(counters.c.value)).scalar() == 600


def test_a_write_that_raises_leaves_nothing(url: str) -> None:
    database = Database(url)
    with pytest.raises(RuntimeError), database.write() as connection:
        connection.execute(sa.update(counters).values(value=9))
        raise RuntimeError("half way")
    with database.read() as connection:
        assert connection.execute(sa.select(counters.c.value)).scalar() == 0


def test_a_unique_index_is_told_from_other_refusals(url: str) -> None:
    database = Database(url)
    with pytest.raises(IntegrityError) as refused, database.write() as connection:
        connection.execute(sa.insert(counters).values(id=1, value=2))
    assert violates_unique(refused.value)


def test_a_lost_transaction_is_run_again_and_the_last_loss_is_raised() -> None:
    losses = [TransactionLost(), TransactionLost()]

    def work() -> str:
        if losses:
            raise losses.pop()
        return "done"

    assert run_again(work) == "done"

    def never() -> None:
        raise TransactionLost("always")

    with pytest.raises(TransactionLost):
        run_again(never, attempts=3)


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ("mysql://k:p@controller/keystone", "mysql+pymysql"),
        ("mysql+pymysql://k:p@controller/keystone?charset=utf8", "mysql+pymysql"),
        ("postgresql://k:p@controller/keystone", "postgresql+psycopg"),
    ],
)
def test_the_guides_connection_strings_find_their_driver(given: str, driver: str) -> None:
    assert Database(given).url.drivername == driver
