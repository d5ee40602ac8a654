"""Federation as a cloud answers that federates with nobody: there is no identity provider, mapping or protocol."""

from __future__ import annotations

from cumulet.identity import views
from cumulet.identity.authenticate import challenge
from cumulet.identity.errors import not_found
from cumulet.identity.service import Identity
from cumulet.kernel.errors import Unauthorized
from cumulet.kernel.http import Call, Reply


def _none(call: Call[Identity], rule: str, name: str) -> Reply:
    call.service.policy.can(call.ctx, rule)
    return Reply(views.collection(call, name, []))


def identity_providers(call: Call[Identity]) -> Reply:
    return _none(call, "identity:list_identity_providers", "identity_providers")


def mappings(call: Call[Identity]) -> Reply:
    return _none(call, "identity:list_mappings", "mappings")


def service_providers(call: Call[Identity]) -> Reply:
    return _none(call, "identity:list_service_providers", "service_providers")


def identity_provider(call: Call[Identity], idp_id: str, **_: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:get_identity_provider")
    raise not_found("Identity Provider", idp_id)


def mapping(call: Call[Identity], mapping_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:get_mapping")
    raise not_found("mapping", mapping_id)


def service_provider(call: Call[Identity], service_provider_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:get_service_provider")
    raise not_found("Service Provider", service_provider_id)


def log_in(call: Call[Identity], **_: str) -> Reply:
    """Single sign-on: nobody vouches for anyone here."""
    raise Unauthorized("The request you have made requires authentication.", headers=challenge(call.service, call.req))
