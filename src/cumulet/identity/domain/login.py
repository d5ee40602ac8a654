"""A login: proofs become a user, the user's multi-factor rules are kept, and a token for the wanted scope is made.

The order matters. Who one is comes before what for, so that nobody learns of projects without a password; and the
token carries the time at which the login began, so that whatever is revoked while a slow hash runs ends it too.
"""

from __future__ import annotations

from functools import reduce
from typing import assert_never

from cumulet.identity.domain import auth_methods, auth_scope, receipts, tokens, trusts
from cumulet.identity.domain.auth_methods import Passed
from cumulet.identity.domain.login_request import (
    ByApplicationCredential,
    ByOauth1,
    ByPassword,
    ByToken,
    ByTotp,
    LoginRequest,
    Proof,
)
from cumulet.identity.domain.token_parts import Reader
from cumulet.identity.domain.tokens import Scope
from cumulet.identity.errors import unauthorized
from cumulet.identity.service import Identity
from cumulet.identity.tokens.memory import TokenRecord
from cumulet.kernel.errors import Unauthorized


def log_in(identity: Identity, request: LoginRequest) -> tuple[str, TokenRecord]:
    """A token and its record.

    Raises Unauthorized for every proof or scope that is not good, `receipts.MoreMethodsNeeded` when the user's
    multi-factor rules want more, BadRequest for an incomplete request, and as `auth_methods.by_token` does.
    """
    started_at = identity.now()
    by_token = next((proof for proof in request.proofs.values() if isinstance(proof, ByToken)), None)
    passed = [_prove(identity, proof) for proof in request.proofs.values() if not isinstance(proof, ByToken)]
    with tokens.reading(identity) as reader:
        if by_token is not None:
            passed.append(auth_methods.by_token(reader, by_token, request.scope))
        if not passed:
            raise unauthorized()
        login = reduce(_together, passed)
        login = receipts.complete(reader, login, request.receipt)
        text, record = tokens.issue(
            reader,
            login.user_id,
            login.methods,
            _scope(reader, login, request),
            started_at=started_at,
            expires_at=login.expires_at,
            chain=login.chain,
            application_credential_id=login.application_credential_id,
            access_token_id=login.access_token_id,
        )
        trust = None if record.payload.trust_id is None else trusts.usable(reader, record.payload.trust_id)
    if trust is not None:
        trusts.consume_use(identity, trust)
    return text, record


def _prove(identity: Identity, proof: Proof) -> Passed:
    if isinstance(proof, ByPassword):
        return auth_methods.by_password(identity, proof)
    if isinstance(proof, ByTotp):
        return auth_methods.by_totp(identity, proof)
    if isinstance(proof, ByApplicationCredential):
        return auth_methods.by_application_credential(identity, proof)
    if isinstance(proof, ByOauth1):
        return auth_methods.by_oauth1(identity, proof)
    if isinstance(proof, ByToken):
        raise TypeError("a token is proved through the connection that reads the scope")
    assert_never(proof)


def _together(one: Passed, other: Passed) -> Passed:
    """Several proofs of one login. Raises Unauthorized when they are of different users."""
    if one.user_id != other.user_id:
        raise Unauthorized("The request you have made requires authentication.")
    ends = [end for end in (one.expires_at, other.expires_at) if end is not None]
    return Passed(
        one.user_id,
        (*one.methods, *(method for method in other.methods if method not in one.methods)),
        expires_at=min(ends) if ends else None,
        chain=one.chain or other.chain,
        application_credential_id=one.application_credential_id or other.application_credential_id,
        access_token_id=one.access_token_id or other.access_token_id,
        project_id=one.project_id or other.project_id,
    )


def _scope(reader: Reader, login: Passed, request: LoginRequest) -> Scope:
    if login.has_own_scope:
        return Scope(project_id=login.project_id)
    return auth_scope.choose(reader, login.user_id, request.scope)
