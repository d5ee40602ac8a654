"""The options of keystone.conf that Identity heeds; every other one is read over."""

from __future__ import annotations

from oslo_config import cfg

from cumulet.identity import ldap_options
from cumulet.identity.tokens import options as token_options

DEFAULT = [
    cfg.StrOpt("admin_token", secret=True, help="A token that may do everything. Unset: there is none."),
    cfg.StrOpt("public_endpoint", help="The base of self links, where it is not what the client addressed."),
    cfg.IntOpt("max_token_size", default=255),
    cfg.IntOpt("list_limit", min=0, help="The most rows a list answers with. Unset: all."),
    cfg.IntOpt("max_project_tree_depth", default=5),
    cfg.IntOpt("max_param_size", default=64),
    cfg.IntOpt("max_db_limit", default=1000, min=1, help="The most rows that a client's `limit` gets at once."),
]
IDENTITY = [
    cfg.StrOpt("default_domain_id", default="default"),
    cfg.IntOpt("max_password_length", default=4096, max=4096),
    cfg.IntOpt("password_hash_rounds", help="bcrypt's work factor. Default 12."),
    cfg.StrOpt("password_hash_algorithm", default="bcrypt"),
    cfg.StrOpt("driver", default="sql"),
    cfg.IntOpt("list_limit", min=0, help="The most users or groups a list answers with. Default: the general one."),
]
RESOURCE = [
    cfg.IntOpt("list_limit", min=0, help="The most projects or domains a list answers with. Default: the general one."),
    cfg.StrOpt("project_name_url_safe", default="off", choices=["off", "new", "strict"]),
    cfg.StrOpt("domain_name_url_safe", default="off", choices=["off", "new", "strict"]),
]
SECURITY_COMPLIANCE = [
    cfg.IntOpt("disable_user_account_days_inactive", min=1),
    cfg.IntOpt("lockout_failure_attempts", min=1),
    cfg.IntOpt("lockout_duration", default=1800, min=1, help="In seconds."),
    cfg.IntOpt("password_expires_days", min=1),
    cfg.IntOpt("unique_last_password_count", default=0, min=0),
    cfg.IntOpt("minimum_password_age", default=0, min=0, help="In days."),
    cfg.StrOpt("password_regex", help="What a password must match from its start on."),
    cfg.StrOpt("password_regex_description"),
    cfg.BoolOpt("change_password_upon_first_use", default=False),
]
ASSIGNMENT = [
    cfg.ListOpt("prohibited_implied_role", default=["admin"], help="Names of roles that no other may imply."),
]
UNIFIED_LIMIT = [
    cfg.IntOpt("list_limit", min=0, help="The most limits a list answers with. Default: the general one."),
    cfg.StrOpt("enforcement_model", default="flat", choices=["flat", "strict_two_level"]),
]
CATALOG = [
    cfg.IntOpt("list_limit", min=0, help="The most services or endpoints in a list. Default: the general one."),
]
ROLE = [cfg.IntOpt("list_limit", min=0, help="The most roles a list answers with. Default: the general one.")]
POLICY = [cfg.IntOpt("list_limit", min=0, help="The most policies a list answers with. Default: the general one.")]
ENDPOINT_FILTER = [
    cfg.BoolOpt("return_all_endpoints_if_no_filter", default=True, help="What a project without a filter gets."),
]
OAUTH1 = [
    cfg.IntOpt("request_token_duration", default=28800, min=0, help="In seconds; 0: for ever."),
    cfg.IntOpt("access_token_duration", default=86400, min=0, help="In seconds; 0: for ever."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(DEFAULT)
    conf.register_opts(IDENTITY, group="identity")
    conf.register_opts(ASSIGNMENT, group="assignment")
    conf.register_opts(CATALOG, group="catalog")
    conf.register_opts(ROLE, group="role")
    conf.register_opts(POLICY, group="policy")
    conf.register_opts(UNIFIED_LIMIT, group="unified_limit")
    conf.register_opts(ENDPOINT_FILTER, group="endpoint_filter")
    conf.register_opts(OAUTH1, group="oauth1")
    conf.register_opts(RESOURCE, group="resource")
    conf.register_opts(SECURITY_COMPLIANCE, group="security_compliance")
    conf.register_opts(ldap_options.LDAP, group="ldap")
    token_options.register(conf)
