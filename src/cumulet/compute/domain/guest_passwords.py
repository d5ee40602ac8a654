"""The administrator's password that a guest made for itself, encrypted with the public key of its owner."""

from __future__ import annotations

from cumulet.compute.domain import servers
from cumulet.compute.service import Compute
from cumulet.kernel.errors import Conflict


def store(compute: Compute, server_id: str, encrypted: str) -> None:
    """Raises Conflict when there is one: a guest leaves it once, its owner may clear it."""
    with compute.db.write() as connection:
        row = servers.load(connection, server_id, lock=True)
        if row.admin_password_encrypted:
            raise Conflict("The server has a password already.")
        servers.change(connection, server_id, row.updated_at, admin_password_encrypted=encrypted)


def clear(compute: Compute, server_id: str) -> None:
    with compute.db.write() as connection:
        row = servers.load(connection, server_id, lock=True)
        servers.change(connection, server_id, row.updated_at, admin_password_encrypted=None)
