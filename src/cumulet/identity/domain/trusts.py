"""Trusts: one user (the trustor) lets another (the trustee) use some of their roles on a project (OS-TRUST).

A trust may be handed on (redelegated): the new one names the one it came from, and never allows more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.identity.domain import revocations, role_references
from cumulet.identity.domain.implications import RoleRef
from cumulet.identity.domain.token_parts import Reader
from cumulet.identity.errors import not_found
from cumulet.identity.service import Identity
from cumulet.identity.tables import trust_roles, trusts
from cumulet.kernel.errors import BadRequest, Conflict, Forbidden
from cumulet.kernel.ids import hex_id

_NOT_ALLOWED = "You are not authorized to perform the requested action."
_ROLES = sa.select(trust_roles.c.trust_id, trust_roles.c.role_id).order_by(trust_roles.c.role_id)
_ALIVE = sa.select(trusts).where(trusts.c.deleted_at.is_(None))
_BY_ID = _ALIVE.where(trusts.c.id == sa.bindparam("id"))
_ROLES_OF = _ROLES.where(trust_roles.c.trust_id == sa.bindparam("id"))


class Trust(NamedTuple):
    """Times are µs; `line` are the ids of this trust and those it came from, `origin_user_id` who trusted first."""

    id: str
    trustor_user_id: str
    trustee_user_id: str
    project_id: str | None
    impersonation: bool
    expires_at: int | None
    remaining_uses: int | None
    redelegated_trust_id: str | None
    redelegation_count: int
    extra: dict[str, Any]
    role_ids: list[str]
    line: list[str]
    origin_user_id: str
    agents: list[str]  # the trustees between origin and this one


def load(connection: Connection, trust_id: str) -> Trust:
    """A trust with its roles and line. Raises NotFound, also when one it came from is gone."""
    row = _row(connection, trust_id)
    roles = [role_id for _, role_id in connection.execute(_ROLES_OF, {"id": trust_id})]
    line, agents, last = [row.id], [], row
    while last.redelegated_trust_id is not None:
        last = _row(connection, last.redelegated_trust_id)
        line.append(last.id)
        agents.append(last.trustee_user_id)
    return _trust(row, roles, line, last.trustor_user_id, agents)


def _row(connection: Connection, trust_id: str) -> Row[Any]:
    row = connection.execute(_BY_ID, {"id": trust_id}).first()
    if row is None:
        raise not_found("trust", trust_id)
    return row


def _trust(row: Row[Any], roles: list[str], line: list[str], origin: str, agents: list[str]) -> Trust:
    return Trust(
        id=row.id,
        trustor_user_id=row.trustor_user_id,
        trustee_user_id=row.trustee_user_id,
        project_id=row.project_id,
        impersonation=row.impersonation,
        expires_at=row.expires_at,
        remaining_uses=row.remaining_uses,
        redelegated_trust_id=row.redelegated_trust_id,
        redelegation_count=row.redelegation_count or 0,
        extra=msgspec.json.decode(row.extra),
        role_ids=roles,
        line=line,
        origin_user_id=origin,
        agents=agents,
    )


def show(identity: Identity, trust_id: str) -> Trust:
    """Raises NotFound for one that is gone or over."""
    with identity.db.read() as connection:
        trust = load(connection, trust_id)
    if trust.expires_at is not None and trust.expires_at <= identity.now():
        raise not_found("trust", trust_id)
    return trust


def find(identity: Identity, *, trustor_user_id: str | None = None, trustee_user_id: str | None = None) -> list[Trust]:
    """Trusts without their roles, sorted by id."""
    query = _ALIVE.order_by(trusts.c.id)
    if trustor_user_id is not None:
        query = query.where(trusts.c.trustor_user_id == trustor_user_id)
    if trustee_user_id is not None:
        query = query.where(trusts.c.trustee_user_id == trustee_user_id)
    with identity.db.read() as connection:
        return [_trust(row, [], [], row.trustor_user_id, []) for row in connection.execute(query)]


def usable(reader: Reader, trust_id: str) -> Trust:
    """A trust that holds now. Raises NotFound or Forbidden."""
    trust = reader.recall(("trust", trust_id), lambda: load(reader.connection, trust_id))
    if trust.expires_at is not None and trust.expires_at <= reader.identity.now():
        raise not_found("trust", trust_id)
    for agent_id in trust.agents:
        agent = reader.person(agent_id)
        if agent is None or not agent.may_act:
            raise Forbidden(_NOT_ALLOWED)
    return trust


def handed_on(reader: Reader, trust: Trust) -> list[RoleRef]:
    """The roles a token of this trust has. Raises Forbidden once the first trustor has lost one of them."""
    roles = reader.recall(
        ("roles of trust", trust.id), lambda: role_references.expanded(reader.connection, trust.role_ids)
    )
    held = {role.id for role in reader.roles(trust.origin_user_id, project_id=trust.project_id)}
    if not all(role.id in held for role in roles):
        raise Forbidden(_NOT_ALLOWED)
    return roles


class NewTrust(NamedTuple):
    """What a trustor asks for; `roles` are (id, name) pairs, of which one is None."""

    trustor_user_id: str
    trustee_user_id: str
    impersonation: bool
    project_id: str | None
    expires_at: int | None
    remaining_uses: int | None
    allow_redelegation: bool
    redelegation_count: int | None
    roles: Sequence[tuple[str | None, str | None]]
    extra: dict[str, Any]


def create(reader: Reader, wanted: NewTrust, *, source_id: str | None) -> Trust:
    """A trust of the caller; `source_id` is the trust of the caller's token, which is then handed on.

    Raises NotFound for an unknown trustee, project or role and for a role that the trustor has not; BadRequest,
    Forbidden and Conflict as the Identity API reference (OS-TRUST) says.
    """
    identity = reader.identity
    if reader.person(wanted.trustee_user_id) is None:
        raise not_found("user", wanted.trustee_user_id)
    role_ids = role_references.resolve(reader.connection, wanted.roles)
    source = usable(reader, source_id) if source_id is not None else None
    _check_roles(reader, wanted, role_ids, source)
    count = _redelegation_count(identity, wanted, source)
    expires_at = wanted.expires_at
    if source is not None:
        expires_at = _handing_on(wanted, role_ids, source)
    trust_id = hex_id()
    row = {
        "id": trust_id,
        "trustor_user_id": wanted.trustor_user_id,
        "trustee_user_id": wanted.trustee_user_id,
        "project_id": wanted.project_id,
        "impersonation": wanted.impersonation,
        "expires_at": expires_at,
        "remaining_uses": wanted.remaining_uses,
        "redelegated_trust_id": source_id,
        "redelegation_count": count,
        "extra": msgspec.json.encode(wanted.extra).decode(),
    }
    with identity.db.write() as connection:
        _check_unique(connection, row)
        connection.execute(sa.insert(trusts).values(**row))
        if role_ids:
            rows = [{"trust_id": trust_id, "role_id": role_id} for role_id in role_ids]
            connection.execute(sa.insert(trust_roles), rows)
        return load(connection, trust_id)


def _check_roles(reader: Reader, wanted: NewTrust, role_ids: list[str], source: Trust | None) -> None:
    if wanted.project_id is None:
        held: set[str] = set()
    else:
        if reader.place(wanted.project_id) is None:
            raise not_found("project", wanted.project_id)
        origin = wanted.trustor_user_id if source is None else source.origin_user_id
        held = {role.id for role in reader.roles(origin, project_id=wanted.project_id)}
    for role_id in role_ids:
        if role_id not in held:
            raise not_found("role", role_id)


def _redelegation_count(identity: Identity, wanted: NewTrust, source: Trust | None) -> int:
    """How many times the new trust may be handed on."""
    most = identity.conf.trust.max_redelegation_count
    if not wanted.allow_redelegation or wanted.redelegation_count == 0:
        return 0
    if wanted.redelegation_count is not None and wanted.redelegation_count > most:
        raise Forbidden(_NOT_ALLOWED)
    if wanted.remaining_uses is not None:
        raise BadRequest("remaining_uses must not be set if redelegation is allowed")
    if source is None:
        return int(most if wanted.redelegation_count is None else wanted.redelegation_count)
    left = source.redelegation_count - 1
    if wanted.redelegation_count is not None and wanted.redelegation_count != left:
        raise Forbidden(_NOT_ALLOWED)
    return left


def _handing_on(wanted: NewTrust, role_ids: list[str], source: Trust) -> int | None:
    """The new trust's end. Raises Forbidden where it would allow more than `source`."""
    too_late = wanted.expires_at is not None and source.expires_at is not None and wanted.expires_at > source.expires_at
    if (
        source.redelegation_count < 1
        or wanted.remaining_uses is not None
        or wanted.project_id != source.project_id
        or (wanted.impersonation and not source.impersonation)
        or not set(role_ids) <= set(source.role_ids)
        or too_late
    ):
        raise Forbidden(_NOT_ALLOWED)
    return source.expires_at if wanted.expires_at is None else wanted.expires_at


