"""What the original's administration commands (`nova-manage` and its kind) share: options, and one service's store."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from cumulet import services
from cumulet.kernel import migrate
from cumulet.kernel.environment import Environment
from cumulet.kernel.paths import Paths
from cumulet.kernel.settings import Settings


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


def settings_of(given: argparse.Namespace, project: str, *, keep: bool = False) -> Settings:
    """Those of the cloud in its directories; `keep`: they are made at the first command when there is none yet.

    Raises Refused for a configuration file that is not there.
    """
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
