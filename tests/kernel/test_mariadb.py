"""Reading rows from MariaDB gives what PyMySQL itself gives."""

from __future__ import annotations

import datetime
import decimal
import ssl
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from cumulet.kernel.db import Database
from cumulet.kernel.mariadb import _Connection, read_rows_fast
from tests.databases import Servers

ODD_ROWS = [
    (1, None, None, None, None, None),
    (2, "", b"", 0.0, decimal.Decimal("0.00"), datetime.datetime(2026, 1, 31, 12, 0)),
    *((10 + size % 7, "x" * size, b"\xff" * size, 1.5, None, None) for size in (250, 251, 252, 65_535, 65_536, 70_000)),
    (3, "ü😀\0'", bytes(range(256)), -1e300, decimal.Decimal("-12345678.90"), None),
]


@pytest.fixture(scope="module")
def url(database_servers: Servers) -> Iterator[str]:
    for make in database_servers.fresh("mariadb"):
        yield make("rows")


@pytest.fixture
def pair(url: str) -> Iterator[tuple[Any, Any]]:
    """A connection that reads fast and one of PyMySQL's own."""
    options = login_of(url) | {"database": make_url(url).database, "charset": "utf8mb4", "autocommit": True}
    with _Connection(**options) as fast, pymysql.connect(**options) as plain:
        yield fast, plain


def login_of(url: str) -> dict[str, Any]:
    parsed = make_url(url)
    return {"host": parsed.host, "port": parsed.port, "user": parsed.username, "password": parsed.password}


def ask(connection: Any, statement: str, parameters: Any = None) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall(), cursor.rowcount, cursor.description


def test_the_machines_authorities_are_read_only_where_a_certificate_is_checked(url: str) -> None:
    options = login_of(url)
    plain = pymysql.connect(**options, defer_connect=True).ctx
    one, two = (_Connection(**options, defer_connect=True).ctx for _ in range(2))
    assert one is two
    assert (one.verify_mode, one.check_hostname) == (plain.verify_mode, plain.check_hostname) == (ssl.CERT_NONE, False)
    assert (one.minimum_version, one.options) == (plain.minimum_version, plain.options)
    checked = _Connection(
        **options, defer_connect=True, ssl_verify_cert=True, ssl_ca=ssl.get_default_verify_paths().cafile
    )
    assert checked.ctx.verify_mode == ssl.CERT_REQUIRED


def test_rows_of_every_shape(pair: tuple[Any, Any]) -> None:
    fast, plain = pair
    ask(plain, "CREATE OR REPLACE TABLE odd (n INT, t LONGTEXT, b LONGBLOB, d DOUBLE, m DECIMAL(12,2), w DATETIME)")
    with plain.cursor() as cursor:
        cursor.executemany("INSERT INTO odd VALUES (%s, %s, %s, %s, %s, %s)", ODD_ROWS)
    for statement in (
        "SELECT * FROM odd",
        "SELECT n FROM odd WHERE n < 0",
        "SELECT NULL",
        "SELECT 1, '', NULL, TRUE",
        "SELECT seq, REPEAT('y', seq % 300) FROM seq_1_to_20000",
        "SELECT REPEAT('z', 17 * 1024 * 1024)",
        "SHOW DATABASES",
    ):
        assert ask(fast, statement) == ask(plain, statement), statement
    rows, _, _ = ask(fast, "SELECT * FROM odd ORDER BY n LIMIT 1")
    assert rows == (ODD_ROWS[0],)


def test_errors_and_what_comes_after(pair: tuple[Any, Any]) -> None:
    fast, _ = pair
    for statement, number in (("SELECT * FROM nowhere", 1146), ("SELECT (SELECT seq FROM seq_1_to_2)", 1242)):
        with pytest.raises(pymysql.err.MySQLError) as refused:
            ask(fast, statement)
        assert refused.value.args[0] == number
        assert ask(fast, "SELECT 7")[0] == ((7,),)
    with fast.cursor(pymysql.cursors.SSCursor) as cursor:
        cursor.execute("SELECT seq FROM seq_1_to_1000")
        assert sum(row[0] for row in cursor) == 500_500
    assert ask(fast, "SELECT 8")[0] == ((8,),)


def test_a_lost_connection_is_an_operational_error(pair: tuple[Any, Any]) -> None:
    fast, plain = pair
    ask(plain, f"KILL {fast.thread_id()}")
    with pytest.raises(pymysql.err.OperationalError):
        ask(fast, "SELECT 1")


def test_databases_read_this_way(url: str) -> None:
    database = Database(url)
    with database.read() as connection:
        assert isinstance(connection.connection.dbapi_connection, _Connection)
        assert connection.execute(sa.text("SELECT 'x', 2")).all() == [("x", 2)]
    database.close()


def test_another_pymysql_is_left_as_it_is(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("pymysql.connections.MySQLResult._read_row_from_packet")
    engine = sa.create_engine(url)
    assert read_rows_fast(engine) is False
