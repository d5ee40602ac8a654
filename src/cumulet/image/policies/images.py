"""Who may see, change, delete, fill and read images."""

from __future__ import annotations

from cumulet.image.policies import base
from cumulet.image.policies.base import rule
from cumulet.kernel.policy import Rule

RULES: tuple[Rule, ...] = (
    rule("add_image", base.ADMIN_OR_CREATOR),
    rule("delete_image", base.ADMIN_OR_MEMBER),
    rule("get_image", base.ADMIN_OR_SEEING_READER),
    rule("get_images", base.ADMIN_OR_READER),
    rule("modify_image", base.ADMIN_OR_MEMBER),
    rule("publicize_image", base.ADMIN),
    rule("communitize_image", base.ADMIN_OR_MEMBER),
    rule("download_image", base.ADMIN_OR_SEEING_MEMBER),
    rule("download_from_store", base.ADMIN_OR_SEEING_MEMBER),
    rule("upload_image", base.ADMIN_OR_MEMBER),
    rule("delete_image_location", base.ADMIN),
    rule("get_image_location", base.ADMIN_OR_READER),
    rule("set_image_location", base.ADMIN_OR_MEMBER),
    rule("add_image_location", base.SERVICE_OR_CREATOR),
    rule("fetch_image_location", base.SERVICE),
    rule("deactivate", base.ADMIN_OR_MEMBER),
    rule("reactivate", base.ADMIN_OR_MEMBER),
    rule("copy_image", base.ADMIN),
)
