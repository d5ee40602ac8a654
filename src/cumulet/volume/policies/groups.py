"""Groups, their types and snapshots; managing what was there before."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.volume.policies.base import ADMIN, MEMBER, READER, rules

_SPECS = "group:group_types_specs"

RULES: tuple[Rule, ...] = (
    *rules(READER, "group:get", "group:get_all", "group:get_group_snapshot", "group:get_all_group_snapshots"),
    *rules(
        MEMBER,
        "group:create",
        "group:update",
        "group:delete",
        "group:create_group_snapshot",
        "group:delete_group_snapshot",
        "group:update_group_snapshot",
        "group:enable_replication",
        "group:disable_replication",
        "group:failover_replication",
        "group:list_replication_targets",
    ),
    *rules(
        ADMIN,
        "group:group_project_attribute",
        "group:group_snapshot_project_attribute",
        "group:reset_status",
        "group:reset_group_snapshot_status",
        "group:group_types:create",
        "group:group_types:update",
        "group:group_types:delete",
        "group:access_group_types_specs",
        f"{_SPECS}:get",
        f"{_SPECS}:get_all",
        f"{_SPECS}:create",
        f"{_SPECS}:update",
        f"{_SPECS}:delete",
        "volume_extension:volume_manage",
        "volume_extension:volume_unmanage",
        "volume_extension:list_manageable",
        "snapshot_extension:snapshot_manage",
        "snapshot_extension:snapshot_unmanage",
        "snapshot_extension:list_manageable",
    ),
)
