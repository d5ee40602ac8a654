"""The options of keystone.conf that Identity heeds; every other one is read over."""

from __future__ import annotations

from oslo_config import cfg

DEFAULT = [
    cfg.StrOpt("admin_token", secret=True, help="A token that may do everything. Unset: there is none."),
    cfg.StrOpt("public_endpoint", help="The base of self links, where it is not what the client addressed."),
    cfg.IntOpt("max_token_size", default=255),
    cfg.IntOpt("list_limit", min=0, help="The most rows a list answers with. Unset: all."),
    cfg.IntOpt("max_project_tree_depth", default=5),
    cfg.IntOpt("max_param_size", default=64),
]
IDENTITY = [
    cfg.StrOpt("default_domain_id", default="default"),
    cfg.IntOpt("max_password_length", default=4096, max=4096),
    cfg.IntOpt("password_hash_rounds", help="bcrypt's work factor. Default 12."),
    cfg.StrOpt("password_hash_algorithm", default="bcrypt"),
]
ASSIGNMENT = [
    cfg.ListOpt("prohibited_implied_role", default=["admin"], help="Names of roles that no other may imply."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(DEFAULT)
    conf.register_opts(IDENTITY, group="identity")
    conf.register_opts(ASSIGNMENT, group="assignment")
