"""Attachments."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.volume.policies.base import MEMBER, rules

RULES: tuple[Rule, ...] = rules(
    MEMBER,
    "volume:attachment_create",
    "volume:attachment_update",
    "volume:attachment_delete",
    "volume:attachment_complete",
)
