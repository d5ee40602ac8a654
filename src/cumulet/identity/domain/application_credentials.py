"""Application credentials: a secret of a user's for one project, with some of the user's roles and access rules."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from cumulet.identity.domain import access_rules, generations, role_references, roles
from cumulet.identity.domain.access_rules import AccessRule, NewAccessRule
from cumulet.identity.domain.token_parts import Reader
from cumulet.identity.errors import not_found, unauthorized
from cumulet.identity.service import Identity
from cumulet.identity.tables import application_credential_roles, application_credentials
from cumulet.kernel.db import TransactionLost, violates_unique
from cumulet.kernel.errors import Conflict, Forbidden
from cumulet.kernel.ids import hex_id

KIND = "Application Credential"
_BY_ID = sa.select(application_credentials).where(application_credentials.c.id == sa.bindparam("id"))
_BY_NAME = sa.select(application_credentials).where(
    application_credentials.c.user_id == sa.bindparam("user_id"), application_credentials.c.name == sa.bindparam("name")
)
_ROLES = sa.select(
    application_credential_roles.c.application_credential_id, application_credential_roles.c.role_id
).order_by(application_credential_roles.c.role_id)


class ApplicationCredential(NamedTuple):
    """`expires_at` is µs; `access_rules` None: none, so everything is allowed; an empty list allows nothing."""

    id: str
    name: str
    secret_hash: str
    description: str | None
    user_id: str
    project_id: str | None
    expires_at: int | None
    unrestricted: bool
    role_ids: list[str]
    access_rules: list[AccessRule] | None


class NewApplicationCredential(NamedTuple):
    """What a user asks for; `role_ids` are already those the caller's token has."""

    name: str
    secret: str
    description: str | None
    user_id: str
    project_id: str | None
    expires_at: int | None
    unrestricted: bool
    role_ids: list[str]
    access_rules: Sequence[NewAccessRule] | None


def new_secret() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(64)).rstrip(b"=").decode("ascii")


def load(connection: Connection, credential_id: str) -> ApplicationCredential:
    """Raises NotFound."""
    row = connection.execute(_BY_ID, {"id": credential_id}).first()
    if row is None:
        raise not_found(KIND, credential_id)
    return _with_parts(connection, [row])[0]


def called(connection: Connection, user_id: str, name: str) -> ApplicationCredential | None:
    row = connection.execute(_BY_NAME, {"user_id": user_id, "name": name}).first()
    return None if row is None else _with_parts(connection, [row])[0]


def _with_parts(connection: Connection, rows: Sequence[Row[Any]]) -> list[ApplicationCredential]:
    """The credentials of `rows` with roles and rules. Two queries however many rows there are."""
    ids = [row.id for row in rows]
    role_ids: dict[str, list[str]] = {credential_id: [] for credential_id in ids}
    for credential_id, role_id in connection.execute(
        _ROLES.where(application_credential_roles.c.application_credential_id.in_(ids))
    ):
        role_ids[credential_id].append(role_id)
    ruled = [row.id for row in rows if row.has_access_rules]
    rules = access_rules.of_credentials(connection, ruled) if ruled else {}
    return [
        ApplicationCredential(
            id=row.id,
            name=row.name,
            secret_hash=row.secret_hash,
            description=row.description,
            user_id=row.user_id,
            project_id=row.project_id,
            expires_at=row.expires_at,
            unrestricted=row.unrestricted,
            role_ids=role_ids[row.id],
            access_rules=rules.get(row.id, []) if row.has_access_rules else None,
        )
        for row in rows
    ]


def show(identity: Identity, credential_id: str) -> ApplicationCredential:
    """Raises NotFound."""
    with identity.db.read() as connection:
        return load(connection, credential_id)


def find(identity: Identity, user_id: str, *, name: str | None = None) -> list[ApplicationCredential]:
    """A user's credentials, sorted by id."""
    query = sa.select(application_credentials).where(application_credentials.c.user_id == user_id)
    if name is not None:
        query = query.where(application_credentials.c.name == name)
    with identity.db.read() as connection:
        rows = connection.execute(query.order_by(application_credentials.c.id)).all()
        return _with_parts(connection, rows) if rows else []


