"""Tokens: issued, found good or not, and revoked.

A token is good when one of our keys sealed it, its time is not over, no revocation event means it, and everything it
speaks of is still so: the user and domain enabled, the project open, a role left, the trust or application credential
alive. What was found is remembered under the generation it was found in (`tokens.memory`).
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import DBAPIError

from cumulet.identity.domain import revocations
from cumulet.identity.domain.token_documents import describe
from cumulet.identity.domain.token_parts import Reader
from cumulet.identity.errors import not_found, unauthorized
from cumulet.identity.service import Identity
from cumulet.identity.tokens import events_kept
from cumulet.identity.tokens.memory import Answers, TokenRecord
from cumulet.identity.tokens.payload import Payload
from cumulet.kernel.db import TransactionLost
from cumulet.kernel.errors import ApiError, NotFound

_MICRO = 1_000_000


@dataclass(frozen=True)
class Scope:
    """What a token is for; all empty is unscoped. A trust brings its project along."""

    project_id: str | None = None
    domain_id: str | None = None
    system: bool = False
    trust_id: str | None = None


def reading(identity: Identity) -> Reader:
    """Reads under the current generation: one primary key."""
    return Reader(identity, identity.tokens.generation.read())


def find(reader: Reader, token: str, *, window: int = 0) -> TokenRecord | None:
    """The record of a good token, None for any other; `window` µs after its end it is still found.

    While nothing changes it costs no query.
    """
    identity = reader.identity
    key = Answers.key(token)
    record = identity.tokens.answers.get(key)
    now = identity.now()
    if record is None or record.generation != reader.generation:
        payload = record.payload if record is not None else identity.tokens.provider.open(token)
        if payload is None or now >= payload.expires_at + window:
            return None
        fresh = _examine(reader, token, payload)
        if fresh is None:
            identity.tokens.answers.forget(key)
            return None
        if record is not None and record.full == fresh.full:
            # The very same object, so that those who compare answers need not look at them.
            fresh.full, fresh.plain = record.full, record.plain
        identity.tokens.answers.put(key, fresh)
        record = fresh
    return record if now < record.ends_at + window else None


def while_good(identity: Identity, record: TokenRecord) -> Callable[[], bool]:
    """Tells whether a record that `find` gave is still what it would give. It does not keep the record itself."""
    known, ends_at = record.generation, record.ends_at

    def still() -> bool:
        try:
            generation = identity.tokens.generation.read()
        except (DBAPIError, TransactionLost):
            return False  # asking again says why
        return generation == known and identity.now() < ends_at

    return still


def _examine(reader: Reader, token: str, payload: Payload) -> TokenRecord | None:
    known = reader.identity.tokens.revocations
    known.catch_up(lambda: reader.connection, reader.generation)
    try:
        record = describe(reader, token, payload)
    except ApiError:
        return None
    return None if known.is_revoked(record.facts) else record


def validate(
    reader: Reader, token: str | None, *, allow_expired: bool = False, knows_rules: bool = False
) -> TokenRecord:
    """The record of somebody's token for one who asks about it. Raises NotFound.

    `allow_expired` finds one that ended within [token] allow_expired_window; a token with access rules is only shown to
    callers that know how to keep them (header OpenStack-Identity-Access-Rules).
    """
    if not token:
        raise NotFound("No token in the request")
    window = reader.identity.conf.token.allow_expired_window * _MICRO if allow_expired else 0
    record = find(reader, token, window=window)
    if record is None or (record.restricted_access and not knows_rules):
        raise NotFound("Failed to validate token")
    return record


def issue(
    reader: Reader,
    user_id: str,
    methods: tuple[str, ...],
    scope: Scope,
    *,
    started_at: int,
    expires_at: int | None = None,
    chain: str | None = None,
    application_credential_id: str | None = None,
    access_token_id: str | None = None,
) -> tuple[str, TokenRecord]:
    """A new token and its record.

    `started_at` (µs) is when the login began: whatever was revoked since then ends this token too. `expires_at` (µs) is
    the end it may not outlive, `chain` the audit id its chain of tokens began with. Raises Unauthorized or Forbidden
    when the user may not have this scope.
    """
    tokens, conf = reader.identity.tokens, reader.identity.conf
    end = (started_at // _MICRO + conf.token.expiration) * _MICRO
    payload = Payload(
        user_id=user_id,
        methods=methods,
        issued_at=started_at,
        expires_at=end if expires_at is None else min(end, expires_at),
        audit_id=new_audit_id(),
        parent_audit_id=chain,
        system=scope.system,
        project_id=scope.project_id,
        domain_id=scope.domain_id,
        trust_id=scope.trust_id,
        application_credential_id=application_credential_id,
        access_token_id=access_token_id,
    )
    record = describe(reader, None, payload)
    if record.ends_at < payload.expires_at:
        # A token never outlives the trust or application credential it came from (CVE-2022-2447).
        payload = _ending(payload, record.ends_at)
        record = describe(reader, None, payload)
    tokens.revocations.catch_up(lambda: reader.connection, reader.generation)
    if tokens.revocations.is_revoked(record.facts):
        raise unauthorized()
    text = tokens.provider.seal(payload)
    record.caller.auth_token = text
    tokens.answers.put(Answers.key(text), record)
    return text, record


def _ending(payload: Payload, at: int) -> Payload:
    values: dict[str, Any] = {name: getattr(payload, name) for name in payload.__struct_fields__}
    return Payload(**{**values, "expires_at": at // _MICRO * _MICRO})


def new_audit_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes)[:22].decode("ascii")


def revoke(identity: Identity, record: TokenRecord, *, cascade: bool = True) -> None:
    """End a token and, with `cascade`, every token that came out of it."""
    with identity.db.write() as connection:
        revocations.revoke(connection, audit_id=record.payload.audit_id)
        if cascade:
            revocations.revoke(connection, audit_chain_id=record.payload.audit_id)


def revoke_all_of(identity: Identity, user_id: str) -> None:
    """End every token of a user. Raises NotFound for an unknown user."""
    with reading(identity) as reader:
        if reader.person(user_id) is None:
            raise not_found("user", user_id)
    with identity.db.write() as connection:
        revocations.revoke(connection, user_id=user_id)


def flush(identity: Identity) -> int:
    """Forget revocation events that no token is old enough for. Returns how many."""
    with identity.db.write() as connection:
        return revocations.purge(connection, identity.now() - events_kept(identity.conf))