def _check_unique(connection: Connection, row: dict[str, Any]) -> None:
    if row["expires_at"] is None:
        return
    same = [
        trusts.c[name] == row[name]
        for name in ("trustor_user_id", "trustee_user_id", "project_id", "impersonation", "expires_at")
    ]
    if connection.execute(_ALIVE.with_only_columns(trusts.c.id).where(*same)).first() is not None:
        raise Conflict(f"Conflict occurred attempting to store trust - Duplicate entry found with ID {row['id']}.")


def check_uses(trust: Trust) -> None:
    """Raises Forbidden for one whose uses are used up: the original shows it no more."""
    if trust.remaining_uses == 0:
        raise _used_up(trust)


def _used_up(trust: Trust) -> Forbidden:
    return Forbidden(f"No remaining uses for trust: {trust.id}.")


def consume_use(identity: Identity, trust: Trust) -> None:
    """Count one token of a trust with limited uses. Raises Forbidden when none is left."""
    if trust.remaining_uses is None:
        return
    count = (
        sa.update(trusts)
        .where(trusts.c.id == trust.id, trusts.c.remaining_uses > 0)
        .values(remaining_uses=trusts.c.remaining_uses - 1)
    )
    with identity.db.write() as connection:
        if connection.execute(count).rowcount == 0:
            raise _used_up(trust)


def delete(identity: Identity, trust_id: str) -> None:
    """The trust, those that came from it, and all their tokens end. Raises NotFound."""
    with identity.db.write() as connection:
        _row(connection, trust_id)
        doomed, level = [trust_id], [trust_id]
        while level:
            below = sa.select(trusts.c.id).where(trusts.c.redelegated_trust_id.in_(level))
            level = [child_id for (child_id,) in connection.execute(below)]
            doomed += level
        connection.execute(sa.delete(trusts).where(trusts.c.id.in_(doomed)))
        # A token of a trust below names its whole line, so the first one's event ends them all.
        revocations.revoke(connection, trust_id=trust_id)
