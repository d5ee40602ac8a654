"""Volume types, extra specs, access, default types."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.volume.policies.base import ADMIN, MEMBER, READER, rules

_SPECS = "volume_extension:types_extra_specs"
_ACCESS = "volume_extension:volume_type_access"

RULES: tuple[Rule, ...] = (
    *rules(
        READER,
        "volume_extension:type_get",
        "volume_extension:type_get_all",
        "volume_extension:access_types_extra_specs",
        f"{_SPECS}:index",
        f"{_SPECS}:show",
    ),
    *rules(MEMBER, _ACCESS),
    *rules(
        ADMIN,
        "volume_extension:type_create",
        "volume_extension:type_update",
        "volume_extension:type_delete",
        "volume_extension:access_types_qos_specs_id",
        f"{_SPECS}:create",
        f"{_SPECS}:update",
        f"{_SPECS}:delete",
        f"{_SPECS}:read_sensitive",
        f"{_ACCESS}:addProjectAccess",
        f"{_ACCESS}:removeProjectAccess",
        f"{_ACCESS}:get_all_for_type",
        "volume_extension:default_set_or_update",
        "volume_extension:default_get",
        "volume_extension:default_get_all",
        "volume_extension:default_unset",
    ),
)
