"""Messages, QoS specs, encryption of types."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.volume.policies.base import ADMIN, MEMBER, READER, rules

_QOS = "volume_extension:qos_specs_manage"
_ENCRYPTION = "volume_extension:volume_type_encryption"

RULES: tuple[Rule, ...] = (
    *rules(READER, "message:get", "message:get_all"),
    *rules(MEMBER, "message:delete"),
    *rules(
        ADMIN,
        f"{_QOS}:create",
        f"{_QOS}:get",
        f"{_QOS}:get_all",
        f"{_QOS}:update",
        f"{_QOS}:delete",
        f"{_ENCRYPTION}:create",
        f"{_ENCRYPTION}:get",
        f"{_ENCRYPTION}:update",
        f"{_ENCRYPTION}:delete",
    ),
)
