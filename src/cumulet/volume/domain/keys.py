"""The key store: passphrases of encrypted volumes, each sealed with the key in a file of the cloud's own."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.kernel.clock import Clock
from cumulet.kernel.ids import uuid_id
from cumulet.kernel.vault import Vault
from cumulet.volume.tables import encryption_keys


class Keys:
    """A `service.KeyStore`. Nothing but `passphrase` ever shows a key, and nothing writes one into a log."""

    def __init__(self, vault: Vault, now: Clock) -> None:
        self._vault = vault
        self._now = now

    def create(self, connection: Connection, *, project_id: str, bits: int) -> str:
        return self._enter(connection, secrets.token_hex(max(bits, 128) // 8), project_id)

    def copy(self, connection: Connection, key_id: str, *, project_id: str) -> str:
        """Raises LookupError for an id that there is not."""
        return self._enter(connection, self.passphrase(connection, key_id), project_id)

    def _enter(self, connection: Connection, passphrase: str, project_id: str) -> str:
        key_id = uuid_id()
        row = {"id": key_id, "project_id": project_id, "created_at": self._now()}
        connection.execute(sa.insert(encryption_keys).values(**row, sealed=self._vault.seal(passphrase)))
        return key_id

    def passphrase(self, connection: Connection, key_id: str) -> str:
        query = sa.select(encryption_keys.c.sealed).where(encryption_keys.c.id == key_id)
        sealed = connection.execute(query).scalar()
        if sealed is None:
            raise LookupError(f"there is no key {key_id}")
        return self._vault.unseal(sealed)

    def delete(self, connection: Connection, key_id: str) -> None:
        connection.execute(sa.delete(encryption_keys).where(encryption_keys.c.id == key_id))
