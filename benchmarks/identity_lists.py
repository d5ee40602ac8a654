"""CPU and time of Identity's lists, creates and deletes, through the real WSGI application.

    .venv/bin/python benchmarks/identity_lists.py [--database URL] [--rows 1000] [--rounds 200]

The database must be empty; without `--database` it is an SQLite file in a temporary directory, written without waiting
for the disk (`--durable` waits). One line of JSON a figure: `cpu_ms` is this process's processor time, `wall_ms` the
time a client waits; both are medians of a request. With a database server `cpu_ms` leaves out the server's share.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from tests.support import Client, StaticVerifier, caller

from cumulet.identity import app, tables
from cumulet.identity.service import Identity
from cumulet.kernel.auth import TokenAuthenticator
from cumulet.kernel.environment import Environment
from cumulet.kernel.ids import hex_id
from cumulet.kernel.settings import Settings


def build(state: Path, url: str | None, durable: bool) -> tuple[Identity, Client]:
    environment = Environment(Settings(state_dir=str(state)))
    environment.paths.make()
    lines = [f"connection = {url}"] if url else []
    conf = "\n".join(["[database]", f"sqlite_synchronous = {durable}", *lines, ""])
    (environment.paths.config / "keystone.conf").write_text(conf)
    identity = app.build_service(environment)
    tables.metadata.create_all(identity.db.engine)
    verifier = StaticVerifier(admin=caller("admin", "manager", "member", "reader"))
    authenticate = TokenAuthenticator(verifier, service_types=("identity",), www_authenticate="http://cloud.test:1")
    return identity, Client(app.build_api(identity, authenticate), **{"X-Auth-Token": "admin"})


def fill(identity: Identity, rows: int) -> None:
    """A default domain with `rows` users, groups and projects."""
    empty = {"options": "{}", "extra": "{}"}
    kinds: dict[sa.Table, dict[str, object]] = {
        tables.users: {"domain_id": "default", **empty},
        tables.groups: {"domain_id": "default", "extra": "{}"},
        tables.projects: {"domain_id": "default", "parent_id": "default", "is_domain": False, **empty},
    }
    with identity.db.write() as connection:
        domain = {"id": "default", "domain_id": "", "name": "Default", "is_domain": True, **empty}
        connection.execute(sa.insert(tables.projects).values(**domain))
        for table, fields in kinds.items():
            connection.execute(
                sa.insert(table), [{"id": hex_id(), "name": f"bench-{number}", **fields} for number in range(rows)]
            )


def measure(name: str, rounds: int, work: Callable[[int], None]) -> None:
    cpu, wall = [], []
    for number in range(rounds):
        started, started_cpu = time.perf_counter(), time.process_time()
        work(number)
        cpu.append((time.process_time() - started_cpu) * 1e3)
        wall.append((time.perf_counter() - started) * 1e3)
    figures = {"cpu_ms": round(statistics.median(cpu), 3), "wall_ms": round(statistics.median(wall), 3)}
    print(json.dumps({"name": name, **figures, "rounds": rounds}), flush=True)


def run(identity: Identity, client: Client, rows: int, rounds: int) -> None:
    def get(path: str) -> Callable[[int], None]:
        def ask(_: int) -> None:
            answer = client.get(path)
            assert answer.status == 200, answer.body

        ask(0)
        return ask

    fill(identity, rows)
    for kind in ("users", "groups", "projects"):
        measure(f"list {rows} {kind}", rounds, get(f"/v3/{kind}"))
    measure("list 1 user by name", rounds, get("/v3/users?name=bench-7"))
    measure("list 20 users of a page", rounds, get("/v3/users?limit=20"))
    made: list[str] = []

    def create(_: int) -> None:
        answer = client.post("/v3/users", {"user": {"name": hex_id(), "domain_id": "default", "email": "a@b.c"}})
        made.append(answer.json()["user"]["id"])

    create(0)
    measure("create user", rounds, create)
    measure("show user", rounds, lambda number: get_one(client, made[number]))
    patched = {"user": {"description": "changed"}}
    measure(
        "update user", rounds, lambda number: expect(client.patch(f"/v3/users/{made[number]}", patched).status, 200)
    )
    measure("delete user", rounds, lambda number: expect(client.delete(f"/v3/users/{made[number]}").status, 204))
    projects: list[str] = []

    def create_project(_: int) -> None:
        answer = client.post("/v3/projects", {"project": {"name": hex_id(), "domain_id": "default"}})
        projects.append(answer.json()["project"]["id"])

    create_project(0)
    measure("create project", rounds, create_project)
    measure("delete project", rounds, lambda n: expect(client.delete(f"/v3/projects/{projects[n]}").status, 204))


def get_one(client: Client, user_id: str) -> None:
    expect(client.get(f"/v3/users/{user_id}").status, 200)


def expect(status: int, wanted: int) -> None:
    assert status == wanted, status


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database")
    parser.add_argument("--durable", action="store_true")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=200)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as state:
        identity, client = build(Path(state), given.database, given.durable)
        run(identity, client, given.rows, given.rounds)
        identity.db.close()


if __name__ == "__main__":
    main()
