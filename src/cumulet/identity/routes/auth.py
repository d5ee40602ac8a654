"""Versions, logging in, and everything about tokens."""

from __future__ import annotations

from cumulet.identity.handlers import available_scopes, ec2, federation, oauth2, tokens, versions
from cumulet.kernel.http import Route

_VERSIONS = (
    Route("GET", "/", versions.index, public=True),
    Route("GET", "/v3", versions.show_v3, public=True),
    Route("GET", "/v2.0", versions.show_v2, public=True),
    Route("POST", "/v2.0", versions.show_v2, public=True),
    Route("GET", "/v2.0/{rest:path}", versions.show_v2, public=True),
    Route("POST", "/v2.0/{rest:path}", versions.show_v2, public=True),
)
_TOKENS = (
    Route("POST", "/v3/auth/tokens", tokens.create, public=True),
    Route("GET", "/v3/auth/tokens", tokens.show),
    Route("HEAD", "/v3/auth/tokens", tokens.show),
    Route("DELETE", "/v3/auth/tokens", tokens.delete),
    Route("DELETE", "/v3/users/{user_id}/tokens", tokens.delete_all_of_user),
    Route("GET", "/v3/OS-REVOKE/events", tokens.events),
    Route("GET", "/v3/auth/tokens/OS-PKI/revoked", tokens.pki_revocation_list, public=True),
    Route("GET", "/v3/OS-SIMPLE-CERT/ca", tokens.pki_certificates, public=True),
    Route("GET", "/v3/OS-SIMPLE-CERT/certificates", tokens.pki_certificates, public=True),
)
_SCOPES = (
    Route("GET", "/v3/auth/catalog", available_scopes.catalog),
    Route("GET", "/v3/auth/projects", available_scopes.projects),
    Route("GET", "/v3/auth/domains", available_scopes.domains),
    Route("GET", "/v3/auth/system", available_scopes.system),
    Route("GET", "/v3/OS-FEDERATION/projects", available_scopes.projects),
    Route("GET", "/v3/OS-FEDERATION/domains", available_scopes.domains),
)
_SIGNED = (
    Route("POST", "/v3/ec2tokens", ec2.ec2_token),
    Route("POST", "/v3/s3tokens", ec2.s3_token),
)
_OAUTH2 = (
    Route("POST", "/v3/OS-OAUTH2/token", oauth2.create, public=True),
    *(
        Route(method, "/v3/OS-OAUTH2/token", oauth2.refuse_method, public=True)
        for method in ("GET", "PUT", "PATCH", "DELETE")
    ),
)
_FEDERATION = (
    Route("GET", "/v3/OS-FEDERATION/identity_providers", federation.identity_providers),
    Route("GET", "/v3/OS-FEDERATION/identity_providers/{idp_id}", federation.identity_provider),
    Route("GET", "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols", federation.identity_provider),
    Route("GET", "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}", federation.identity_provider),
    Route("GET", "/v3/OS-FEDERATION/mappings", federation.mappings),
    Route("GET", "/v3/OS-FEDERATION/mappings/{mapping_id}", federation.mapping),
    Route("GET", "/v3/OS-FEDERATION/service_providers", federation.service_providers),
    Route("GET", "/v3/OS-FEDERATION/service_providers/{service_provider_id}", federation.service_provider),
    *(
        Route(method, path, federation.log_in, public=True)
        for path in (
            "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/auth",
            "/v3/auth/OS-FEDERATION/websso/{protocol_id}",
            "/v3/auth/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/websso",
        )
        for method in ("GET", "POST")
    ),
)

ROUTES = (*_VERSIONS, *_TOKENS, *_SCOPES, *_SIGNED, *_OAUTH2, *_FEDERATION)
