"""Volume's access rules, one module a noun."""

from __future__ import annotations

from collections.abc import Iterator

from cumulet.kernel.policy import Rule
from cumulet.volume.policies import attachments, backups, base, extras, groups, operators, snapshots, types, volumes


def rules() -> Iterator[Rule]:
    for module in (base, volumes, snapshots, attachments, types, operators, backups, groups, extras):
        yield from module.RULES
