"""A database that is away is told from a mistake, and to users as 503."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pymysql
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from cumulet.kernel.auth import TokenAuthenticator
from cumulet.kernel.db import Database, TransactionLost
from cumulet.kernel.http import Api, Call, Reply, Route, application
from cumulet.kernel.outages import is_outage
from tests.daemons import free_port
from tests.databases import MariaDb, Servers
from tests.support import Client, StaticVerifier


def _error_of(url: str, statement: str = "SELECT 1") -> BaseException:
    database = Database(url)
    try:
        with pytest.raises(DBAPIError) as caught, database.read() as connection:
            connection.execute(sa.text(statement))
    finally:
        database.close()
    return caught.value


@pytest.mark.parametrize("driver", ["mysql+pymysql", "postgresql+psycopg"])
def test_a_server_that_is_not_there(driver: str) -> None:
    error = _error_of(f"{driver}://user:secret@127.0.0.1:{free_port()}/name")
    assert is_outage(error)
    assert isinstance(error, DBAPIError) and is_outage(error.orig), "the driver's own error is told too"


def test_a_wrong_statement_is_no_outage(database_url: str) -> None:
    error = _error_of(database_url, "SELECT * FROM nowhere")
    assert isinstance(error, DBAPIError)
    assert not is_outage(error) and not is_outage(error.orig)


def test_other_errors() -> None:
    assert is_outage(TransactionLost("deadlock"))
    assert is_outage(sa.exc.TimeoutError("no connection is free"))
    assert is_outage(pymysql.err.InterfaceError(0, ""))
    assert not is_outage(pymysql.err.ProgrammingError(1064, "syntax"))
    assert not is_outage(ValueError("1")) and not is_outage(None)


def test_users_are_told_503(tmp_path: Path) -> None:
    database = Database(f"mysql+pymysql://user:secret@127.0.0.1:{free_port()}/name")

    def read(call: Call[Any]) -> Reply:
        with database.read() as connection:
            return Reply({"one": connection.scalar(sa.text("SELECT 1"))})

    routes = [Route("GET", "/one", read, public=True)]
    authenticate = TokenAuthenticator(StaticVerifier(), service_types=("one",), www_authenticate="http://id")
    api = Api("one", None, routes, authenticate, error_body=lambda error, _: {"message": error.message})
    answer = Client(application(api)).get("/one")
    database.close()
    assert answer.status == 503
    assert "The database does not answer" in answer.json()["message"]


def test_a_killed_server_is_an_outage_until_it_is_back(database_servers: Servers) -> None:
    server = database_servers.get("mariadb")
    assert isinstance(server, MariaDb)
    for make in database_servers.fresh("mariadb"):
        _kill_and_look(server, Database(make("outage")))


def _kill_and_look(server: MariaDb, database: Database) -> None:
    with database.read() as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1
    server.kill()
    try:
        with pytest.raises(Exception) as caught, database.read() as connection:
            connection.execute(sa.text("SELECT 1"))
        assert is_outage(caught.value)
    finally:
        server.start()
    with database.read() as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1
    database.close()
