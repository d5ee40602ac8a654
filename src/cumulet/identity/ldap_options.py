"""`[ldap]` of keystone.conf: what a domain may be configured with (Identity API v3, Domain configuration).

Cumulet keeps its users in its database and asks no directory: these options are there to be stored and given back.
"""

from __future__ import annotations

from oslo_config import cfg

LDAP = [
    cfg.StrOpt("url", default="ldap://localhost"),
    cfg.StrOpt("user"),
    cfg.StrOpt("password", secret=True),
    cfg.StrOpt("suffix", default="cn=example,cn=com"),
    cfg.StrOpt("query_scope", default="one", choices=["one", "sub"]),
    cfg.IntOpt("page_size", default=0, min=0),
    cfg.StrOpt(
        "alias_dereferencing", default="default", choices=["never", "searching", "always", "finding", "default"]
    ),
    cfg.IntOpt("debug_level", min=-1),
    cfg.BoolOpt("chase_referrals"),
    cfg.StrOpt("user_tree_dn"),
    cfg.StrOpt("user_filter"),
    cfg.StrOpt("user_objectclass", default="inetOrgPerson"),
    cfg.StrOpt("user_id_attribute", default="cn"),
    cfg.StrOpt("user_name_attribute", default="sn"),
    cfg.StrOpt("user_mail_attribute", default="mail"),
    cfg.StrOpt("user_description_attribute", default="description"),
    cfg.StrOpt("user_pass_attribute", default="userPassword"),
    cfg.StrOpt("user_enabled_attribute", default="enabled"),
    cfg.BoolOpt("user_enabled_invert", default=False),
    cfg.IntOpt("user_enabled_mask", default=0, min=0),
    cfg.StrOpt("user_enabled_default", default="True"),
    cfg.ListOpt("user_attribute_ignore", default=["default_project_id"]),
    cfg.StrOpt("user_default_project_id_attribute"),
    cfg.BoolOpt("user_enabled_emulation", default=False),
    cfg.StrOpt("user_enabled_emulation_dn"),
    cfg.BoolOpt("user_enabled_emulation_use_group_config", default=False),
    cfg.ListOpt("user_additional_attribute_mapping", default=[]),
    cfg.StrOpt("group_tree_dn"),
    cfg.StrOpt("group_filter"),
    cfg.StrOpt("group_objectclass", default="groupOfNames"),
    cfg.StrOpt("group_id_attribute", default="cn"),
    cfg.StrOpt("group_name_attribute", default="ou"),
    cfg.BoolOpt("group_members_are_ids", default=False),
    cfg.StrOpt("group_member_attribute", default="member"),
    cfg.StrOpt("group_desc_attribute", default="description"),
    cfg.ListOpt("group_attribute_ignore", default=[]),
    cfg.ListOpt("group_additional_attribute_mapping", default=[]),
    cfg.StrOpt("tls_cacertfile"),
    cfg.StrOpt("tls_cacertdir"),
    cfg.BoolOpt("use_tls", default=False),
    cfg.StrOpt("tls_req_cert", default="demand", choices=["demand", "never", "allow"]),
    cfg.BoolOpt("use_pool", default=True),
    cfg.IntOpt("pool_size", default=10, min=1),
    cfg.IntOpt("pool_retry_max", default=3, min=1),
    cfg.FloatOpt("pool_retry_delay", default=0.1),
    cfg.IntOpt("pool_connection_timeout", default=-1, min=-1),
    cfg.IntOpt("pool_connection_lifetime", default=600, min=1),
    cfg.BoolOpt("use_auth_pool", default=True),
    cfg.IntOpt("auth_pool_size", default=100, min=1),
    cfg.IntOpt("auth_pool_connection_lifetime", default=60, min=1),
]
