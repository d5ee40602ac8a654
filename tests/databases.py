"""Fixtures: fresh databases on SQLite, PostgreSQL and MariaDB.

`CUMULET_TEST_DATABASES` says on which a test runs: `sqlite` (the default), a comma list, or `all`. A server is started
once a session, on a free port, when the first test asks for it. Where it is not installed the tests are skipped with
the reason; `CUMULET_TEST_DATABASES_REQUIRED=1` makes that an error, for CI.

- `database_url`: the URL of an empty database, new for each test.
- `database_urls`: a function; each call with a name gives the URL of another empty database for the same test.
- `module_database_url`: an empty database that the tests of one module share.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymysql
import pytest

from tests.daemons import Daemon, account_for, free_port, scratch_directory

if TYPE_CHECKING:
    import psycopg

BACKENDS = ("sqlite", "postgresql", "mariadb")

MakeUrl = Callable[[str], str]


def chosen_backends() -> list[str]:
    wanted = os.environ.get("CUMULET_TEST_DATABASES", "sqlite").replace(" ", "").lower()
    chosen = list(BACKENDS) if wanted == "all" else [name for name in wanted.split(",") if name]
    unknown = set(chosen) - set(BACKENDS)
    if unknown or not chosen:
        raise pytest.UsageError(f"CUMULET_TEST_DATABASES is a comma list of {', '.join(BACKENDS)}, or all")
    return chosen


class _Missing(Exception):
    """The server is not installed."""


def _program(name: str, *places: str, package: str) -> str:
    candidates = [shutil.which(name), *(f"{place}/{name}" for place in places)]
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK):
            return candidate
    raise _Missing(f"{name} is not installed (Debian: apt-get install {package})")


class MariaDb:
    """A MariaDB server of the tests' own. What it answered outlives its own death, not the machine's."""

    def __init__(self) -> None:
        install = _program("mariadb-install-db", package="mariadb-server")
        server = _program("mariadbd", "/usr/sbin", package="mariadb-server")
        account = account_for("mysql")
        self.directory = scratch_directory("mariadb", account)
        self._port = free_port()
        data = self.directory / "data"
        as_account = [] if account is None else [f"--user={account}"]
        subprocess.run(
            [install, "--no-defaults", f"--datadir={data}", "--skip-test-db", *as_account],
            check=True,
            capture_output=True,
            timeout=120,
        )
        accounts = self.directory / "accounts.sql"
        accounts.write_text("CREATE USER cumulet IDENTIFIED BY 'secret';\nGRANT ALL ON *.* TO cumulet;\n")
        self._daemon = Daemon(
            "mariadb",
            [
                server,
                "--no-defaults",
                f"--datadir={data}",
                f"--socket={self.directory}/socket",
                f"--port={self._port}",
                f"--pid-file={self.directory}/pid",
                f"--init-file={accounts}",
                "--bind-address=127.0.0.1",
                "--character-set-server=utf8mb4",
                "--collation-server=utf8mb4_general_ci",  # Debian's defaults
                "--innodb-flush-log-at-trx-commit=2",
                "--innodb-buffer-pool-size=128M",
                "--max-connections=500",
                "--skip-log-bin",
                "--skip-name-resolve",  # else the anonymous user of localhost comes before ours
            ],
            self.directory,
            account=account,
        )
        self.start()

    def start(self) -> None:
        self._daemon.start(self._answers)

    def kill(self) -> None:
        """`kill -9`."""
        self._daemon.kill()

    def _answers(self) -> bool:
        try:
            self._execute("SELECT 1")
        except pymysql.err.OperationalError:
            return False  # the accounts are not there yet
        return True

    def connect(self, name: str | None = None) -> pymysql.Connection[Any]:
        return pymysql.connect(
            host="127.0.0.1", port=self._port, user="cumulet", password="secret", database=name, ssl_disabled=True
        )

    def _execute(self, statement: str) -> None:
        with self.connect() as connection:
            connection.cursor().execute(statement)

    def create(self, name: str) -> str:
        self._execute(f"CREATE DATABASE {name}")
        return f"mysql+pymysql://cumulet:secret@127.0.0.1:{self._port}/{name}"

    def drop(self, name: str) -> None:
        self._execute(f"DROP DATABASE {name}")

    def stop(self) -> None:
        self._daemon.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


class PostgreSql:
    """A PostgreSQL server of the tests' own, without fsync."""

    def __init__(self) -> None:
        places = sorted((str(path) for path in Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
        initdb = _program("initdb", *places, package="postgresql")
        server = Path(initdb).resolve().with_name("postgres")  # of the same version
        account = account_for("postgres")
        self.directory = scratch_directory("postgresql", account)
        self._port = free_port()
        data = self.directory / "data"
        subprocess.run(
            [initdb, "-D", data, "-A", "trust", "-U", "cumulet", "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True,
            capture_output=True,
            timeout=120,
            user=account,
            cwd=self.directory,
        )
        command: list[str | os.PathLike[str]] = [server, "-D", data, "-k", self.directory, "-h", "127.0.0.1"]
        command += ["-p", str(self._port), "-c", "fsync=off", "-c", "max_connections=300"]
        self._daemon = Daemon("postgresql", command, self.directory, account=account)
        self._daemon.start(self._answers)

    def _answers(self) -> bool:
        import psycopg

        try:
            self._execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def connect(self, name: str | None = None) -> psycopg.Connection[Any]:
        import psycopg

        where = f"host=127.0.0.1 port={self._port} user=cumulet dbname={name or 'postgres'}"
        return psycopg.connect(where, autocommit=name is None)

    def _execute(self, statement: str) -> None:
        with self.connect() as connection:
            connection.execute(statement.encode())

    def create(self, name: str) -> str:
        self._execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://cumulet@127.0.0.1:{self._port}/{name}"

    def drop(self, name: str) -> None:
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def stop(self) -> None:
        self._daemon.stop(sign=signal.SIGINT)  # "fast" shutdown: clients are cut off
        shutil.rmtree(self.directory, ignore_errors=True)


class SqliteFiles:
    """Files in a directory, with the same verbs as a server."""

    def __init__(self) -> None:
        self.directory = scratch_directory("sqlite", None)

    def create(self, name: str) -> str:
        return f"sqlite:///{self.directory}/{name}/db.sqlite"

    def copy(self, template: str, name: str) -> str:
        """`template` is in use by nobody, so that all it holds is in its one file."""
        log = self.directory / template / "db.sqlite-wal"
        assert not log.exists() or log.stat().st_size == 0, f"{template} is in use"
        (self.directory / name).mkdir()
        shutil.copyfile(self.directory / template / "db.sqlite", self.directory / name / "db.sqlite")
        return self.create(name)

    def drop(self, name: str) -> None:
        shutil.rmtree(self.directory / name, ignore_errors=True)

    def stop(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)


class Servers:
    """Starts each server when it is first asked for, and stops them all."""

    _kinds = {"sqlite": SqliteFiles, "mariadb": MariaDb, "postgresql": PostgreSql}

    def __init__(self) -> None:
        self._running: dict[str, SqliteFiles | MariaDb | PostgreSql] = {}
        self._numbers = itertools.count(1)

    def get(self, backend: str) -> SqliteFiles | MariaDb | PostgreSql:
        if backend not in self._running:
            try:
                self._running[backend] = self._kinds[backend]()
            except _Missing as missing:
                if os.environ.get("CUMULET_TEST_DATABASES_REQUIRED") == "1":
                    raise
                pytest.skip(str(missing))
        return self._running[backend]

    def fresh(self, backend: str) -> Iterator[MakeUrl]:
        """A function that creates databases, all of which are dropped when the iterator goes on."""
        server = self.get(backend)
        created: list[str] = []

        def make(name: str) -> str:
            created.append(f"t{next(self._numbers)}_{name.replace('-', '_')}")
            return server.create(created[-1])

        try:
            yield make
        finally:
            for name in created:
                server.drop(name)

    def stop(self) -> None:
        while self._running:
            _, server = self._running.popitem()
            server.stop()


@pytest.fixture(scope="session")
def database_servers() -> Iterator[Servers]:
    servers = Servers()
    try:
        yield servers
    finally:
        servers.stop()


@pytest.fixture(scope="session", params=chosen_backends())
def database_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def database_urls(database_servers: Servers, database_backend: str) -> Iterator[MakeUrl]:
    yield from database_servers.fresh(database_backend)


@pytest.fixture
def database_url(database_urls: MakeUrl) -> str:
    return database_urls("test")


@pytest.fixture(scope="module")
def module_database_url(database_servers: Servers, database_backend: str) -> Iterator[str]:
    for make in database_servers.fresh(database_backend):
        yield make("test")
