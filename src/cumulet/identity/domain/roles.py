"""Roles: names for what one may do, of the whole cloud or of one domain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from cumulet.identity.domain import generations, resource_options
from cumulet.identity.errors import not_found
from cumulet.identity.service import Identity
from cumulet.identity.tables import (
    ROOT,
    application_credential_roles,
    application_credentials,
    roles,
    trust_roles,
)
from cumulet.kernel.db import violates_unique
from cumulet.kernel.errors import BadRequest, Conflict
from cumulet.kernel.ids import hex_id

Role = dict[str, Any]
"""{"id", "name", "domain_id", "description", "options", and what else the client had given}"""

_BY_ID = sa.select(roles).where(roles.c.id == sa.bindparam("role_id"))


def role_of(row: Row[Any]) -> Role:
    return {
        **msgspec.json.decode(row.extra),
        "id": row.id,
        "name": row.name,
        "domain_id": row.domain_id or None,
        "description": row.description,
        "options": msgspec.json.decode(row.options),
    }


def find(identity: Identity, *, name: str | None, domain_id: str | None) -> list[Role]:
    """The roles of one domain, or with None those of no domain, sorted by id."""
    query = sa.select(roles).where(roles.c.domain_id == (domain_id or ROOT)).order_by(roles.c.id)
    if name is not None:
        query = query.where(roles.c.name == name)
    with identity.db.read() as connection:
        return [role_of(row) for row in connection.execute(query)]


def show(identity: Identity, role_id: str) -> Role:
    """Raises NotFound."""
    with identity.db.read() as connection:
        return load(connection, role_id)


def load(connection: Connection, role_id: str) -> Role:
    """Raises NotFound."""
    row = connection.execute(_BY_ID, {"role_id": role_id}).first()
    if row is None:
        raise not_found("role", role_id)
    return role_of(row)


def load_many(connection: Connection, role_ids: Iterable[str]) -> dict[str, Role]:
    """Role id -> role, for those that exist. One query."""
    query = sa.select(roles).where(roles.c.id.in_(list(role_ids)))
    return {row.id: role_of(row) for row in connection.execute(query)}


def create(identity: Identity, values: dict[str, Any], extra: dict[str, Any]) -> Role:
    """Raises Conflict for a name in use in its domain."""
    role_id = hex_id()
    row = {"description": None, **values, "id": role_id, "domain_id": values.get("domain_id") or ROOT}
    options = resource_options.merged({}, values.get("options") or {})
    row["options"] = msgspec.json.encode(options).decode()
    row["extra"] = msgspec.json.encode(extra).decode()
    try:
        with identity.db.write() as connection:
            connection.execute(sa.insert(roles).values(**row))
            return load(connection, role_id)
    except IntegrityError as error:
        raise _duplicate(error, row["name"], row["domain_id"]) from None


def update(identity: Identity, role_id: str, values: dict[str, Any], extra: dict[str, Any]) -> Role:
    """Raises NotFound, BadRequest for another domain, Forbidden for an immutable role, Conflict for a name in use."""
    name, domain = values.get("name", ""), ""
    try:
        with identity.db.write() as connection:
            role = load(connection, role_id)
            domain = role["domain_id"] or ROOT
            if "domain_id" in values and values["domain_id"] != role["domain_id"]:
                raise BadRequest("Update of `domain_id` is not allowed.")
            resource_options.check_update("role", role_id, role["options"], {**values, **extra})
            kept = {key: value for key, value in role.items() if key not in roles.c} | extra
            stored = {key: value for key, value in values.items() if key in ("name", "description")}
            options = resource_options.merged(role["options"], values.get("options") or {})
            stored["options"] = msgspec.json.encode(options).decode()
            stored["extra"] = msgspec.json.encode(kept).decode()
            connection.execute(sa.update(roles).where(roles.c.id == role_id).values(**stored))
            generations.bump(connection)
            return load(connection, role_id)
    except IntegrityError as error:
        raise _duplicate(error, name, domain) from None


def _duplicate(error: IntegrityError, name: str, domain_id: str) -> Exception:
    if not violates_unique(error):
        return error
    where = f" at domain ID {domain_id}" if domain_id else ""
    return Conflict(f"Conflict occurred attempting to store role - Duplicate entry found with name {name}{where}.")


def delete(identity: Identity, role_id: str) -> None:
    """Also ends its assignments and implications, its part in trusts, and the application credentials that had it.

    Raises NotFound, or Forbidden for an immutable role.
    """
    with identity.db.write() as connection:
        role = load(connection, role_id)
        resource_options.check_delete("role", role_id, role["options"])
        holding = sa.select(application_credential_roles.c.application_credential_id).where(
            application_credential_roles.c.role_id == role_id
        )
        connection.execute(sa.delete(application_credentials).where(application_credentials.c.id.in_(holding)))
        connection.execute(sa.delete(trust_roles).where(trust_roles.c.role_id == role_id))
        connection.execute(sa.delete(roles).where(roles.c.id == role_id))
        generations.bump(connection)
