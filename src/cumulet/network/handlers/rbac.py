"""`/v2.0/rbac-policies` (Networking API v2.0, RBAC Policies)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cumulet.kernel.http import Call
from cumulet.network.attributes import ID, PROJECT, Attribute
from cumulet.network.checks import Invalid, text, uuid_text
from cumulet.network.crud import Noun
from cumulet.network.domain import rbac
from cumulet.network.errors import forbidden, invalid_input
from cumulet.network.service import Network

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


def _target(value: Any) -> str:
    if value == "*":
        return "*"
    try:
        return uuid_text(value)
    except Invalid:
        raise invalid_input(f"'{value}' is not a valid target project ID; expected a UUID or '*'") from None


ATTRIBUTES = {
    **ID,
    **PROJECT,
    "object_type": Attribute(text(255), put=False),
    "object_id": Attribute(uuid_text, put=False),
    "target_tenant": Attribute(_target),
    "action": Attribute(text(255), put=False),
}


def _enrich(call: Call[Network], connection: Connection, target: dict[str, Any]) -> None:
    """Opening something to everybody is an administrator's."""
    if target.get("target_tenant") == "*" and not call.ctx.is_admin:
        raise forbidden("rule:create_rbac_policy and rule:create_rbac_policy:target_tenant")


NOUN = Noun("rbac_policy", "rbac_policies", ATTRIBUTES, rbac, enrich=_enrich)
