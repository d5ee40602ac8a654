"""What is an operator's: services, aggregates, hypervisors, quotas of others; and server groups and zones."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.compute.policies.base import ADMIN, ANYBODY, MEMBER, READER, rule
from cumulet.kernel.policy import Rule

_AGGREGATES = ("index", "show", "create", "update", "delete", "add_host", "remove_host", "set_metadata")
_HYPERVISORS = ("list", "list-detail", "show", "statistics", "uptime", "search", "servers")
RULES: tuple[Rule, ...] = (
    *(rule(f"os-services:{verb}", ADMIN) for verb in ("list", "update", "delete")),
    *(rule(f"os-aggregates:{verb}", ADMIN) for verb in _AGGREGATES),
    RuleDefault("compute:aggregates:images", ADMIN, scope_types=["project"]),
    *(rule(f"os-baremetal-nodes:{verb}", ADMIN) for verb in ("list", "show")),
    rule("os-availability-zone:list", ANYBODY),
    rule("os-availability-zone:detail", ADMIN),
    *(rule(f"os-hypervisors:{verb}", ADMIN) for verb in _HYPERVISORS),
    *(rule(f"os-quota-sets:{verb}", ADMIN) for verb in ("update", "delete")),
    *(rule(f"os-quota-sets:{verb}", READER) for verb in ("show", "detail")),
    rule("os-quota-sets:defaults", ANYBODY),
    *(rule(f"os-quota-class-sets:{verb}", ADMIN) for verb in ("show", "update")),
    *(rule(f"os-hosts:{verb}", ADMIN) for verb in ("list", "show", "update", "startup", "shutdown", "reboot")),
    rule("os-simple-tenant-usage:list", ADMIN),
    rule("os-simple-tenant-usage:show", READER),
    *(rule(f"os-instance-usage-audit-log:{verb}", ADMIN) for verb in ("list", "show")),
    rule("extensions", ANYBODY),
    rule("limits", ANYBODY),
    rule("limits:other_project", ADMIN),
    *(rule(f"os-server-groups:{verb}", READER) for verb in ("index", "show")),
    *(rule(f"os-server-groups:{verb}", MEMBER) for verb in ("create", "delete")),
)
