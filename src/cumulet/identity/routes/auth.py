"""Logging in, and everything about tokens."""

from __future__ import annotations

from cumulet.identity.handlers import tokens
from cumulet.kernel.http import Route

ROUTES = (
    Route("POST", "/v3/auth/tokens", tokens.create, public=True),
    Route("GET", "/v3/auth/tokens", tokens.show),
    Route("HEAD", "/v3/auth/tokens", tokens.show),
    Route("DELETE", "/v3/auth/tokens", tokens.delete),
    Route("GET", "/v3/auth/tokens/OS-PKI/revoked", tokens.pki_revocation_list, public=True),
    Route("GET", "/v3/OS-REVOKE/events", tokens.events),
    Route("GET", "/v3/OS-SIMPLE-CERT/ca", tokens.pki_certificates, public=True),
    Route("GET", "/v3/OS-SIMPLE-CERT/certificates", tokens.pki_certificates, public=True),
    Route("DELETE", "/v3/users/{user_id}/tokens", tokens.delete_all_of_user),
)