def known(reader: Reader, credential_id: str) -> ApplicationCredential:
    """Raises NotFound."""
    return reader.recall(("application credential", credential_id), lambda: load(reader.connection, credential_id))


def usable(reader: Reader, credential_id: str) -> ApplicationCredential:
    """A credential that holds now. Raises NotFound, or Unauthorized when its time is over."""
    credential = known(reader, credential_id)
    if credential.expires_at is not None and credential.expires_at <= reader.identity.now():
        raise unauthorized()
    return credential


def roles_described(identity: Identity, credentials: Sequence[ApplicationCredential]) -> dict[str, dict[str, Any]]:
    """Role id -> role, of all the credentials. One query."""
    wanted = {role_id for credential in credentials for role_id in credential.role_ids}
    with identity.db.read() as connection:
        return roles.load_many(connection, wanted) if wanted else {}


def create(identity: Identity, wanted: NewApplicationCredential) -> ApplicationCredential:
    """Raises Conflict for a name the user has in use, Forbidden beyond [application_credential] user_limit,
    NotFound for an access rule or role that there is not."""
    secret_hash = identity.passwords.hash(wanted.secret)
    credential_id = hex_id()
    row = {
        "id": credential_id,
        "name": wanted.name,
        "secret_hash": secret_hash,
        "description": wanted.description,
        "user_id": wanted.user_id,
        "project_id": wanted.project_id,
        "system": None,
        "expires_at": wanted.expires_at,
        "unrestricted": wanted.unrestricted,
        "has_access_rules": wanted.access_rules is not None,
    }
    try:
        with identity.db.write() as connection:
            _check_limit(identity, connection, wanted.user_id)
            connection.execute(sa.insert(application_credentials).values(**row))
            _insert_roles(connection, credential_id, wanted.role_ids)
            if wanted.access_rules:
                access_rules.attach(connection, wanted.user_id, credential_id, wanted.access_rules)
            return load(connection, credential_id)
    except IntegrityError as error:
        if not violates_unique(error):
            raise
        with identity.db.read() as connection:
            if called(connection, wanted.user_id, wanted.name) is None:
                # Another request made the same access rule first: the second run finds it.
                raise TransactionLost(str(error.orig)) from error
        raise Conflict(
            f"Conflict occurred attempting to store application_credential - Duplicate entry found with name "
            f"{wanted.name}."
        ) from None


def _insert_roles(connection: Connection, credential_id: str, role_ids: Sequence[str]) -> None:
    if role_ids:
        rows = [{"application_credential_id": credential_id, "role_id": role_id} for role_id in role_ids]
        connection.execute(sa.insert(application_credential_roles), rows)


def _check_limit(identity: Identity, connection: Connection, user_id: str) -> None:
    limit = identity.conf.application_credential.user_limit
    if limit < 0:
        return
    count = sa.select(sa.func.count()).where(application_credentials.c.user_id == user_id)
    if connection.execute(count.select_from(application_credentials)).scalar_one() >= limit:
        raise Forbidden(
            f"Unable to create additional application credentials, maximum of {limit} already exceeded for user."
        )


def requested_roles(connection: Connection, references: Sequence[tuple[str | None, str | None]]) -> list[str]:
    """The ids of the roles asked for and of all they imply. Raises NotFound for an unknown name."""
    asked = role_references.resolve(connection, references)
    expanded = role_references.expanded(connection, asked)
    return asked + [role.id for role in expanded if role.id not in asked]


def delete(identity: Identity, credential_id: str) -> None:
    """The credential and its tokens end. Raises NotFound."""
    with identity.db.write() as connection:
        gone = sa.delete(application_credentials).where(application_credentials.c.id == credential_id)
        if connection.execute(gone).rowcount == 0:
            raise not_found(KIND, credential_id)
        generations.bump(connection)
