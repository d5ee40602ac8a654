"""Who may see and change servers."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.compute.policies.base import ADMIN, MANAGER, MEMBER, READER, rule
from cumulet.kernel.policy import Rule

_MEMBERS = (
    *("create", "update", "delete", "start", "stop", "reboot"),
    *("create:attach_network", "create:attach_volume", "create:trusted_certs"),
)
_ADMINS = (
    *("create:forced_host", "create:requested_destination", "create:zero_disk_flavor", "index:get_all_tenants"),
    *("detail:get_all_tenants", "show:host_status", "allow_all_filters"),
)
_ACTIONS = {
    "os-pause-server:pause": MEMBER,
    "os-pause-server:unpause": MEMBER,
    "os-suspend-server:suspend": MEMBER,
    "os-suspend-server:resume": MEMBER,
    "os-lock-server:lock": MEMBER,
    "os-lock-server:unlock": MEMBER,
    "os-lock-server:unlock:unlock_override": ADMIN,
    "os-admin-actions:reset_state": ADMIN,
    "os-console-output": MEMBER,
    **dict.fromkeys(
        (
            *("servers:create_image", "servers:rebuild", "servers:resize", "servers:confirm_resize"),
            *("servers:revert_resize", "servers:trigger_crash_dump", "os-create-backup", "os-rescue", "os-unrescue"),
            *("os-shelve:shelve", "os-shelve:unshelve", "os-admin-password", "os-remote-consoles"),
            *("os-deferred-delete:restore", "os-deferred-delete:force", "os-server-password:clear"),
        ),
        MEMBER,
    ),
    "os-server-password:show": READER,
    **dict.fromkeys(
        (
            *("os-migrate-server:migrate", "os-migrate-server:migrate_live", "os-migrations:index"),
            *("servers:migrations:index", "servers:migrations:force_complete", "servers:migrations:delete"),
        ),
        MANAGER,
    ),
    **dict.fromkeys(
        (
            *("os-shelve:shelve_offload", "os-shelve:unshelve_to_host", "os-migrate-server:migrate:host"),
            *("os-migrate-server:migrate_live:host", "os-evacuate", "os-server-diagnostics"),
            *("servers:migrations:show", "servers:migrations:index:host", "os-migrations:index:all_projects"),
            *("os-migrations:index:host", "os-console-auth-tokens"),
        ),
        ADMIN,
    ),
}
RULES: tuple[Rule, ...] = (
    *(rule(f"servers:{verb}", READER) for verb in ("index", "detail", "show")),
    *(rule(f"servers:{verb}", MEMBER) for verb in _MEMBERS),
    *(rule(f"servers:{verb}", ADMIN) for verb in _ADMINS),
    rule("os-extended-server-attributes", ADMIN),
    *(rule(f"server-metadata:{verb}", READER) for verb in ("index", "show")),
    *(rule(f"server-metadata:{verb}", MEMBER) for verb in ("create", "update", "update_all", "delete")),
    *(rule(f"os-server-tags:{verb}", READER) for verb in ("index", "show")),
    *(rule(f"os-server-tags:{verb}", MEMBER) for verb in ("update", "update_all", "delete", "delete_all")),
    *(rule(f"os-server-shares:{verb}", READER) for verb in ("index", "show")),
    *(rule(f"os-server-shares:{verb}", MEMBER) for verb in ("create", "delete")),
    *(rule(f"ips:{verb}", READER) for verb in ("index", "show")),
    *(rule(f"os-instance-actions:{verb}", READER) for verb in ("list", "show")),
    rule("os-instance-actions:events", ADMIN),
    rule("os-instance-actions:events:details", ADMIN),
    *(rule(name, check) for name, check in _ACTIONS.items()),
    RuleDefault("compute:server:topology:index", READER, scope_types=["project"]),
    RuleDefault("compute:server:topology:host:index", ADMIN, scope_types=["project"]),
)
