"""`/v2.0/quotas` (Networking API v2.0, Quotas)."""

from __future__ import annotations

from typing import Any

from cumulet.kernel.http import NO_CONTENT, Call, Reply
from cumulet.network.attributes import single
from cumulet.network.checks import Invalid, Unconvertible, boolean, integer
from cumulet.network.domain import quotas
from cumulet.network.errors import bad_request, forbidden, invalid_input
from cumulet.network.service import Network

_LIMIT = integer(-1, 2**31 - 1)


def _may(call: Call[Network], rule: str, project_id: str) -> None:
    if not call.service.policy.allows(call.ctx, rule, {"project_id": project_id, "tenant_id": project_id}):
        raise forbidden(f"rule:{rule}")


def _flag(value: Any) -> bool:
    try:
        return boolean(value)
    except Invalid as invalid:
        raise bad_request(f"Invalid input for force. Reason: {invalid}.") from None


def index(call: Call[Network]) -> Reply:
    _may(call, "get_quota", "")
    with call.service.db.read() as connection:
        return Reply({"quotas": quotas.all_projects(call.service, connection)})


def show(call: Call[Network], project_id: str) -> Reply:
    _may(call, "get_quota", project_id)
    with call.service.db.read() as connection:
        return Reply({"quota": quotas.limits_of(call.service, connection, project_id)})


def mine(call: Call[Network]) -> Reply:
    """`/v2.0/quotas/tenant`: whose quotas the caller's are."""
    return Reply({"tenant": {"tenant_id": call.ctx.project_id}})


def default(call: Call[Network], project_id: str) -> Reply:
    _may(call, "get_quota", project_id)
    return Reply({"quota": quotas.defaults(call.service)})


def details(call: Call[Network], project_id: str) -> Reply:
    _may(call, "get_quota", project_id)
    with call.service.db.read() as connection:
        limits = quotas.limits_of(call.service, connection, project_id)
        found: dict[str, Any] = {
            resource: {"limit": limit, "used": quotas.used(connection, project_id, resource), "reserved": 0}
            for resource, limit in limits.items()
        }
    return Reply({"quota": found})


def update(call: Call[Network], project_id: str) -> Reply:
    _may(call, "update_quota", project_id)
    given = dict(single(call.raw_json(), "quota"))
    known = quotas.defaults(call.service)
    forced = _flag(given.pop("force", False))
    for key in ("tenant_id", "project_id", "check_limit"):
        given.pop(key, None)
    unknown = sorted(key for key in given if key not in known)
    if unknown:
        raise bad_request(f"Unrecognized attribute(s) '{', '.join(unknown)}'")
    limits = {}
    for key, value in given.items():
        try:
            limits[key] = _LIMIT(value)
        except Unconvertible as invalid:
            raise invalid_input(str(invalid)) from None
        except Invalid as invalid:
            raise bad_request(f"Invalid input for {key}. Reason: {invalid}.") from None
    with call.service.write() as connection:
        if not forced:
            quotas.require_above_use(connection, project_id, limits)
        quotas.set_limits(connection, project_id, limits)
        return Reply({"quota": quotas.limits_of(call.service, connection, project_id)})


def delete(call: Call[Network], project_id: str) -> Reply:
    _may(call, "delete_quota", project_id)
    with call.service.write() as connection:
        quotas.forget(connection, project_id)
    return NO_CONTENT
