"""Before the first worker: secrets, up-to-date tables, and what a service needs to be there.

Runs in a process of its own, so that Alembic and the open databases go away with it. Every step may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable

from cumulet.kernel import logs, migrate
from cumulet.kernel.settings import Settings
from cumulet.processes import apps, logins
from cumulet.processes.child import Announce


def run(settings: Settings, step: Callable[[str], None], announce: Announce) -> None:
    logs.start("prepare", settings.paths.logs)
    settings.paths.make()
    passwords = logins.ensure_passwords(settings.paths)
    for one in apps.build(settings):
        module = one.description.load()
        step(f"bringing the tables of {one.description.name} up to date")
        migrate.upgrade(one.service.db, module.SCHEMA)
        if hasattr(module, "prepare"):
            step(f"preparing {one.description.name}")
            module.prepare(one.service, passwords)
        one.service.db.close()
    logins.write_clouds(settings)
    announce.ready()
