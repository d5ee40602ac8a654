"""Security groups and their rules."""

from __future__ import annotations

from cumulet.network.crud import crud
from cumulet.network.handlers import security_groups

ROUTES = (
    *crud("/v2.0/security-groups", security_groups.GROUPS),
    *crud("/v2.0/security-group-rules", security_groups.RULES),
    *crud("/v2.0/default-security-group-rules", security_groups.DEFAULT_RULES),
)
