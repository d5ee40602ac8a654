"""Which tokens come from a login of the user's own, and which from something the user gave away.

A token out of an application credential, an EC2 credential or another narrow grant must not be turned into more than
that grant (a new token, a trust, a credential). Whatever method is not known to be a user's own login counts as
delegated.
"""

from __future__ import annotations

from collections.abc import Sequence

from cumulet.identity.errors import forbidden
from cumulet.identity.service import Identity
from cumulet.kernel.context import Context
from cumulet.kernel.errors import Forbidden

_OWN = frozenset({"external", "kerberos", "mapped", "openid", "password", "saml2", "token", "totp", "x509"})
_NEVER_OWN = frozenset({"ec2credential"})


def is_delegated(identity: Identity, methods: Sequence[str]) -> bool:
    own = (_OWN | frozenset(identity.conf.auth.additional_primary_auth_methods)) - _NEVER_OWN
    return not methods or not own.issuperset(methods)


def methods_of(ctx: Context) -> Sequence[str]:
    """How the caller got the token; the configured admin token counts as an own login."""
    return ("password",) if ctx.token is None else ctx.token.get("methods", ())


def refuse(identity: Identity, ctx: Context, action: str) -> None:
    """Raise Forbidden for a caller with a delegated or trust-scoped token."""
    if ctx.trust_id is not None or is_delegated(identity, methods_of(ctx)):
        raise forbidden(action)


def refuse_for_application_credentials(identity: Identity, ctx: Context) -> None:
    """Raise Forbidden for a trust's or EC2 credential's token; application credentials have rules of their own."""
    methods = methods_of(ctx)
    if "application_credential" in methods:
        return
    if ctx.trust_id is not None or is_delegated(identity, methods):
        raise Forbidden("You are not authorized to perform the requested action.")


def refuse_restricted(ctx: Context) -> None:
    """Raise Forbidden for a token of a restricted application credential."""
    if "application_credential" not in methods_of(ctx):
        return
    about = (ctx.token or {}).get("application_credential") or {}
    if about.get("restricted", True):
        raise forbidden(
            "Using method 'application_credential' is not allowed for managing additional application credentials."
        )
