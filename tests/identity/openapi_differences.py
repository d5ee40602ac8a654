"""Where the published specification of the Identity API and Keystone differ, so that Keystone is right."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

ANYTHING: dict[str, Any] = {}
_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_LINKED = {"type": "object", "required": ["self"]}


@dataclass(frozen=True)
class Difference:
    """`what` the specification says of `operation` is replaced by `instead`.

    `operation` is `METHOD /path` with `*` for anything; `what` is `status` (`instead`: the right one, or several), or
    `request`, `response` or `query` and the way to a schema in it (`response/properties/user`).
    """

    operation: str
    what: str
    instead: Any
    reason: str

    def means(self, operation: str) -> bool:
        pattern = re.escape(self.operation).replace(r"\*", ".*")
        return re.fullmatch(pattern, operation) is not None


_CREATE = (
    "OS-EP-FILTER/endpoint_groups",
    "OS-OAUTH1/*",
    "OS-TRUST/trusts",
    "auth/tokens",
    "credentials",
    "domains",
    "endpoints",
    "groups",
    "limits",
    "policies",
    "projects",
    "regions",
    "registered_limits",
    "roles",
    "services",
    "users",
    "users/{user_id}/application_credentials",
    "users/{user_id}/credentials/OS-EC2",
)
_LINK = (
    "OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}",
    "OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}",
    "groups/{group_id}/users/{user_id}",
    "policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints/{endpoint_id}",
    "policies/{policy_id}/OS-ENDPOINT-POLICY/services/*",
    "*/roles/{role_id}",
    "*/roles/{role_id}/inherited_to_projects",
)
_WORDS = "YAML reads some of the words meant here as true and false"

DIFFERENCES = [
    *(
        Difference(f"POST /v3/{path}", "status", 201, "every POST has 200 there; what creates is 201")
        for path in _CREATE
    ),
    *(
        Difference(f"PUT /v3/{path}", "status", 204, "every PUT has 201 there; what only links is 204")
        for path in _LINK
    ),
    *(
        Difference(f"{method} /v3/{path}", "status", 204, "a check has no body")
        for path in _LINK[1:]
        for method in ("GET", "HEAD")
    ),
    Difference("HEAD /v3/roles/{prior_role_id}/implies/{implied_role_id}", "status", 204, "a check has no body"),
    Difference(
        "GET /v3/*/roles",
        "response/properties/roles/items/properties/description",
        _TEXT_OR_NULL,
        "descriptions may be null, as in /v3/roles",
    ),
    Difference("GET /v3/*/access_tokens/{access_token_id}/roles/{role_id}", "status", 200, "it shows the role"),
    Difference("PUT /v3/OS-OAUTH1/authorize/{request_token_id}", "status", 200, "authorizing creates no resource"),
    Difference("PUT /v3/projects/{project_id}/tags", "status", 200, "replacing tags creates no resource"),
    Difference("PUT /v3/domains/{domain_id}/config", "status", (200, 201), "201 only where there was none before"),
    Difference(
        "PATCH /v3/domains/{domain_id}/config/*",
        "response/properties/config",
        {"type": "object"},
        "an update of one group or option answers with the whole configuration",
    ),
    Difference(
        "* /v3/domains*",
        "response/properties/domain/additionalProperties",
        True,
        "keys a client had added are given back, as with projects and users",
    ),
    Difference("GET /v3/domains", "response/properties/domains/items/additionalProperties", True, "as for one domain"),
    Difference(
        "GET /v3/users/{user_id}/groups",
        "response/properties/groups/items/properties",
        {
            "id": _TEXT,
            "name": _TEXT,
            "domain_id": _TEXT,
            "description": _TEXT_OR_NULL,
            "membership_expires_at": _TEXT_OR_NULL,
            "links": _LINKED,
        },
        "descriptions may be null, and memberships without an end have null for it",
    ),
    Difference(
        "GET /v3/users/{user_id}/projects",
        "response/properties/projects/items/properties/description",
        _TEXT_OR_NULL,
        "descriptions may be null, as in /v3/projects",
    ),
    *(Difference(f"* /v3/{path}", "query/enabled", ANYTHING, _WORDS) for path in ("domains", "projects", "users")),
    Difference("* /v3/projects", "query/is_domain", ANYTHING, _WORDS),
    *(
        Difference(f"* /v3/{noun}s*", f"{side}/properties/{noun}/properties/{flag}", ANYTHING, _WORDS)
        for noun, flag in (("domain", "enabled"), ("project", "enabled"), ("project", "is_domain"), ("user", "enabled"))
        for side in ("request", "response")
    ),
    *(
        Difference(
            f"* {path}", f"{side}/properties/{each}/properties/{name}", _TEXT_OR_NULL, "not every endpoint has a region"
        )
        for path, side, each in (
            ("/v3/endpoints*", "request", "endpoint"),
            ("/v3/endpoints*", "response", "endpoint"),
            ("/v3/*endpoints", "response", "endpoints/items"),
        )
        for name in ("region", "region_id")
    ),
    Difference("GET /", "status", 300, "there are several versions to choose from"),
    Difference(
        "POST /v3/auth/tokens",
        "request/properties/auth/properties/scope",
        {"type": ["object", "string"]},
        "the word unscoped is a scope too",
    ),
    Difference(
        "POST /v3/auth/tokens",
        "request/properties/auth/properties/identity/properties/methods/items",
        {"type": "string"},
        "an OAuth 1 consumer's login is a method too",
    ),
    Difference(
        "* /v3/auth/tokens",
        "response/properties/token/properties/user/properties/password_expires_at",
        _TEXT_OR_NULL,
        "most passwords never expire",
    ),
    Difference("GET /v3/OS-TRUST/trusts/{trust_id}/roles/{role_id}", "status", 200, "it shows the role"),
    *(
        Difference(f"* /v3/{extension}/{kind}", f"response/properties/{place}links", _LINKED, "an object")
        for extension in ("auth", "OS-FEDERATION")
        for kind in ("projects", "domains")
        for place in ("", f"{kind}/items/properties/")
    ),
    Difference("* /v3/auth/catalog", "response/properties/links", ANYTHING, "an object, as in every answer"),
]
