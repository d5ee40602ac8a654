"""Who may plug volumes and ports into servers, and who may tell of events."""

from __future__ import annotations

from cumulet.compute.policies.base import ADMIN, MEMBER, READER, rule
from cumulet.kernel.policy import Rule

_SERVICE = "rule:service_api or rule:context_is_admin"
_GROUPS = ("create", "update", "delete", "rule:create", "rule:delete", "add", "remove")
RULES: tuple[Rule, ...] = (
    *(rule(f"os-attach-interfaces:{verb}", READER) for verb in ("list", "show")),
    *(rule(f"os-attach-interfaces:{verb}", MEMBER) for verb in ("create", "delete")),
    *(rule(f"os-volumes-attachments:{verb}", READER) for verb in ("index", "show")),
    *(rule(f"os-volumes-attachments:{verb}", MEMBER) for verb in ("create", "update", "delete")),
    rule("os-volumes-attachments:swap", _SERVICE),
    *(rule(f"os-security-groups:{verb}", READER) for verb in ("get", "show", "list")),
    *(rule(f"os-security-groups:{verb}", MEMBER) for verb in _GROUPS),
    *(rule(f"os-floating-ips:{verb}", READER) for verb in ("list", "show")),
    *(rule(f"os-floating-ips:{verb}", MEMBER) for verb in ("add", "remove", "create", "delete")),
    *(rule(f"os-multinic:{verb}", MEMBER) for verb in ("add", "remove")),
    *(rule(f"os-volumes:{verb}", READER) for verb in ("list", "detail", "show")),
    *(rule(f"os-volumes:{verb}", MEMBER) for verb in ("create", "delete")),
    *(rule(f"os-volumes:snapshots:{verb}", READER) for verb in ("list", "detail", "show")),
    *(rule(f"os-volumes:snapshots:{verb}", MEMBER) for verb in ("create", "delete")),
    *(rule(f"os-assisted-volume-snapshots:{verb}", _SERVICE) for verb in ("create", "delete")),
    rule("os-server-external-events:create", _SERVICE),
    rule("os-admin-actions:inject_network_info", ADMIN),
)
