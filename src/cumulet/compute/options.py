"""The options of nova.conf that Compute heeds; every other one is read over."""

from __future__ import annotations

from oslo_config import cfg

API = [
    cfg.IntOpt("max_limit", default=1000, min=0, help="The most rows a page has."),
    cfg.StrOpt("compute_link_prefix", help="The base of links, where it is not what the client addressed."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(API, group="api")
