"""Things that tests need to be there, straight into the tables or through the API; each gives back an id."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cumulet.identity import tables
from cumulet.identity.service import Identity
from cumulet.kernel.ids import hex_id
from tests.identity.conftest import Caller


def role(client: Caller, name: str | None = None, **fields: Any) -> str:
    made = client.post("/v3/roles", {"role": {"name": name or hex_id(), **fields}})
    assert made.status == 201, made.body
    return str(made.json()["role"]["id"])


def domain(identity: Identity, name: str | None = None) -> str:
    domain_id = hex_id()
    _insert(identity, tables.projects, _project(domain_id, name, tables.ROOT, None, True))
    return domain_id


def project(identity: Identity, domain_id: str, name: str | None = None, parent_id: str | None = None) -> str:
    project_id = hex_id()
    _insert(identity, tables.projects, _project(project_id, name, domain_id, parent_id or domain_id, False))
    return project_id


def _project(project_id: str, name: str | None, domain_id: str, parent_id: str | None, is_domain: bool) -> Any:
    return {
        "id": project_id,
        "name": name or project_id,
        "domain_id": domain_id,
        "parent_id": parent_id,
        "is_domain": is_domain,
        "options": "{}",
        "extra": "{}",
    }


def user(identity: Identity, domain_id: str, name: str | None = None) -> str:
    user_id = hex_id()
    row = {"id": user_id, "domain_id": domain_id, "name": name or user_id, "options": "{}", "extra": "{}"}
    _insert(identity, tables.users, row)
    return user_id


def group(identity: Identity, domain_id: str, *members: str, name: str | None = None) -> str:
    group_id = hex_id()
    _insert(identity, tables.groups, {"id": group_id, "domain_id": domain_id, "name": name or group_id, "extra": "{}"})
    for user_id in members:
        _insert(identity, tables.memberships, {"user_id": user_id, "group_id": group_id})
    return group_id


def _insert(identity: Identity, table: sa.Table, row: dict[str, Any]) -> None:
    with identity.db.write() as connection:
        connection.execute(sa.insert(table).values(**row))


def service(client: Caller, type_: str = "oven", **fields: Any) -> str:
    """`name=None` makes one without a name."""
    body = {"type": type_, "name": "ceres", **fields}
    made = client.post("/v3/services", {"service": {key: value for key, value in body.items() if value is not None}})
    assert made.status == 201, made.body
    return str(made.json()["service"]["id"])


def endpoint(client: Caller, service_id: str, **fields: Any) -> str:
    body = {"interface": "public", "service_id": service_id, "url": "http://host:1/", **fields}
    made = client.post("/v3/endpoints", {"endpoint": body})
    assert made.status == 201, made.body
    return str(made.json()["endpoint"]["id"])


def region(client: Caller, region_id: str) -> str:
    made = client.put(f"/v3/regions/{region_id}", {"region": {}})
    assert made.status == 201, made.body
    return region_id
