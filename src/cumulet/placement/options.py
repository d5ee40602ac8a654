"""The options of placement.conf that Placement heeds; every other one is read over."""

from __future__ import annotations

from oslo_config import cfg

INCOMPLETE = "00000000-0000-0000-0000-000000000000"

PLACEMENT = [
    cfg.BoolOpt(
        "randomize_allocation_candidates",
        default=False,
        help="Answer with a random sample of the candidates when they are limited, shuffled otherwise.",
    ),
    cfg.StrOpt(
        "incomplete_consumer_project_id",
        default=INCOMPLETE,
        help="Project of consumers made before microversion 1.8, whose requests name none.",
    ),
    cfg.StrOpt("incomplete_consumer_user_id", default=INCOMPLETE, help="User of such consumers."),
    cfg.IntOpt(
        "allocation_conflict_retry_count",
        default=10,
        help="Accepted for old files: a write takes its turn at the provider, so it has no conflict to retry.",
    ),
    cfg.IntOpt(
        "max_allocation_candidates",
        default=-1,
        min=-1,
        help="The most candidates made for one request, before its limit counts. -1: no bound.",
    ),
    cfg.StrOpt(
        "allocation_candidates_generation_strategy",
        default="depth-first",
        choices=("depth-first", "breadth-first"),
        help="All candidates of one tree before the next tree's, or one of each tree in turn.",
    ),
]
API = [
    cfg.StrOpt(
        "auth_strategy",
        default="keystone",
        choices=("keystone", "noauth2"),
        deprecated_group="DEFAULT",
        help="keystone, or noauth2 for tests: the token is USER:PROJECT, and user admin is an administrator.",
    ),
]
PLACEMENT_DATABASE = [
    cfg.StrOpt("connection", secret=True, help="SQLAlchemy URL. Default: [database] connection, then an SQLite file."),
    cfg.IntOpt("max_pool_size", min=1),
    cfg.BoolOpt("sqlite_synchronous"),
    cfg.BoolOpt("sync_on_startup", default=False, help="Accepted: tables are always brought up to date at start."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(PLACEMENT, group="placement")
    conf.register_opts(API, group="api")
    conf.register_opts(PLACEMENT_DATABASE, group="placement_database")
    for name in ("connection", "max_pool_size", "sqlite_synchronous"):
        value = conf.placement_database[name]
        if value is not None:
            conf.set_override(name, value, group="database")
