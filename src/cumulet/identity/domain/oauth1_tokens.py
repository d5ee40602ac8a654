"""How a consumer gets to act for a user: a request token, which the user authorizes, becomes an access token.

Every secret is of 122 random bits and is compared in constant time. A request token is good for one access token.
"""

from __future__ import annotations

import hmac
import secrets
import string
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.identity.domain import assignments, consumers, generations, projects, role_references, roles
from cumulet.identity.domain.oauth1_signatures import SignedRequest
from cumulet.identity.errors import not_found, unauthorized
from cumulet.identity.service import Identity
from cumulet.identity.tables import oauth1_access_tokens, oauth1_request_tokens
from cumulet.kernel.errors import NotFound
from cumulet.kernel.ids import hex_id

AccessToken = dict[str, Any]
"""{"id", "consumer_id", "authorizing_user_id", "project_id", "expires_at" in µs or None, "role_ids"}"""

_SECOND = 1_000_000  # µs
_VERIFIER = string.ascii_letters + string.digits


def _end(now: int, duration_s: int) -> int | None:
    return now // _SECOND * _SECOND + duration_s * _SECOND if duration_s else None


def create_request_token(identity: Identity, request: SignedRequest, project_id: str) -> dict[str, Any]:
    """{"id", "secret", "expires_at"}. Raises NotFound for the project or consumer, and as `SignedRequest.verify`."""
    now = identity.now()
    with identity.db.write() as connection:
        projects.load(connection, project_id)
        consumer_id = request["oauth_consumer_key"]
        secret = consumers.secret(connection, consumer_id)
        request["oauth_callback"]  # RFC 5849, section 2.1: it has to be there
        request.verify(secret, "", now / _SECOND)
        row = {
            "id": hex_id(),
            "consumer_id": consumer_id,
            "secret": hex_id(),
            "requested_project_id": project_id,
            "role_ids": "[]",
            "expires_at": _end(now, identity.conf.oauth1.request_token_duration),
        }
        connection.execute(sa.insert(oauth1_request_tokens).values(**row))
    return row


def _request_token(connection: Connection, token_id: str, now: int) -> Any:
    """Locked until the transaction ends. Raises NotFound, or Unauthorized when its time is over."""
    query = sa.select(oauth1_request_tokens).where(oauth1_request_tokens.c.id == token_id).with_for_update()
    row = connection.execute(query).first()
    if row is None:
        raise NotFound("Request token not found")
    if row.expires_at is not None and now >= row.expires_at:
        raise unauthorized()
    return row


def authorize(identity: Identity, token_id: str, user_id: str, wanted: list[tuple[str | None, str | None]]) -> str:
    """The verifier that the user hands to the consumer. `wanted` are (id, name) pairs of roles.

    Raises NotFound for the token or a role's name, Unauthorized for a role the user has not on the project.
    """
    with identity.db.write() as connection:
        row = _request_token(connection, token_id, identity.now())
        role_ids = role_references.resolve(connection, wanted)
        held = assignments.effective_roles(connection, user_id, project_id=row.requested_project_id)
        if not {role.id for role in held}.issuperset(role_ids):
            raise unauthorized()
        verifier = "".join(secrets.choice(_VERIFIER) for _ in range(8))
        connection.execute(
            sa.update(oauth1_request_tokens)
            .where(oauth1_request_tokens.c.id == token_id)
            .values(verifier=verifier, authorizing_user_id=user_id, role_ids=msgspec.json.encode(role_ids).decode())
        )
    return verifier


def create_access_token(identity: Identity, request: SignedRequest) -> dict[str, Any]:
    """{"id", "secret", "expires_at"}; the request token is used up.

    Raises BadRequest for missing parameters, NotFound for the tokens, Unauthorized for a wrong verifier or signature.
    """
    consumer_id, token_id = request["oauth_consumer_key"], request["oauth_token"]
    verifier = request["oauth_verifier"]
    now = identity.now()
    with identity.db.write() as connection:
        row = _request_token(connection, token_id, now)
        if row.consumer_id != consumer_id:
            raise unauthorized()
        request.verify(consumers.secret(connection, consumer_id), row.secret, now / _SECOND)
        if row.verifier is None or not hmac.compare_digest(row.verifier.encode(), verifier.encode()):
            raise unauthorized()
        access = {
            "id": hex_id(),
            "consumer_id": consumer_id,
            "secret": hex_id(),
            "authorizing_user_id": row.authorizing_user_id,
            "project_id": row.requested_project_id,
            "role_ids": row.role_ids,
            "expires_at": _end(now, identity.conf.oauth1.access_token_duration),
        }
        connection.execute(sa.insert(oauth1_access_tokens).values(**access))
        connection.execute(sa.delete(oauth1_request_tokens).where(oauth1_request_tokens.c.id == token_id))
    return access


def verify_access(identity: Identity, request: SignedRequest) -> AccessToken:
    """The access token that a consumer signed a request with. Raises BadRequest or, whatever is wrong, Unauthorized."""
    consumer_id, token_id = request["oauth_consumer_key"], request["oauth_token"]
    now = identity.now()
    with identity.db.read() as connection:
        row = connection.execute(sa.select(oauth1_access_tokens).where(oauth1_access_tokens.c.id == token_id)).first()
        if row is None or row.consumer_id != consumer_id or (row.expires_at is not None and now >= row.expires_at):
            raise unauthorized()
        request.verify(consumers.secret(connection, consumer_id), row.secret, now / _SECOND)
    return _access_token(row)


def _access_token(row: Any) -> AccessToken:
    return {
        "id": row.id,
        "consumer_id": row.consumer_id,
        "authorizing_user_id": row.authorizing_user_id,
        "project_id": row.project_id,
        "expires_at": row.expires_at,
        "role_ids": msgspec.json.decode(row.role_ids),
    }


def find(identity: Identity, user_id: str) -> list[AccessToken]:
    """What the user let consumers do, sorted by id."""
    query = sa.select(oauth1_access_tokens).where(oauth1_access_tokens.c.authorizing_user_id == user_id)
    with identity.db.read() as connection:
        return [_access_token(row) for row in connection.execute(query.order_by(oauth1_access_tokens.c.id))]


def show(identity: Identity, user_id: str, token_id: str) -> AccessToken:
    """Raises NotFound."""
    with identity.db.read() as connection:
        return load(connection, token_id, user_id)


def load(connection: Connection, token_id: str, user_id: str | None = None) -> AccessToken:
    """Raises NotFound, also for a token of another user than `user_id`."""
    row = connection.execute(sa.select(oauth1_access_tokens).where(oauth1_access_tokens.c.id == token_id)).first()
    if row is None or user_id not in (None, row.authorizing_user_id):
        raise NotFound("Access token not found")
    return _access_token(row)


def roles_of(identity: Identity, user_id: str, token_id: str, role_id: str | None = None) -> list[roles.Role]:
    """All roles of the token that there still are, in the order they were given, or the one. Raises NotFound."""
    with identity.db.read() as connection:
        token = load(connection, token_id, user_id)
        known = roles.load_many(connection, token["role_ids"])
    found = [known[one] for one in token["role_ids"] if one in known]
    if role_id is not None:
        found = [role for role in found if role["id"] == role_id]
        if not found:
            raise not_found("role", role_id)
    return found


def delete(identity: Identity, user_id: str, token_id: str) -> None:
    """Raises NotFound."""
    with identity.db.write() as connection:
        load(connection, token_id, user_id)
        connection.execute(sa.delete(oauth1_access_tokens).where(oauth1_access_tokens.c.id == token_id))
        generations.bump(connection)
