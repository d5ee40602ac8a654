"""Options in the operator's own files: `keystone.conf`, `nova.conf`… are read as they are, unknown sections ignored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from oslo_config import cfg

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

    Raises oslo_config.cfg.ConfigFilesNotFoundError or ConfigFileParseError.
    """
    conf = cfg.ConfigOpts()
    conf.register_opts(DATABASE_OPTS, group="database")
    conf.register_opts(DEFAULT_OPTS)
    conf(args=[], project=project, default_config_files=[str(file) for file in files], default_config_dirs=[])
    return conf
