"""Snapshots."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.volume.policies.base import ADMIN, MEMBER, READER, rules

RULES: tuple[Rule, ...] = (
    *rules(
        READER,
        "volume:get_all_snapshots",
        "volume:get_snapshot",
        "volume:get_snapshot_metadata",
        "volume_extension:extended_snapshot_attributes",
    ),
    *rules(
        MEMBER,
        "volume:create_snapshot",
        "volume:update_snapshot",
        "volume:delete_snapshot",
        "volume:update_snapshot_metadata",
        "volume:delete_snapshot_metadata",
        "snapshot_extension:snapshot_actions:update_snapshot_status",
    ),
    *rules(
        ADMIN,
        "volume_extension:snapshot_admin_actions:reset_status",
        "volume_extension:snapshot_admin_actions:force_delete",
    ),
)
