"""`cinder-manage`: the administration commands of the install guides."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from cumulet import __version__
from cumulet.cli.stores import add_options, opened, run_command, settings_of
from cumulet.kernel import clock, migrate

_COLUMNS = "%-16s %-36s %-16s %-10s %-5s %-20s %-12s %-15s %-36s"
_DAY_S = 86_400.0


def volume_service(given: argparse.Namespace, *, synchronised: bool = True) -> AbstractContextManager[Any]:
    """The Volume service of the cloud in its directories; `synchronised`: with its tables up to date."""
    return opened(settings_of(given, "cinder"), "volume", synchronised=synchronised)


def db_sync(given: argparse.Namespace) -> int:
    """Make the tables, or bring them to the newest form. Silent, as the original's."""
    from cumulet.volume import app

    with volume_service(given) as volume:
        app.prepare(volume, {})
    return 0


def db_version(given: argparse.Namespace) -> int:
    from cumulet.volume import app

    with volume_service(given, synchronised=False) as volume:
        print(migrate.current(volume.db, app.SCHEMA) or "none")
    return 0


def db_online_data_migrations(given: argparse.Namespace) -> int:
    """Revisions move the data themselves, so there is never anything left to do."""
    if given.max_count is not None and given.max_count < 1:
        print("Must supply a positive value for max_count.")
        return 127
    with volume_service(given):
        print("There is nothing left to migrate.")
    return 0


def db_purge(given: argparse.Namespace) -> int:
    """Deleted volumes leave no rows; jobs that are over and expired messages do, until this or their time comes."""
    from cumulet.kernel import jobs
    from cumulet.volume import tables

    if given.age_in_days < 0:
        print("Must supply a positive value for age")
        return 1
    purged, age_s = 0, given.age_in_days * _DAY_S
    with volume_service(given) as volume:
        while True:
            with volume.db.write() as connection:
                found = jobs.purge(connection, tables.jobs, older_than_s=age_s)
            purged += found
            if not found:
                break
    print(f"Purged {purged} rows.")
    return 0


def service_list(given: argparse.Namespace) -> int:
    from cumulet.volume.domain import services

    with volume_service(given) as volume:
        with volume.db.read() as connection:
            rows = services.find(connection)
        head = ("Binary", "Host", "Zone", "Status", "State", "Updated At", "RPC Version", "Object Version", "Cluster")
        print(_COLUMNS % head)
        for row in rows:
            status = "disabled" if row.disabled else "enabled"
            state = ":-)" if services.is_up(volume, row) else "XXX"
            at = "" if row.updated_at is None else clock.iso(row.updated_at).replace("T", " ").rstrip("Z")
            print(_COLUMNS % (row.binary, row.host, row.availability_zone, status, state, at, "-", "-", ""))
    return 0


def service_remove(given: argparse.Namespace) -> int:
    """Forget a service that is gone for good. One that reports comes back."""
    from cumulet.kernel.errors import ApiError
    from cumulet.volume.domain import services

    with volume_service(given) as volume:
        try:
            services.remove(volume, given.host_name, given.binary)
        except ApiError as error:
            print(error.message)
            return 2
    print(f"Service {given.binary} on host {given.host_name} removed.")
    return 0


def host_list(given: argparse.Namespace) -> int:
    from cumulet.volume.domain import services

    with volume_service(given) as volume, volume.db.read() as connection:
        rows = services.find(connection)
    found = {row.host: row.availability_zone for row in rows if given.zone in (None, row.availability_zone)}
    print(f"{'host':<25}\t{'zone':<15}")
    for host, zone in found.items():
        print(f"{host:<25}\t{zone:<15}")
    return 0


def volume_delete(given: argparse.Namespace) -> int:
    """Have a volume deleted, whatever its status; its bytes go when its back end answers."""
    from cumulet.kernel.context import Context
    from cumulet.kernel.errors import ApiError
    from cumulet.volume.domain import volume_delete as deleting

    with volume_service(given) as volume:
        try:
            deleting.request(volume, Context(roles=("admin",)), given.volume_id, force=True)
        except ApiError as error:
            print(error.message)
            return 1
    return 0


def volume_update_host(given: argparse.Namespace) -> int:
    """A back end was renamed: what was on the one is on the other."""
    from cumulet.volume.domain import hosts

    with volume_service(given) as volume:
        print(f"{hosts.rename(volume, given.currenthost, given.newhost)} volumes were updated.")
    return 0


def quota_check(given: argparse.Namespace) -> int:
    """Usage is counted from live rows, so it is never out of step."""
    from cumulet.volume.domain import usage

    with volume_service(given) as volume, volume.db.read() as connection:
        projects = [given.project_id] if given.project_id else usage.projects(connection)
        for project_id in projects:
            used = usage.of(volume, connection, project_id)
            print(f"Processing quota usage for project {project_id}")
            print("\t" + ", ".join(f"{name}: {amount}" for name, amount in sorted(used.items())))
    print("Action successfully completed")
    return 0


def version(given: argparse.Namespace) -> int:
    print(__version__)
    return 0


def _commands(groups: Any, name: str, help_: str) -> Any:
    return groups.add_parser(name, help=help_).add_subparsers(required=True, metavar="COMMAND")


def _command(commands: Any, name: str, run: Any, help_: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(name, help=help_)
    made.set_defaults(run=run)
    return made


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cinder-manage", description="Administer the Volume service.")
    add_options(parser, "cinder.conf")
    groups = parser.add_subparsers(required=True, metavar="GROUP")
    db = _commands(groups, "db", "database commands")
    sync = _command(db, "sync", db_sync, "Sync the database up to the most recent version.")
    sync.add_argument("version", nargs="?", help="accepted and not needed: the newest revision is always meant")
    sync.add_argument("--bump-versions", action="store_true", help="accepted: there are no RPC versions to bump")
    _command(db, "version", db_version, "Print the current database version.")
    online = _command(db, "online_data_migrations", db_online_data_migrations, "Perform online data migrations.")
    online.add_argument("--max_count", "--max-count", type=int, metavar="<number>")
    purge = _command(db, "purge", db_purge, "Purge rows that nobody needs.")
    purge.add_argument("age_in_days", type=int)
    service = _commands(groups, "service", "services")
    _command(service, "list", service_list, "Show a list of all cinder services.")
    remove = _command(service, "remove", service_remove, "Completely removes a service.")
    remove.add_argument("binary")
    remove.add_argument("host_name")
    hosts = _command(_commands(groups, "host", "hosts"), "list", host_list, "Show a list of all physical hosts.")
    hosts.add_argument("zone", nargs="?")
    volumes = _commands(groups, "volume", "volumes")
    _command(volumes, "delete", volume_delete, "Delete a volume.").add_argument("volume_id")
    rename = _command(volumes, "update_host", volume_update_host, "Modify the host name associated with volumes.")
    rename.add_argument("--currenthost", required=True)
    rename.add_argument("--newhost", required=True)
    quota = _commands(groups, "quota", "quotas")
    for name in ("check", "sync"):
        _command(quota, name, quota_check, "Count what projects use.").add_argument("--project-id")
    _command(_commands(groups, "version", "the version"), "list", version, "Print the version.")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("cinder-manage", _parser().parse_args(arguments))


if __name__ == "__main__":
    main()
