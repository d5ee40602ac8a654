"""Quotas, limits, services, hosts, pools, capabilities, clusters, workers."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.volume.policies.base import ADMIN, READER, rules

RULES: tuple[Rule, ...] = (
    *rules(READER, "volume_extension:quotas:show", "limits_extension:used_limits"),
    *rules(
        ADMIN,
        "volume_extension:quotas:update",
        "volume_extension:quotas:delete",
        "volume_extension:quota_classes:get",
        "volume_extension:quota_classes:update",
        "volume_extension:capabilities",
        "volume_extension:services:index",
        "volume_extension:services:update",
        "volume:freeze_host",
        "volume:thaw_host",
        "volume:failover_host",
        "scheduler_extension:scheduler_stats:get_pools",
        "volume_extension:hosts",
        "clusters:get_all",
        "clusters:get",
        "clusters:update",
        "workers:cleanup",
    ),
)
