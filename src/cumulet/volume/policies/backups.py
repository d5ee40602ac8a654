"""Backups and transfers."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.volume.policies.base import ADMIN, MEMBER, READER, rules

_ACTIONS = "volume_extension:backup_admin_actions"

RULES: tuple[Rule, ...] = (
    *rules(READER, "backup:get", "backup:get_all", "volume:get_transfer", "volume:get_all_transfers"),
    *rules(
        MEMBER,
        "backup:create",
        "backup:update",
        "backup:delete",
        "backup:restore",
        "volume:create_transfer",
        "volume:accept_transfer",
        "volume:delete_transfer",
    ),
    *rules(
        ADMIN,
        "backup:backup-import",
        "backup:export-import",
        "backup:backup_project_attribute",
        f"{_ACTIONS}:reset_status",
        f"{_ACTIONS}:force_delete",
    ),
)
