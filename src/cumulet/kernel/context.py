"""Who asks, with what rights, and as part of which request."""

from __future__ import annotations

import re
import uuid
from contextvars import ContextVar
from typing import Any

import msgspec

_REQUEST_ID = re.compile(r"^req-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", re.IGNORECASE)


class Context(msgspec.Struct, kw_only=True):
    """The caller of one request or job, as its token says. Everything is empty for an anonymous caller.

    `token` holds the decoded token body (`{"user": …, "project": …, "roles": …}`, without the catalog), for those who
    need more of it than the fields here.
    """

    request_id: str = ""
    global_request_id: str | None = None
    auth_token: str | None = None
    user_id: str | None = None
    user_name: str | None = None
    user_domain_id: str | None = None
    project_id: str | None = None
    project_name: str | None = None
    project_domain_id: str | None = None
    domain_id: str | None = None
    domain_name: str | None = None
    system_scope: str | None = None  # "all" when the token is scoped to the system
    roles: tuple[str, ...] = ()
    is_admin_project: bool = True
    trust_id: str | None = None
    trustor_id: str | None = None
    application_credential_id: str | None = None
    service_roles: tuple[str, ...] = ()  # of the X-Service-Token, when one came along
    service_user_id: str | None = None
    token: dict[str, Any] | None = None

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles

    def policy_credentials(self) -> dict[str, Any]:
        """What oslo.policy's rules see, under the names operators write in policy.yaml."""
        return {
            "user_id": self.user_id,
            "user_domain_id": self.user_domain_id,
            "project_id": self.project_id,
            "tenant_id": self.project_id,
            "project_domain_id": self.project_domain_id,
            "domain_id": self.domain_id,
            "system_scope": self.system_scope,
            "roles": list(self.roles),
            "service_roles": list(self.service_roles),
            "service_user_id": self.service_user_id,
            "is_admin": self.is_admin,
            "is_admin_project": self.is_admin_project,
            "token": self._token_scope(),
            "trust": {"trust_id": self.trust_id} if self.trust_id else None,
            "trust.trustor_id": self.trustor_id,
            "application_credential_id": self.application_credential_id,
        }

    def _token_scope(self) -> dict[str, Any]:
        """What rules of the original ask as `token.project.domain.id` and `token.domain.id`."""
        return {
            "user": {"id": self.user_id, "domain": {"id": self.user_domain_id}},
            "project": {"id": self.project_id, "domain": {"id": self.project_domain_id}},
            "domain": {"id": self.domain_id},
        }


current_request: ContextVar[tuple[str, str | None] | None] = ContextVar("current_request", default=None)
"""(request id, global request id) of the work this thread does: log lines and outgoing calls carry it."""


def new_request_id() -> str:
    return f"req-{uuid.uuid4()}"


def accepted_global_id(value: str | None) -> str | None:
    """A caller's `X-Openstack-Request-Id`, if it has the published form (oslo.middleware request_id)."""
    return value if value and _REQUEST_ID.match(value) else None
