"""Volumes, their metadata and actions."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.volume.policies.base import ADMIN, MEMBER, READER, rules

_ACTIONS = "volume_extension:volume_actions"
_ADMIN_ACTIONS = "volume_extension:volume_admin_actions"
_IMAGE_METADATA = "volume_extension:volume_image_metadata"

RULES: tuple[Rule, ...] = (
    *rules(
        READER,
        "volume:get",
        "volume:get_all",
        "volume:get_volume_metadata",
        "volume_extension:volume_tenant_attribute",
        "volume_extension:volume_encryption_metadata",
        f"{_IMAGE_METADATA}:show",
    ),
    *rules(
        MEMBER,
        "volume:create",
        "volume:create_from_image",
        "volume:update",
        "volume:delete",
        "volume:multiattach",
        "volume:multiattach_bootable_volume",
        "volume:create_volume_metadata",
        "volume:update_volume_metadata",
        "volume:delete_volume_metadata",
        f"{_IMAGE_METADATA}:set",
        f"{_IMAGE_METADATA}:remove",
        "volume:extend",
        "volume:extend_attached_volume",
        "volume:revert_to_snapshot",
        "volume:retype",
        "volume:update_readonly_flag",
        "volume:reimage",
        "volume:reimage_reserved",
        f"{_ACTIONS}:upload_image",
        f"{_ACTIONS}:initialize_connection",
        f"{_ACTIONS}:terminate_connection",
        f"{_ACTIONS}:roll_detaching",
        f"{_ACTIONS}:reserve",
        f"{_ACTIONS}:unreserve",
        f"{_ACTIONS}:begin_detaching",
        f"{_ACTIONS}:attach",
        f"{_ACTIONS}:detach",
    ),
    *rules(
        ADMIN,
        "volume:force_delete",
        "volume:update_volume_admin_metadata",
        "volume_extension:volume_host_attribute",
        "volume_extension:volume_mig_status_attribute",
        f"{_ACTIONS}:upload_public",
        f"{_ADMIN_ACTIONS}:reset_status",
        f"{_ADMIN_ACTIONS}:force_delete",
        f"{_ADMIN_ACTIONS}:force_detach",
        f"{_ADMIN_ACTIONS}:migrate_volume",
        f"{_ADMIN_ACTIONS}:migrate_volume_completion",
        f"{_ADMIN_ACTIONS}:extend_volume_completion",
    ),
)
