"""The first things in a cloud: `keystone-manage bootstrap` and what `cumulet up` adds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from cumulet.identity import tables
from cumulet.identity.domain import assignments, catalog
from cumulet.identity.domain.bootstrap import BootstrapOptions, bootstrap, ensure_cloud
from cumulet.identity.service import Identity
from cumulet.kernel.settings import Settings
from cumulet.services import CatalogEntry, Service
from tests.identity.conftest import make_identity

OPTIONS = BootstrapOptions(
    admin_password="first secret",
    region="RegionOne",
    public_url="http://cloud:5000/v3/",
    internal_url="http://inside:5000/v3/",
)
SERVICES = (
    Service("identity", "keystone", 5000, "/identity", (CatalogEntry("identity", "keystone", "/v3"),), "none"),
    Service(
        "volume",
        "cinder",
        8776,
        "/volume",
        (CatalogEntry("volumev3", "cinderv3", "/v3/%(project_id)s"), CatalogEntry("block-storage", "cinder", "/v3")),
        "none",
        user="cinder",
    ),
)
PASSWORDS = {"admin": "a-password", "demo": "d-password", "cinder": "c-password"}


@pytest.fixture
def empty(database_url: str, tmp_path: Path) -> Iterator[Identity]:
    identity = make_identity(database_url, tmp_path)
    yield identity
    identity.db.close()


def contents(identity: Identity) -> dict[str, list[Any]]:
    """Every row of every table but the generation, which counts what was done."""
    with identity.db.read() as connection:
        return {
            table.name: sorted(map(str, connection.execute(sa.select(table)).all()))
            for table in tables.metadata.sorted_tables
            if table is not tables.token_generation
        }


def row(identity: Identity, table: sa.Table, name: str) -> Any:
    with identity.db.read() as connection:
        return connection.execute(sa.select(table).where(table.c.name == name)).one()


def roles_of(identity: Identity, user: str, **scope: Any) -> list[str]:
    with identity.db.read() as connection:
        user_id = row(identity, tables.users, user).id
        return [role.name for role in assignments.effective_roles(connection, user_id, **scope)]


def test_bootstrap_makes_what_the_original_makes(empty: Identity) -> None:
    bootstrap(empty, OPTIONS)
    domain = row(empty, tables.projects, "Default")
    assert (domain.id, domain.is_domain, domain.description) == ("default", True, "The default domain")
    project = row(empty, tables.projects, "admin")
    assert (project.domain_id, project.parent_id, project.is_domain) == ("default", "default", False)
    everything = ["admin", "manager", "member", "reader"]
    assert roles_of(empty, "admin", project_id=project.id) == everything
    assert roles_of(empty, "admin", system=True) == everything
    assert msgspec.json.decode(row(empty, tables.roles, "service").options) == {"immutable": True}
    admin = row(empty, tables.users, "admin")
    assert empty.passwords.verify(admin.id, admin.password_hash, "first secret")
    with empty.db.read() as connection:
        (entry,) = catalog.entries(connection, project.id, admin.id)
    assert (entry["type"], entry["name"]) == ("identity", "keystone")
    assert {(one["interface"], one["url"], one["region"]) for one in entry["endpoints"]} == {
        ("public", "http://cloud:5000/v3/", "RegionOne"),
        ("internal", "http://inside:5000/v3/", "RegionOne"),
    }


def test_bootstrap_again_changes_nothing(empty: Identity) -> None:
    bootstrap(empty, OPTIONS)
    before = contents(empty)
    bootstrap(empty, OPTIONS)
    assert contents(empty) == before


def test_bootstrap_again_moves_endpoints_and_adds_what_is_missing(empty: Identity) -> None:
    bootstrap(empty, OPTIONS)
    bootstrap(empty, replace(OPTIONS, public_url="http://cloud:6000/v3/", admin_url="http://inside:6000/v3/"))
    with empty.db.read() as connection:
        (entry,) = catalog.entries(connection, None, None)
    assert sorted(one["url"] for one in entry["endpoints"]) == [
        "http://cloud:6000/v3/",
        "http://inside:5000/v3/",
        "http://inside:6000/v3/",
    ]


def test_bootstrap_lets_a_locked_out_administrator_in(empty: Identity) -> None:
    bootstrap(empty, OPTIONS)
    with empty.db.write() as connection:
        connection.execute(sa.update(tables.users).values(enabled=False))
        connection.execute(sa.delete(tables.assignments))
    bootstrap(empty, replace(OPTIONS, admin_password="second secret"))
    admin = row(empty, tables.users, "admin")
    assert admin.enabled
    assert empty.passwords.verify(admin.id, admin.password_hash, "second secret")
    assert not empty.passwords.verify(admin.id, admin.password_hash, "first secret")
    assert "admin" in roles_of(empty, "admin", system=True)


def test_bootstrap_under_other_names_and_with_mutable_roles(empty: Identity) -> None:
    bootstrap(
        empty,
        BootstrapOptions(
            admin_password="secret",
            admin_username="root",
            admin_project="operators",
            admin_role="superuser",
            immutable_roles=False,
        ),
    )
    project = row(empty, tables.projects, "operators")
    assert roles_of(empty, "root", project_id=project.id) == ["manager", "member", "reader", "superuser"]
    assert row(empty, tables.roles, "superuser").options == "{}"
    assert contents(empty)["services"] == contents(empty)["regions"] == []


def test_a_cloud_has_its_services_users_catalog_and_a_demo(empty: Identity, tmp_path: Path) -> None:
    settings = Settings(state_dir=str(tmp_path), port_offset=100)
    ensure_cloud(empty, settings, SERVICES, PASSWORDS)
    service_project, demo_project = row(empty, tables.projects, "service"), row(empty, tables.projects, "demo")
    of_cinder = roles_of(empty, "cinder", project_id=service_project.id)
    assert of_cinder == ["admin", "manager", "member", "reader", "service"]
    assert roles_of(empty, "demo", project_id=demo_project.id) == ["member", "reader"]
    for name, password in PASSWORDS.items():
        user = row(empty, tables.users, name)
        assert empty.passwords.verify(user.id, user.password_hash, password)
    with empty.db.read() as connection:
        entries = catalog.entries(connection, demo_project.id, "demo")
    urls = {(entry["type"], one["interface"]): one["url"] for entry in entries for one in entry["endpoints"]}
    assert len(urls) == 9
    assert urls["identity", "public"] == "http://127.0.0.1:5100/v3"
    assert urls["volumev3", "internal"] == f"http://127.0.0.1:8876/v3/{demo_project.id}"
    assert urls["block-storage", "admin"] == "http://127.0.0.1:8876/v3"
    before = contents(empty)
    ensure_cloud(empty, settings, SERVICES, PASSWORDS)
    assert contents(empty) == before


def test_a_cloud_follows_its_ports_and_keeps_what_people_changed(empty: Identity, tmp_path: Path) -> None:
    settings = Settings(state_dir=str(tmp_path))
    ensure_cloud(empty, settings, SERVICES, PASSWORDS)
    with empty.db.write() as connection:
        connection.execute(sa.delete(tables.projects).where(tables.projects.c.name == "demo"))
        connection.execute(sa.update(tables.users).where(tables.users.c.name == "demo").values(enabled=False))
    before = contents(empty)
    ensure_cloud(empty, msgspec.structs.replace(settings, port_offset=7), SERVICES, {**PASSWORDS, "admin": "other"})
    after = contents(empty)
    assert [name for name in after if after[name] != before[name]] == ["endpoints"]
    assert all(":5007/" in line or ":8783/" in line for line in after["endpoints"])


def test_endpoints_made_by_hand_keep_their_url(empty: Identity, tmp_path: Path) -> None:
    """Behind a virtual address the install guides give its name to every endpoint, and to bootstrap."""
    bootstrap(empty, OPTIONS)
    settings = Settings(state_dir=str(tmp_path))
    ensure_cloud(empty, settings, SERVICES, PASSWORDS)
    assert urls(empty, "identity") == {
        ("public", "http://cloud:5000/v3/"),
        ("internal", "http://inside:5000/v3/"),
        ("admin", "http://127.0.0.1:5000/v3"),
    }
    with empty.db.write() as connection:
        mine = sa.update(tables.endpoints).where(tables.endpoints.c.interface == "admin")
        connection.execute(mine.where(tables.endpoints.c.url.contains("5000")).values(url="http://localhost:35357/v3"))
    ensure_cloud(empty, msgspec.structs.replace(settings, public_host="new"), SERVICES, PASSWORDS)
    assert urls(empty, "identity") == {
        ("public", "http://cloud:5000/v3/"),
        ("internal", "http://inside:5000/v3/"),
        ("admin", "http://new:5000/v3"),
    }
    assert {url for _, url in urls(empty, "volumev3")} == {"http://new:8776/v3/%(project_id)s"}


def urls(identity: Identity, kind: str) -> set[tuple[str, str]]:
    joined = tables.endpoints.join(tables.services, tables.endpoints.c.service_id == tables.services.c.id)
    query = sa.select(tables.endpoints.c.interface, tables.endpoints.c.url).select_from(joined)
    with identity.db.read() as connection:
        return {(one.interface, one.url) for one in connection.execute(query.where(tables.services.c.type == kind))}


def test_what_is_made_by_hand_is_only_completed(empty: Identity, tmp_path: Path) -> None:
    settings = Settings(state_dir=str(tmp_path), by_hand=True)
    for _ in range(2):
        ensure_cloud(empty, settings, SERVICES, PASSWORDS)
    filled = {name: len(rows) for name, rows in contents(empty).items() if rows}
    assert filled == {"projects": 1, "regions": 1}  # the project is the domain
    bootstrap(empty, OPTIONS)
    bootstrap(empty, replace(OPTIONS, admin_username="cinder", admin_project="service", region=None))
    before = contents(empty)
    for _ in range(2):
        ensure_cloud(empty, settings, SERVICES, PASSWORDS)
    after = contents(empty)
    assert {name for name in after if after[name] != before[name]} == {"assignments"}
    assert len(after["assignments"]) == len(before["assignments"]) + 1
    service = row(empty, tables.projects, "service")
    assert "service" in roles_of(empty, "cinder", project_id=service.id)
    assert urls(empty, "volumev3") == set()


def test_roles_made_by_hand_are_completed(empty: Identity, tmp_path: Path) -> None:
    settings = Settings(state_dir=str(tmp_path), by_hand=True)
    ensure_cloud(empty, settings, SERVICES, PASSWORDS)
    with empty.db.write() as connection:
        made = {"id": "1", "domain_id": tables.ROOT, "name": "admin", "options": "{}", "extra": "{}"}
        connection.execute(sa.insert(tables.roles).values(made))
    ensure_cloud(empty, settings, SERVICES, PASSWORDS)
    with empty.db.read() as connection:
        names = set(connection.scalars(sa.select(tables.roles.c.name)))
    assert names == {"admin", "manager", "member", "reader", "service"}
    assert not contents(empty)["users"]


def test_a_service_that_comes_later_is_added(empty: Identity, tmp_path: Path) -> None:
    settings = Settings(state_dir=str(tmp_path))
    ensure_cloud(empty, settings, SERVICES[:1], PASSWORDS)
    assert len(contents(empty)["users"]) == 2
    ensure_cloud(empty, settings, SERVICES, PASSWORDS)
    assert len(contents(empty)["users"]) == 3
    assert len(contents(empty)["endpoints"]) == 9


def test_a_warm_start_is_a_few_small_reads(empty: Identity, tmp_path: Path) -> None:
    settings = Settings(state_dir=str(tmp_path))
    ensure_cloud(empty, settings, SERVICES, PASSWORDS)
    statements: list[str] = []
    note = lambda connection, cursor, statement, *rest: statements.append(statement)  # noqa: E731
    for engine in empty.db.engines:
        sa.event.listen(engine, "before_cursor_execute", note)
    started = time.perf_counter()
    ensure_cloud(empty, settings, SERVICES, PASSWORDS)
    took = time.perf_counter() - started
    for engine in empty.db.engines:
        sa.event.remove(engine, "before_cursor_execute", note)
    assert len(statements) <= 12
    assert all(statement.lstrip().startswith("SELECT") for statement in statements)
    assert took < 0.5  # 5 ms where nothing else runs
