"""`/v2.0/rbac-policies` (Networking API v2.0, RBAC Policies)."""

from __future__ import annotations

from typing import Any

from cumulet.kernel.http import Call
from cumulet.network.attributes import ID, PROJECT, Attribute
from cumulet.network.checks import Invalid, text, uuid_text
from cumulet.network.crud import Noun
from cumulet.network.domain import rbac
from cumulet.network.errors import forbidden, invalid_input
from cumulet.network.listing import Collection
from cumulet.network.service import Network
from cumulet.network.tables import rbac_policies as table


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


def _enrich(call: Call[Network], target: dict[str, Any]) -> None:
    """Opening something to everybody is an administrator's."""
    if target.get("target_tenant") == "*" and not call.ctx.is_admin:
        raise forbidden("rule:create_rbac_policy and rule:create_rbac_policy:target_tenant")


NOUN = Noun(
    Collection(
        name="rbac_policy",
        plural="rbac_policies",
        attributes=ATTRIBUTES,
        table=table,
        view=rbac.view,
        visible=rbac.seen_by,
        columns={"target_tenant": table.c.target_project},
    ),
    rbac,
    rbac.missing,
    enrich=_enrich,
)
