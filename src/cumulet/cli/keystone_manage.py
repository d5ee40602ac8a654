"""`keystone-manage`: the administration commands of the install guides, on this cloud's store."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec

from cumulet.cli.stores import Refused, opened, run_command, settings_of
from cumulet.kernel import migrate
from cumulet.kernel.environment import Environment
from cumulet.kernel.settings import Settings

_PROGRAM = "keystone-manage"


def _settings(given: argparse.Namespace) -> Settings:
    return settings_of(given, "keystone", keep=True)


def _identity(given: argparse.Namespace) -> AbstractContextManager[Any]:
    """The Identity service, its tables up to date."""
    return opened(_settings(given), "identity")


def bootstrap(given: argparse.Namespace) -> None:
    from cumulet.identity.domain.bootstrap import BootstrapOptions
    from cumulet.identity.domain.bootstrap import bootstrap as run

    if not given.bootstrap_password:
        raise Refused("--bootstrap-password or OS_BOOTSTRAP_PASSWORD is needed")
    with _identity(given) as identity:
        run(
            identity,
            BootstrapOptions(
                admin_password=given.bootstrap_password,
                admin_username=given.bootstrap_username,
                admin_project=given.bootstrap_project_name,
                admin_role=given.bootstrap_role_name,
                region=given.bootstrap_region_id,
                public_url=given.bootstrap_public_url,
                internal_url=given.bootstrap_internal_url,
                admin_url=given.bootstrap_admin_url,
                service_name=given.bootstrap_service_name,
                immutable_roles=given.immutable_roles,
            ),
        )
        if given.bootstrap_username == "admin":
            _remember_password(identity.env.settings, given.bootstrap_password)


def _remember_password(settings: Settings, password: str) -> None:
    """`cumulet openrc` and clouds.yaml go on logging in."""
    from cumulet.processes import logins

    logins.remember(settings.paths, logins.ADMIN, password)
    logins.write_clouds(settings)


def db_sync(given: argparse.Namespace) -> int:
    from cumulet.identity import app

    identity = app.build_service(Environment(_settings(given)))
    try:
        if given.check:
            current = migrate.current(identity.db, app.SCHEMA)
            if current == app.SCHEMA.head:
                print("The tables are up to date.")
                return 0
            print(f"The tables are at revision {current or 'none'}; the newest is {app.SCHEMA.head}.")
            return 2
        migrate.upgrade(identity.db, app.SCHEMA)
        return 0
    finally:
        identity.db.close()


def db_version(given: argparse.Namespace) -> None:
    from cumulet.identity import app

    identity = app.build_service(Environment(_settings(given)))
    print(migrate.current(identity.db, app.SCHEMA) or "none")
    identity.db.close()


def fernet_setup(given: argparse.Namespace) -> None:
    from cumulet.identity.tokens import keys

    _keys(given, "fernet", keys.setup)


def fernet_rotate(given: argparse.Namespace) -> None:
    from cumulet.identity.tokens import keys

    with _identity(given) as identity:
        most = identity.conf.fernet_tokens.max_active_keys
    _keys(given, "fernet", lambda repository: keys.rotate(repository, most))


def credential_setup(given: argparse.Namespace) -> None:
    from cumulet.identity.tokens import keys

    _keys(given, "credentials", keys.setup)


def credential_rotate(given: argparse.Namespace) -> None:
    from cumulet.identity.domain import credentials

    with _identity(given) as identity:
        try:
            credentials.rotate_keys(identity)
        except credentials.NotMigrated as error:
            raise Refused(str(error)) from error
    _keys(given, "credentials", lambda repository: None)


def credential_migrate(given: argparse.Namespace) -> None:
    from cumulet.identity.domain import credentials

    with _identity(given) as identity:
        count = credentials.migrate(identity)
    print(f"{count} credentials encrypted with the newest key.")


def _keys(given: argparse.Namespace, which: str, work: Callable[[Path], object]) -> None:
    """Do `work` on a key repository; its files belong to --keystone-user and --keystone-group afterwards."""
    from cumulet.identity import options, tokens
    from cumulet.kernel import config

    settings = _settings(given)
    conf = config.load("keystone", settings.files_of("keystone"))
    options.register(conf)
    repository: Path = getattr(tokens.Repositories.of(conf, settings.paths), which)
    work(repository)
    _give_to(repository, given.keystone_user, given.keystone_group)


def _give_to(directory: Path, user: str | None, group: str | None) -> None:
    """Our package makes no user `keystone`: where there is none, the keys stay with whoever runs the cloud."""
    import grp
    import pwd

    uid = gid = -1
    if user:
        try:
            uid = pwd.getpwnam(user).pw_uid
        except KeyError:
            print(f"There is no user {user} here; the keys stay with the user that runs the cloud.", file=sys.stderr)
    if group:
        try:
            gid = grp.getgrnam(group).gr_gid
        except KeyError:
            print(f"There is no group {group} here; the keys stay with their group.", file=sys.stderr)
    if (uid, gid) == (-1, -1):
        return
    try:
        for path in (directory, *directory.iterdir()):
            os.chown(path, uid, gid)
    except PermissionError as error:
        raise Refused(f"only root can give {directory} to {user or group}") from error


def token_flush(given: argparse.Namespace) -> None:
    """Fernet and JWS tokens are not stored; what is, is the record of revoked ones, needed while one could be alive."""
    from cumulet.identity.domain import tokens

    with _identity(given) as identity:
        count = tokens.flush(identity)
    print(f"{count} revocations of expired tokens deleted.")


def doctor(given: argparse.Namespace) -> int:
    from cumulet.processes import checks, state

    settings = msgspec.structs.replace(_settings(given), services=("identity",))
    found = list(checks.run(settings, running=state.running(settings.paths) is not None))
    for check in found:
        print(f"{check.state}: {check.name}: {check.says}" + (f" → {check.fix}" if check.fix else ""))
    return 1 if any(check.state == checks.PROBLEM for check in found) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=_PROGRAM, description="Administration of Identity.")
    parser.add_argument("--config-file", action="append", default=[], metavar="PATH")
    parser.add_argument("--config-dir", action="append", default=[], metavar="DIR", help="accepted and not needed")
    parser.add_argument("--state-dir", default=os.environ.get("CUMULET_STATE_DIR"), help="as of `cumulet up`")
    parser.add_argument("--debug", "-d", action="store_true")
    parser.add_argument("--nodebug", dest="debug", action="store_false")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, work: Callable[[argparse.Namespace], int | None], summary: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=summary)
        made.set_defaults(run=work)
        return made

    _bootstrap_options(add("bootstrap", bootstrap, "the first domain, roles, administrator, region and endpoint"))
    sync = add("db_sync", db_sync, "bring the tables up to date")
    sync.add_argument("version", nargs="?", help="accepted: there is one line of revisions")
    sync.add_argument("--check", action="store_true", help="only say whether there is anything to do (status 2)")
    for phase in ("--expand", "--migrate", "--contract"):
        sync.add_argument(phase, action="store_true", help="accepted: a revision does all of it")
    add("db_version", db_version, "the revision of the tables")
    for name, work, summary in (
        ("fernet_setup", fernet_setup, "make the keys of tokens"),
        ("fernet_rotate", fernet_rotate, "let the next key of tokens be used"),
        ("credential_setup", credential_setup, "make the keys of stored credentials"),
        ("credential_rotate", credential_rotate, "let the next key of stored credentials be used"),
        ("credential_migrate", credential_migrate, "encrypt stored credentials with the newest key"),
    ):
        command = add(name, work, summary)
        command.add_argument("--keystone-user", help="whom the key files are to belong to")
        command.add_argument("--keystone-group")
    add("token_flush", token_flush, "delete what is kept about expired tokens")
    add("doctor", doctor, "look for what is wrong on this host")
    return parser


def _bootstrap_options(parser: argparse.ArgumentParser) -> None:
    """Each may come from the environment: OS_BOOTSTRAP_PASSWORD keeps the password out of the process list."""
    for name, default, text in (
        ("username", "admin", "the administrator"),
        ("password", None, "the administrator's password"),
        ("project-name", "admin", "the administrator's project"),
        ("role-name", "admin", "the administrator's role"),
        ("service-name", "keystone", "the name in the catalog"),
        ("admin-url", None, "URL of the admin endpoint"),
        ("public-url", None, "URL of the public endpoint"),
        ("internal-url", None, "URL of the internal endpoint"),
        ("region-id", None, "the region of the endpoints"),
    ):
        variable = f"OS_BOOTSTRAP_{name.upper().replace('-', '_')}"
        parser.add_argument(
            f"--bootstrap-{name}", default=os.environ.get(variable, default), help=f"{text} (or {variable})"
        )
    parser.add_argument("--immutable-roles", dest="immutable_roles", action="store_true", default=True)
    parser.add_argument("--no-immutable-roles", dest="immutable_roles", action="store_false")


def main() -> None:
    os.umask(0o077)
    run_command(_PROGRAM, _parser().parse_args())


if __name__ == "__main__":
    main()
