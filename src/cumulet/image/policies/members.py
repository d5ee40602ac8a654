"""Who may share images, and answer to being shared with."""

from __future__ import annotations

from cumulet.image.policies import base
from cumulet.image.policies.base import rule
from cumulet.kernel.policy import Rule

RULES: tuple[Rule, ...] = (
    rule("add_member", base.ADMIN_OR_MEMBER),
    rule("delete_member", base.ADMIN_OR_MEMBER),
    rule("get_member", base.ADMIN_OR_READER_OR_SHARING),
    rule("get_members", base.ADMIN_OR_READER_OR_SHARING),
    rule("modify_member", base.ADMIN_OR_SHARING_MEMBER),
)
