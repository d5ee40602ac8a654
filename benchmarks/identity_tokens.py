"""CPU and time of everything about tokens, through the real WSGI application.

    .venv/bin/python benchmarks/identity_tokens.py [--database URL] [--rounds 2000] [--hash-rounds 12] [--log]

The database must be empty; without `--database` it is an SQLite file of its own. `--log` writes the access
log as the program does. One line of JSON a figure: `cpu_ms` is this process's processor time of one request, `wall_ms`
the median a client waits. With a database server `cpu_ms` leaves out the server's share.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support import BASE, Client

from cumulet.identity import app, tables
from cumulet.identity.domain import bootstrap, generations, users
from cumulet.identity.domain.bootstrap import BootstrapOptions
from cumulet.identity.domain.seeding import WantedService
from cumulet.identity.service import Identity
from cumulet.kernel import logs
from cumulet.kernel.auth import IdentityVerifier
from cumulet.kernel.client import Response, Transport
from cumulet.kernel.environment import Environment
from cumulet.kernel.ids import hex_id
from cumulet.kernel.settings import Settings

PASSWORD = "correct horse"
SCOPE = {"project": {"name": "admin", "domain": {"id": "default"}}}
SERVICES = ("image", "placement", "network", "compute", "block-storage", "object-store", "orchestration")


def build(state: Path, url: str | None, hash_rounds: int) -> Identity:
    environment = Environment(Settings(state_dir=str(state)))
    environment.paths.make()
    lines = [f"connection = {url}"] if url else []
    conf = "\n".join(["[database]", *lines, "[identity]", f"password_hash_rounds = {hash_rounds}", ""])
    (environment.paths.config / "keystone.conf").write_text(conf)
    identity = app.build_service(environment)
    tables.metadata.create_all(identity.db.engine)
    catalog = tuple(
        WantedService(kind, kind, dict.fromkeys(("public", "internal", "admin"), f"http://cloud.test/{kind}"))
        for kind in SERVICES
    )
    options = BootstrapOptions(PASSWORD, region="RegionOne", public_url="http://id.test/v3", services=catalog)
    bootstrap.bootstrap(identity, options)
    return identity


class Bench:
    def __init__(self, identity: Identity, rounds: int) -> None:
        self.identity = identity
        self.wsgi = app.build_api(identity)
        self.client = Client(self.wsgi)
        self.rounds = rounds
        self.token = self.log_in("admin").headers["x-subject-token"]

    def log_in(self, name: str) -> Response:
        user = {"name": name, "domain": {"id": "default"}, "password": PASSWORD}
        scope = SCOPE if name == "admin" else "unscoped"
        identity = {"methods": ["password"], "password": {"user": user}}
        return self.client.post("/v3/auth/tokens", {"auth": {"identity": identity, "scope": scope}})

    def measure(self, name: str, work: Callable[[], Any], rounds: int | None = None) -> None:
        rounds = rounds or self.rounds
        for _ in range(min(rounds, 50)):
            work()
        walls, cpu = [], time.process_time()
        for _ in range(rounds):
            started = time.perf_counter()
            work()
            walls.append(time.perf_counter() - started)
        cpu = (time.process_time() - cpu) / rounds
        figures = {"cpu_ms": round(cpu * 1e3, 4), "wall_ms": round(statistics.median(walls) * 1e3, 4)}
        print(json.dumps({"name": name, "database": self.identity.db.backend, "rounds": rounds, **figures}), flush=True)

    def ask(self, path: str, status: int, **rest: Any) -> Callable[[], None]:
        def work() -> None:
            answer = self.client.get(path, **rest)
            assert answer.status == status, answer.body

        return work

    def run(self) -> None:
        subject = {"X-Subject-Token": self.token}
        validate = self.ask("/v3/auth/tokens", 200, token=self.token, headers=subject)
        self.measure("version document", self.ask("/v3", 200))
        self.measure("validate", validate)
        self.measure("validate, after a change", self._after_a_change(validate), min(self.rounds, 500))
        body = {"identity": {"methods": ["token"], "token": {"id": self.token}}, "scope": SCOPE}
        self.measure("token from token", lambda: self.client.post("/v3/auth/tokens", {"auth": body}))
        self.measure("password again", lambda: self.log_in("admin"))
        self.measure("verify in another service", self._verify())
        self._first_time()

    def _after_a_change(self, work: Callable[[], None]) -> Callable[[], None]:
        """Something else in the cloud changed, so nothing is remembered."""

        def changed() -> None:
            with self.identity.db.write() as connection:
                generations.bump(connection)
            work()

        return changed

    def _verify(self) -> Callable[[], None]:
        verifier = IdentityVerifier(Transport(local={BASE: self.wsgi}), f"{BASE}/v3")

        def work() -> None:
            assert verifier.verify(self.token) is not None

        return work

    def _first_time(self) -> None:
        names = iter([hex_id() for _ in range(40)])
        for name in list(names):
            users.create(self.identity, {"name": name, "domain_id": "default", "password": PASSWORD}, {})
        with self.identity.db.read() as connection:
            rows = connection.exec_driver_sql("SELECT name, password_hash FROM users WHERE name <> 'admin'").all()
        logins, hashes = iter([row[0] for row in rows]), [row[1] for row in rows]
        self.measure("password for the first time", lambda: self.log_in(next(logins)), len(rows) // 2)
        hashed = iter(hashes)
        self.measure(
            "the hash alone",
            lambda: self.identity.passwords.verify(hex_id(), next(hashed), PASSWORD),
            len(rows) // 2,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database")
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--hash-rounds", type=int, default=12)
    parser.add_argument("--log", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        state = Path(directory)
        identity = build(state, given.database, given.hash_rounds)
        if given.log:
            logs.start("benchmark", state)
        Bench(identity, given.rounds).run()
        identity.db.close()


if __name__ == "__main__":
    main()
