"""Console tokens: whoever has one may open one server's console until it expires. Only hashes of them are kept."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.compute.service import Compute
from cumulet.compute.tables import console_tokens

_SECOND = 1_000_000


def issue(compute: Compute, row: Row[Any], user_id: str | None, console_type: str, reach: dict[str, Any]) -> str:
    """A new token for a console that is reached at `reach` (host and port, or a path on the server's host)."""
    token = str(uuid4())
    now = compute.now()
    values = {
        "token_hash": _hash(token),
        "server_id": row.id,
        "user_id": user_id,
        "console_type": console_type,
        "host": reach.get("host") or row.host,
        "port": reach.get("port") or 0,
        "tls_port": reach.get("tls_port"),
        "internal_access_path": reach.get("path"),
        "access_url_base": None,
        "expires_at": now + compute.conf.consoleauth.token_ttl * _SECOND,
    }
    with compute.db.write() as connection:
        connection.execute(sa.delete(console_tokens).where(console_tokens.c.expires_at < now))
        connection.execute(sa.insert(console_tokens).values(**values))
    return token


def find(compute: Compute, connection: Connection, token: str) -> Row[Any] | None:
    """None for one that is unknown or has expired."""
    table = console_tokens
    query = sa.select(table).where(table.c.token_hash == _hash(token), table.c.expires_at >= compute.now())
    return connection.execute(query).first()


def forget(connection: Connection, server_id: str) -> None:
    """A server's tokens end with it, and when it leaves its host."""
    connection.execute(sa.delete(console_tokens).where(console_tokens.c.server_id == server_id))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
