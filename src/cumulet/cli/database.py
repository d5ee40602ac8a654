"""`cumulet db`: the services' tables."""

from __future__ import annotations

from typing import Annotated

import typer

from cumulet.cli.options import StateDir, settings_of
from cumulet.kernel import migrate
from cumulet.processes import apps

app = typer.Typer(help="The services' tables.", no_args_is_help=True)
_DAY_S = 86400.0


@app.command("sync")
def sync(state_dir: StateDir = None) -> None:
    """Bring every service's tables up to date. `cumulet up` does it by itself; this is for doing it beforehand."""
    settings = settings_of(state_dir)
    settings.paths.make()
    for one in apps.build(settings):
        schema = one.description.load().SCHEMA
        done = migrate.upgrade(one.service.db, schema)
        word = "brought to" if done else "already at"
        typer.echo(f"{one.description.name}: {word} revision {migrate.current(one.service.db, schema)}")
        one.service.db.close()


@app.command("version")
def version(state_dir: StateDir = None) -> None:
    """The revision of every service's tables, and the newest one."""
    for one in apps.build(settings_of(state_dir)):
        schema = one.description.load().SCHEMA
        current = migrate.current(one.service.db, schema) or "empty"
        typer.echo(f"{one.description.name}: {current} (newest: {schema.head})")
        one.service.db.close()


@app.command("purge")
def purge(
    state_dir: StateDir = None,
    days: Annotated[float, typer.Option(min=0, help="Delete what has been over for this many days.")] = 30,
) -> None:
    """Delete what nobody needs any more: finished jobs, and what a service itself keeps past its use."""
    from cumulet.kernel.jobs import history

    for one in apps.build(settings_of(state_dir)):
        table = getattr(one.description.tables(), "jobs", None)
        deleted = 0
        if table is not None:
            while True:
                with one.service.db.write() as connection:
                    batch = history.purge(connection, table, older_than_s=days * _DAY_S)
                deleted += batch
                if batch == 0:
                    break
            typer.echo(f"{one.description.name}: {deleted} finished jobs deleted")
        module = one.description.load()
        if hasattr(module, "purge"):
            for what, count in module.purge(one.service, older_than_s=days * _DAY_S).items():
                typer.echo(f"{one.description.name}: {count} {what} deleted")
        one.service.db.close()
