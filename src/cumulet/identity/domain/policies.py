"""Policies: texts of any kind that Identity keeps for other services."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.identity.errors import not_found
from cumulet.identity.service import Identity
from cumulet.identity.tables import policies
from cumulet.kernel.ids import hex_id

Policy = dict[str, Any]
"""{"id", "blob", "type", and what else the client had given}"""

_BY_ID = sa.select(policies).where(policies.c.id == sa.bindparam("policy_id"))


def _policy(row: Any) -> Policy:
    return {**msgspec.json.decode(row.extra), "id": row.id, "blob": msgspec.json.decode(row.blob), "type": row.type}


def find(identity: Identity, *, type_: str | None) -> list[Policy]:
    """Sorted by id."""
    query = sa.select(policies).order_by(policies.c.id)
    if type_ is not None:
        query = query.where(policies.c.type == type_)
    with identity.db.read() as connection:
        return [_policy(row) for row in connection.execute(query)]


def show(identity: Identity, policy_id: str) -> Policy:
    """Raises NotFound."""
    with identity.db.read() as connection:
        return load(connection, policy_id)


def load(connection: Connection, policy_id: str, *, lock: bool = False) -> Policy:
    """With `lock` the policy stays until the transaction ends. Raises NotFound."""
    query = _BY_ID.with_for_update(read=True) if lock else _BY_ID
    row = connection.execute(query, {"policy_id": policy_id}).first()
    if row is None:
        raise not_found("policy", policy_id)
    return _policy(row)


def _stored(values: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    """The blob is any text, so it is stored as JSON, in which every text can stand on every database."""
    row = {**values, "extra": msgspec.json.encode(extra).decode()}
    if "blob" in row:
        row["blob"] = msgspec.json.encode(row["blob"]).decode()
    return row


def create(identity: Identity, values: dict[str, Any], extra: dict[str, Any]) -> Policy:
    policy_id = hex_id()
    with identity.db.write() as connection:
        connection.execute(sa.insert(policies).values(**_stored(values, extra), id=policy_id))
    return {**extra, **values, "id": policy_id}


def update(identity: Identity, policy_id: str, values: dict[str, Any], extra: dict[str, Any]) -> Policy:
    """Raises NotFound."""
    with identity.db.write() as connection:
        policy = load(connection, policy_id)
        kept = {key: value for key, value in policy.items() if key not in policies.c} | extra
        connection.execute(sa.update(policies).where(policies.c.id == policy_id).values(**_stored(values, kept)))
        return load(connection, policy_id)


def delete(identity: Identity, policy_id: str) -> None:
    """Also ends its associations. Raises NotFound."""
    with identity.db.write() as connection:
        load(connection, policy_id)
        connection.execute(sa.delete(policies).where(policies.c.id == policy_id))
