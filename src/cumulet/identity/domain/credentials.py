"""Credentials: secrets of users of any type, encrypted at rest. EC2 keys and TOTP secrets among them have a meaning."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from cumulet.identity.errors import expected, not_found
from cumulet.identity.service import Identity
from cumulet.identity.tables import credentials
from cumulet.identity.tokens import Repositories, keys
from cumulet.kernel.db import violates_unique
from cumulet.kernel.errors import BadRequest, Conflict, Forbidden
from cumulet.kernel.ids import hex_id

EC2, TOTP = "ec2", "totp"
_BOUND = ("trust_id", "app_cred_id", "access_token_id", "access_id")
"""What an EC2 credential is limited to: never to be changed."""


class Credential(NamedTuple):
    id: str
    user_id: str
    project_id: str | None
    type: str
    blob: str
    extra: dict[str, Any]

    @property
    def document(self) -> dict[str, Any]:
        """The API's form, without links."""
        return {**self.extra, **{name: getattr(self, name) for name in ("id", "user_id", "project_id", "type", "blob")}}


def _credential(identity: Identity, row: Row[Any]) -> Credential:
    blob = identity.tokens.vault.decrypt(row.encrypted_blob)
    return Credential(row.id, row.user_id, row.project_id, row.type, blob, msgspec.json.decode(row.extra))


def ec2_id(access: str) -> str:
    """The id under which the credential with this access key is stored."""
    return hashlib.sha256(access.encode("utf-8", "surrogatepass")).hexdigest()


def ec2_blob(blob: str) -> dict[str, Any]:
    """An EC2 credential's `access`, `secret` and what it is limited to. Raises BadRequest."""
    try:
        decoded = msgspec.json.decode(blob)
    except (msgspec.DecodeError, RecursionError):
        raise BadRequest("Invalid blob in credential") from None
    if not decoded or not isinstance(decoded, dict):
        raise expected("blob", "credential")
    if not isinstance(decoded.get("access"), str):
        raise expected("access", "credential")
    return decoded


def find(identity: Identity, *, user_id: str | None = None, kind: str | None = None) -> list[Credential]:
    """Sorted by id."""
    query = sa.select(credentials).order_by(credentials.c.id)
    if user_id is not None:
        query = query.where(credentials.c.user_id == user_id)
    if kind is not None:
        query = query.where(credentials.c.type == kind)
    with identity.db.read() as connection:
        rows = connection.execute(query).all()
    return [_credential(identity, row) for row in rows]


def show(identity: Identity, credential_id: str) -> Credential:
    """Raises NotFound."""
    with identity.db.read() as connection:
        row = _row(connection, credential_id)
    return _credential(identity, row)


def _row(connection: Connection, credential_id: str, *, lock: bool = False) -> Row[Any]:
    query = sa.select(credentials).where(credentials.c.id == credential_id)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise not_found("credential", credential_id)
    return row


def create(
    identity: Identity, *, user_id: str, kind: str, blob: str, project_id: str | None, extra: dict[str, Any]
) -> Credential:
    """Raises BadRequest for an EC2 credential without access key, Conflict for one that there is already, Forbidden
    beyond [credential] user_limit."""
    is_ec2 = kind.lower() == EC2
    credential_id = ec2_id(ec2_blob(blob)["access"]) if is_ec2 else hex_id()
    encrypted, key_hash = identity.tokens.vault.encrypt(blob)
    row = {
        "id": credential_id,
        "user_id": user_id,
        "project_id": project_id,
        "type": kind,
        "key_hash": key_hash,
        "encrypted_blob": encrypted,
        "extra": msgspec.json.encode(extra).decode(),
    }
    try:
        with identity.db.write() as connection:
            _check_limit(identity, connection, user_id)
            connection.execute(sa.insert(credentials).values(**row))
    except IntegrityError as error:
        if not violates_unique(error):
            raise
        raise Conflict(
            f"Conflict occurred attempting to store credential - Duplicate entry found with ID {credential_id}."
        ) from None
    return Credential(credential_id, user_id, project_id, kind, blob, extra)


def _check_limit(identity: Identity, connection: Connection, user_id: str) -> None:
    limit = identity.conf.credential.user_limit
    if limit < 0:
        return
    count = sa.select(sa.func.count()).select_from(credentials).where(credentials.c.user_id == user_id)
    if connection.execute(count).scalar_one() >= limit:
        raise Forbidden(f"Unable to create additional credentials, maximum of {limit} already exceeded for user.")


def update(identity: Identity, credential_id: str, blob: str) -> Credential:
    """A new blob. Raises NotFound, or BadRequest for an EC2 one that would have another access key or other limits."""
    with identity.db.write() as connection:
        row = _row(connection, credential_id, lock=True)
        if row.type.lower() == EC2:
            _check_same_limits(ec2_blob(identity.tokens.vault.decrypt(row.encrypted_blob)), ec2_blob(blob))
        encrypted, key_hash = identity.tokens.vault.encrypt(blob)
        connection.execute(
            sa.update(credentials)
            .where(credentials.c.id == credential_id)
            .values(encrypted_blob=encrypted, key_hash=key_hash)
        )
        return _credential(identity, _row(connection, credential_id))


def _check_same_limits(old: dict[str, Any], new: dict[str, Any]) -> None:
    for name in _BOUND:
        if old.get(name) != new.get(name):
            raise BadRequest(f"{name} can not be updated for credential")


def delete(identity: Identity, credential_id: str) -> None:
    """Raises NotFound."""
    with identity.db.write() as connection:
        gone = connection.execute(sa.delete(credentials).where(credentials.c.id == credential_id))
        if gone.rowcount == 0:
            raise not_found("credential", credential_id)


def migrate(identity: Identity, *, batch: int = 200) -> int:
    """Encrypt with the primary key whatever another one encrypted (`keystone-manage credential_migrate`).

    Returns how many there were.
    """
    vault, done = identity.tokens.vault, 0
    while True:
        with identity.db.write() as connection:
            query = sa.select(credentials.c.id, credentials.c.encrypted_blob)
            stale = query.where(credentials.c.key_hash != vault.primary).limit(batch).with_for_update()
            rows = connection.execute(stale).all()
            for row in rows:
                encrypted, key_hash = vault.encrypt(vault.decrypt(row.encrypted_blob))
                connection.execute(
                    sa.update(credentials)
                    .where(credentials.c.id == row.id)
                    .values(encrypted_blob=encrypted, key_hash=key_hash)
                )
        done += len(rows)
        if len(rows) < batch:
            return done


class NotMigrated(Exception):
    """Some credentials are not encrypted with the primary key yet, so rotating now could lose them."""


def rotate_keys(identity: Identity, max_active: int = 3) -> int:
    """The next key becomes the credentials' primary (`keystone-manage credential_rotate`). Raises NotMigrated.

    Returns its index.
    """
    with identity.db.read() as connection:
        other = sa.select(credentials.c.id).where(credentials.c.key_hash != identity.tokens.vault.primary).limit(1)
        if connection.execute(other).first() is not None:
            raise NotMigrated("run keystone-manage credential_migrate first: not all credentials use the primary key")
    return keys.rotate(Repositories.of(identity.conf, identity.env.paths).credentials, max_active)
