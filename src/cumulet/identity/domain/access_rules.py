"""Access rules: which requests an application credential's tokens are good for. They belong to the user and are shared
by the user's credentials; equal ones are one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.identity.errors import not_found
from cumulet.identity.service import Identity
from cumulet.identity.tables import access_rules, application_credential_access_rules
from cumulet.kernel.errors import Forbidden
from cumulet.kernel.ids import hex_id

KIND = "Access Rule"
AccessRule = dict[str, Any]
"""{"id", "service", "path", "method"}"""
_COLUMNS = (access_rules.c.id, access_rules.c.service, access_rules.c.path, access_rules.c.method)


class NewAccessRule(NamedTuple):
    """Either the id of one that is there, or what it allows."""

    id: str | None
    service: str | None
    path: str | None
    method: str | None


def _rule(row: Any) -> AccessRule:
    return {"id": row.id, "service": row.service, "path": row.path, "method": row.method}


def of_credentials(connection: Connection, credential_ids: Sequence[str]) -> dict[str, list[AccessRule]]:
    """Credential id -> its rules, in the order they were given. One query."""
    link = application_credential_access_rules
    query = (
        sa.select(link.c.application_credential_id, *_COLUMNS)
        .join(access_rules, access_rules.c.id == link.c.access_rule_id)
        .where(link.c.application_credential_id.in_(list(credential_ids)))
        .order_by(link.c.position, access_rules.c.id)
    )
    found: dict[str, list[AccessRule]] = {}
    for row in connection.execute(query):
        found.setdefault(row.application_credential_id, []).append(_rule(row))
    return found


def attach(connection: Connection, user_id: str, credential_id: str, wanted: Sequence[NewAccessRule]) -> None:
    """Give a credential its rules, making those the user has not yet. Raises NotFound for an unknown id."""
    have = [_rule(row) for row in connection.execute(sa.select(*_COLUMNS).where(access_rules.c.user_id == user_id))]
    by_id = {rule["id"]: rule for rule in have}
    by_meaning = {(rule["service"], rule["path"], rule["method"]): rule["id"] for rule in have}
    chosen: list[str] = []
    new: list[AccessRule] = []
    for rule in wanted:
        meaning = (rule.service, rule.path, rule.method)
        if rule.id is not None and rule.id in by_id:
            rule_id = rule.id
        elif None in meaning:
            raise not_found(KIND, str(rule.id))
        elif meaning in by_meaning:
            rule_id = by_meaning[meaning]
        else:
            rule_id = by_meaning[meaning] = hex_id()
            new.append(
                {"id": rule_id, "user_id": user_id, **dict(zip(("service", "path", "method"), meaning, strict=True))}
            )
        if rule_id not in chosen:
            chosen.append(rule_id)
    if new:
        connection.execute(sa.insert(access_rules), new)
    rows = [
        {"application_credential_id": credential_id, "access_rule_id": rule_id, "position": position}
        for position, rule_id in enumerate(chosen)
    ]
    connection.execute(sa.insert(application_credential_access_rules), rows)


def find(
    identity: Identity, user_id: str, *, service: str | None, path: str | None, method: str | None
) -> list[AccessRule]:
    """A user's rules, sorted by id."""
    query = sa.select(*_COLUMNS).where(access_rules.c.user_id == user_id).order_by(access_rules.c.id)
    for column, value in (
        (access_rules.c.service, service),
        (access_rules.c.path, path),
        (access_rules.c.method, method),
    ):
        if value is not None:
            query = query.where(column == value)
    with identity.db.read() as connection:
        return [_rule(row) for row in connection.execute(query)]


def show(identity: Identity, user_id: str, rule_id: str) -> AccessRule:
    """Raises NotFound, also for another user's."""
    with identity.db.read() as connection:
        return _load(connection, user_id, rule_id)


def _load(connection: Connection, user_id: str, rule_id: str) -> AccessRule:
    query = sa.select(*_COLUMNS).where(access_rules.c.id == rule_id, access_rules.c.user_id == user_id)
    row = connection.execute(query).first()
    if row is None:
        raise not_found(KIND, rule_id)
    return _rule(row)


def delete(identity: Identity, user_id: str, rule_id: str) -> None:
    """Raises NotFound, or Forbidden while an application credential has the rule."""
    link = application_credential_access_rules
    with identity.db.write() as connection:
        _load(connection, user_id, rule_id)
        used = sa.select(link.c.application_credential_id).where(link.c.access_rule_id == rule_id).limit(1)
        if connection.execute(used).first() is not None:
            raise Forbidden("May not delete access rule in use")
        connection.execute(sa.delete(access_rules).where(access_rules.c.id == rule_id))
