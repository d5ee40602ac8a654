"""Options in the operator's own files: `keystone.conf`, `nova.conf`… are read as they are, unknown sections ignored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from oslo_config import cfg

from cumulet.kernel import conf_files

DATABASE_OPTS = [
    cfg.StrOpt("connection", secret=True, help="SQLAlchemy URL. Default: an SQLite file in the state directory."),
    cfg.IntOpt("max_pool_size", default=8, min=1, help="Connections a process keeps to a database server."),
    cfg.BoolOpt("sqlite_synchronous", default=True, help="Whether an answered write also survives a power failure."),
]
DEFAULT_OPTS = [
    cfg.BoolOpt("debug", default=False, mutable=True),
    cfg.StrOpt("transport_url", secret=True, help="rabbit://user:password@host:5672/ ; without it a local socket."),
]


def load(project: str, files: Sequence[Path | str] = ()) -> cfg.ConfigOpts:
    """One service's options from `files` (later ones win), with the options every service has registered.

    Raises FileNotFoundError or oslo_config.cfg.ConfigFileParseError.
    """
    conf = cfg.ConfigOpts()
    conf.register_opts(DATABASE_OPTS, group="database")
    conf.register_opts(DEFAULT_OPTS)
    with conf_files.opened(files) as given:
        try:
            conf(args=[], project=project, default_config_files=given.paths, default_config_dirs=[])
        except cfg.ConfigFileParseError as error:
            file, reason = given.explain(error.config_file or ""), given.explain(error.msg or "")
            raise cfg.ConfigFileParseError(file, reason) from None
    return conf
