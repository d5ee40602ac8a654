"""Two verbs on a database: reads see what is committed, writes are one transaction in their turn."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cumulet.kernel.db import Database, TransactionLost, is_read, run_again, violates_unique

metadata = sa.MetaData()
counters = sa.Table("counters", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("value", sa.Integer))


numbers = sa.Table("numbers", sa.MetaData(), sa.Column("value", sa.Integer))


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


def test_many_threads_that_have_read_keep_none_from_writing(url: str) -> None:
    """On SQLite each keeps the connection it reads with: none of them may be the one that a writer waits for."""
    database = Database(url)
    at_once = threading.Barrier(150)

    def work(_: int) -> None:
        with database.read() as connection:
            connection.execute(sa.select(counters.c.value)).scalar_one()
        at_once.wait(60)
        with database.write() as connection:
            connection.execute(sa.update(counters).values(value=counters.c.value + 1))

    with ThreadPoolExecutor(at_once.parties) as threads:
        list(threads.map(work, range(at_once.parties)))
    with database.read() as connection:
        assert connection.execute(sa.select(counters.c.value)).scalar() == 150
    database.close()


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


def end_connections(url: str) -> None:
    """As a server does with idle ones, or when it is started again."""
    admin = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        if admin.dialect.name == "postgresql":
            others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            ending = "SELECT pg_terminate_backend({})"
        else:
            others = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
            ending = "KILL {}"
        for number in connection.execute(sa.text(others)).scalars().all():
            connection.execute(sa.text(ending.format(number)))
    admin.dispose()


def count_up(database: Database) -> int:
    with database.write() as connection:
        connection.execute(sa.update(numbers).values(value=numbers.c.value + 1))
        return int(connection.execute(sa.select(numbers.c.value)).scalar_one())


def look(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(sa.select(numbers.c.value)).scalar_one())


@pytest.fixture
def counted(database_url: str) -> Iterator[Database]:
    """A database server's database with a number in it."""
    database = Database(database_url)
    if database.is_sqlite:
        pytest.skip("an embedded database ends no connections")
    numbers.metadata.create_all(database.engine)
    with database.write() as connection:
        connection.execute(sa.insert(numbers).values(value=0))
    yield database
    database.close()


@pytest.mark.parametrize("work", [look, count_up])
def test_a_connection_that_the_server_ended_is_replaced(
    counted: Database, work: Callable[[Database], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = work(counted)
    end_connections(counted.url.render_as_string(hide_password=False))
    monkeypatch.setattr("cumulet.kernel.db._IDLE_SECONDS", 0.0)
    assert work(counted) == before + (work is count_up)


@pytest.mark.parametrize("work", [look, count_up])
def test_a_connection_that_ends_in_the_middle_is_run_again(counted: Database, work: Callable[[Database], int]) -> None:
    before = work(counted)
    end_connections(counted.url.render_as_string(hide_password=False))
    with pytest.raises(TransactionLost):
        work(counted)
    assert run_again(lambda: work(counted)) == before + (work is count_up)


def test_what_a_read_sees_is_committed_and_current(counted: Database) -> None:
    with counted.read() as reading, counted.write() as writing:
        writing.execute(sa.update(numbers).values(value=5))
        assert reading.execute(sa.select(numbers.c.value)).scalar() == 0
        assert is_read(reading) and not is_read(writing)
    with counted.read() as reading:
        assert reading.execute(sa.select(numbers.c.value)).scalar() == 5
        count_up(counted)
        assert reading.execute(sa.select(numbers.c.value)).scalar() == 6
