"""What the original's administration commands (`nova-manage` and its kind) share: options, and one service's store."""

from __future__ import annotations

import argparse
import contextlib
import os
import pwd
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from cumulet import services
from cumulet.kernel import migrate
from cumulet.kernel.environment import Environment
from cumulet.kernel.paths import Paths
from cumulet.kernel.settings import Settings

_FIRST_PERSON = 1000  # user ids below are the system's
_SYNCHRONISING = {"db_sync", "sync", "upgrade"}


class Refused(Exception):
    """The command cannot be done; the message is for the operator, `code` what the program ends with."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def add_options(parser: argparse.ArgumentParser, file: str) -> None:
    """`file` is the original's configuration file, such as nova.conf."""
    where = os.environ.get("CUMULET_STATE_DIR")
    parser.add_argument("--config-file", action="append", default=[], metavar="PATH", help=f"read this {file}")
    parser.add_argument(
        "--state-dir", metavar="PATH", default=where, help="directory of the cloud, if not the usual one"
    )


def run_command(program: str, given: argparse.Namespace) -> NoReturn:
    """Do the command that was given (`given.run`) and end: with its code, or with what a Refused says and has."""
    try:
        code = given.run(given)
    except Refused as error:
        print(f"{program}: {error}", file=sys.stderr)
        code = error.code
    sys.exit(code)  # None is fine too


def settings_of(given: argparse.Namespace, project: str, *, keep: bool = False) -> Settings:
    """Those of the cloud in its directories; `keep`: they are made at the first command when there is none yet.

    Raises Refused for a configuration file that is not there.
    """
    _refuse_service_users(given)
    paths = Paths.at(given.state_dir)
    paths.make()
    settings = Settings.load(paths)
    if settings is None:
        settings = Settings(state_dir=str(paths.state) if given.state_dir else None)
        if keep:
            settings.save()
    files = dict(settings.config_files)
    for file in given.config_file:
        if not Path(file).is_file():
            raise Refused(f"--config-file {file}: there is no such file")
        files[project] = [*files.get(project, []), str(Path(file).absolute())]
    return msgspec.structs.replace(settings, config_files=files)


def _refuse_service_users(given: argparse.Namespace) -> None:
    """The install guides type `su -s /bin/sh -c "nova-manage …" nova`. What they want is root's cloud, not one
    of that user's own, which would be made here and never seen. Raises Refused."""
    user = pwd.getpwuid(os.geteuid())
    of_a_service = user.pw_uid < _FIRST_PERSON and user.pw_name in {service.project for service in services.SERVICES}
    if not of_a_service or given.state_dir is not None:
        return
    if _SYNCHRONISING & set(sys.argv):
        raise Refused("nothing is to be done as this user: root brings the tables up to date, at every start.", 0)
    raise Refused(f"this machine's cloud belongs to root: leave away the `su` with which {user.pw_name} asks.")


@contextlib.contextmanager
def opened(settings: Settings, name: str, *, synchronised: bool = True) -> Iterator[Any]:
    """A service (`compute`, `image`) of this cloud, built as its processes build it; `synchronised`: its tables too."""
    module = next(one for one in services.SERVICES if one.name == name).load()
    service = module.build_service(Environment(settings))
    try:
        if synchronised:
            migrate.upgrade(service.db, module.SCHEMA)
        yield service
    finally:
        service.db.close()
