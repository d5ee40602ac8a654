"""Identity's tables. Times are integer microseconds since 1970 UTC; `extra` and `options` are JSON objects as text.

A domain is a row of `projects` with `is_domain` and an empty `domain_id`, as the Identity API defines it. Names compare
by their bytes on every database.
"""

from __future__ import annotations

import sqlalchemy as sa

from cumulet.kernel.columns import flag, identifier, json_text, key, moment, tables_of
from cumulet.kernel.jobs import jobs_table

metadata = sa.MetaData()
_table = tables_of(metadata)
ROOT = ""
"""`domain_id` of a domain, and of a role that belongs to no domain."""


projects = _table(
    "projects",
    key(),
    identifier("domain_id"),
    identifier("parent_id", nullable=True, index=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("description", sa.Text),
    flag("enabled"),
    flag("is_domain", False),
    json_text("options"),
    json_text("extra"),
    sa.UniqueConstraint("domain_id", "name", name="uq_projects_domain_name"),
    sa.Index("ix_projects_name", "name"),
)
project_tags = _table(
    "project_tags",
    key("project_id"),
    sa.Column("name", sa.String(255), primary_key=True),
    sa.ForeignKeyConstraint(["project_id"], ["projects.id"], ondelete="CASCADE"),
)
domain_config = _table(
    "domain_config",
    key("domain_id"),
    sa.Column("group", sa.String(255), primary_key=True),
    sa.Column("option", sa.String(255), primary_key=True),
    flag("sensitive", False),
    json_text("value"),
)

users = _table(
    "users",
    key(),
    identifier("domain_id"),
    sa.Column("name", sa.String(255), nullable=False),
    flag("enabled"),
    identifier("default_project_id", nullable=True, index=True),
    json_text("options"),
    json_text("extra"),
    sa.Column("password_hash", sa.String(255)),
    moment("password_created_at"),
    moment("password_expires_at"),
    flag("password_self_service", False),
    sa.Column("failed_auth_count", sa.Integer, nullable=False, default=0),
    moment("failed_auth_at"),
    moment("created_at"),
    sa.Column("last_active_on", sa.String(10)),  # YYYY-MM-DD, kept while disable_user_account_days_inactive is set
    sa.UniqueConstraint("domain_id", "name", name="uq_users_domain_name"),
    sa.Index("ix_users_name", "name"),
)
password_history = _table(
    "password_history",
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    identifier("user_id", index=True),
    sa.Column("password_hash", sa.String(255), nullable=False),
    moment("created_at", False),
    sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
)
groups = _table(
    "groups",
    key(),
    identifier("domain_id"),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("description", sa.Text),
    json_text("extra"),
    sa.UniqueConstraint("domain_id", "name", name="uq_groups_domain_name"),
    sa.Index("ix_groups_name", "name"),
)
memberships = _table(
    "memberships",
    key("user_id"),
    key("group_id"),
    sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
    sa.ForeignKeyConstraint(["group_id"], ["groups.id"], ondelete="CASCADE"),
    sa.Index("ix_memberships_group", "group_id"),
)

roles = _table(
    "roles",
    key(),
    identifier("domain_id"),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("description", sa.Text),
    json_text("options"),
    json_text("extra"),
    sa.UniqueConstraint("domain_id", "name", name="uq_roles_domain_name"),
)
implied_roles = _table(
    "implied_roles",
    key("prior_role_id"),
    key("implied_role_id"),
    sa.ForeignKeyConstraint(["prior_role_id"], ["roles.id"], ondelete="CASCADE"),
    sa.ForeignKeyConstraint(["implied_role_id"], ["roles.id"], ondelete="CASCADE"),
    sa.Index("ix_implied_roles_implied", "implied_role_id"),
)
USER, GROUP = "U", "G"
PROJECT, DOMAIN, SYSTEM = "P", "D", "S"
assignments = _table(
    "assignments",
    sa.Column("actor_type", sa.String(1), primary_key=True),  # USER or GROUP
    key("actor_id"),
    sa.Column("target_type", sa.String(1), primary_key=True),  # PROJECT, DOMAIN or SYSTEM
    key("target_id"),  # "all" for the system
    key("role_id"),
    sa.Column("inherited", sa.Boolean, primary_key=True, autoincrement=False),
    sa.ForeignKeyConstraint(["role_id"], ["roles.id"], ondelete="CASCADE"),
    sa.Index("ix_assignments_target", "target_type", "target_id"),
    sa.Index("ix_assignments_role", "role_id"),
)

regions = _table(
    "regions",
    sa.Column("id", sa.String(255), primary_key=True),
    sa.Column("parent_region_id", sa.String(255), index=True),
    sa.Column("description", sa.Text, nullable=False, default=""),
    json_text("extra"),
)
services = _table(
    "services",
    key(),
    sa.Column("type", sa.String(255), nullable=False, index=True),
    sa.Column("name", sa.String(255)),
    sa.Column("description", sa.Text),
    flag("enabled"),
    json_text("extra"),
)
endpoints = _table(
    "endpoints",
    key(),
    sa.Column("interface", sa.String(8), nullable=False),
    identifier("service_id", index=True),
    sa.Column("region_id", sa.String(255), index=True),
    sa.Column("url", sa.Text, nullable=False),
    flag("enabled"),
    json_text("extra"),
    sa.ForeignKeyConstraint(["service_id"], ["services.id"], ondelete="CASCADE"),
)
endpoint_groups = _table(
    "endpoint_groups",
    key(),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("description", sa.Text),
    json_text("filters"),
)
project_endpoints = _table(
    "project_endpoints",
    key("project_id"),
    key("endpoint_id"),
    sa.ForeignKeyConstraint(["project_id"], ["projects.id"], ondelete="CASCADE"),
    sa.ForeignKeyConstraint(["endpoint_id"], ["endpoints.id"], ondelete="CASCADE"),
    sa.Index("ix_project_endpoints_endpoint", "endpoint_id"),
)
project_endpoint_groups = _table(
    "project_endpoint_groups",
    key("project_id"),
    key("endpoint_group_id"),
    sa.ForeignKeyConstraint(["project_id"], ["projects.id"], ondelete="CASCADE"),
    sa.ForeignKeyConstraint(["endpoint_group_id"], ["endpoint_groups.id"], ondelete="CASCADE"),
    sa.Index("ix_project_endpoint_groups_group", "endpoint_group_id"),
)

policies = _table(
    "policies", key(), sa.Column("type", sa.String(255), nullable=False), json_text("blob"), json_text("extra")
)
policy_associations = _table(
    "policy_associations",
    key(),
    identifier("policy_id", index=True),
    identifier("endpoint_id", nullable=True),
    identifier("service_id", nullable=True),
    sa.Column("region_id", sa.String(255)),
    sa.ForeignKeyConstraint(["policy_id"], ["policies.id"], ondelete="CASCADE"),
    sa.UniqueConstraint("endpoint_id", "service_id", "region_id", name="uq_policy_associations"),
)
registered_limits = _table(
    "registered_limits",
    key(),
    identifier("service_id"),
    sa.Column("region_id", sa.String(255)),
    sa.Column("resource_name", sa.String(255), nullable=False),
    sa.Column("default_limit", sa.Integer, nullable=False),
    sa.Column("description", sa.Text),
    sa.Index("ix_registered_limits_service", "service_id", "region_id", "resource_name"),
)
limits = _table(
    "limits",
    key(),
    identifier("registered_limit_id", index=True),
    identifier("project_id", nullable=True, index=True),
    identifier("domain_id", nullable=True, index=True),
    sa.Column("resource_limit", sa.Integer, nullable=False),
    sa.Column("description", sa.Text),
    sa.ForeignKeyConstraint(["registered_limit_id"], ["registered_limits.id"]),
)

credentials = _table(
    "credentials",
    key(),
    identifier("user_id", index=True),
    identifier("project_id", nullable=True, index=True),
    sa.Column("type", sa.String(255), nullable=False),
    sa.Column("key_hash", sa.String(64), nullable=False),  # of the Fernet key that encrypted the blob
    json_text("encrypted_blob"),
    json_text("extra"),
)
trusts = _table(
    "trusts",
    key(),
    identifier("trustor_user_id", index=True),
    identifier("trustee_user_id", index=True),
    identifier("project_id", nullable=True, index=True),
    flag("impersonation", False),
    moment("expires_at"),
    sa.Column("remaining_uses", sa.Integer),
    identifier("redelegated_trust_id", nullable=True, index=True),
    sa.Column("redelegation_count", sa.Integer),
    moment("deleted_at"),
    json_text("extra"),
)
trust_roles = _table(
    "trust_roles",
    key("trust_id"),
    key("role_id"),
    sa.ForeignKeyConstraint(["trust_id"], ["trusts.id"], ondelete="CASCADE"),
    sa.Index("ix_trust_roles_role", "role_id"),
)
application_credentials = _table(
    "application_credentials",
    key(),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("secret_hash", sa.String(255), nullable=False),
    sa.Column("description", sa.Text),
    identifier("user_id"),
    identifier("project_id", nullable=True, index=True),
    sa.Column("system", sa.String(64)),
    moment("expires_at"),
    flag("unrestricted", False),
    flag("has_access_rules", False),  # an empty list of rules allows nothing, none at all allows everything
    sa.UniqueConstraint("user_id", "name", name="uq_application_credentials_user_name"),
)
application_credential_roles = _table(
    "application_credential_roles",
    key("application_credential_id"),
    key("role_id"),
    sa.ForeignKeyConstraint(["application_credential_id"], ["application_credentials.id"], ondelete="CASCADE"),
    sa.Index("ix_application_credential_roles_role", "role_id"),
)
access_rules = _table(
    "access_rules",
    key(),
    identifier("user_id", index=True),
    sa.Column("service", sa.String(64), nullable=False),
    sa.Column("path", sa.String(128), nullable=False),
    sa.Column("method", sa.String(16), nullable=False),
    sa.UniqueConstraint("user_id", "service", "path", "method", name="uq_access_rules"),
)
application_credential_access_rules = _table(
    "application_credential_access_rules",
    key("application_credential_id"),
    key("access_rule_id"),
    sa.Column("position", sa.Integer, nullable=False, server_default="0"),  # among the credential's rules
    sa.ForeignKeyConstraint(["application_credential_id"], ["application_credentials.id"], ondelete="CASCADE"),
    sa.ForeignKeyConstraint(["access_rule_id"], ["access_rules.id"]),
    sa.Index("ix_application_credential_access_rules_rule", "access_rule_id"),
)

revocations = _table(
    "revocations",
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    identifier("user_id", nullable=True),
    identifier("project_id", nullable=True),
    identifier("domain_id", nullable=True),
    identifier("role_id", nullable=True),
    identifier("trust_id", nullable=True),
    identifier("consumer_id", nullable=True),
    identifier("access_token_id", nullable=True),
    sa.Column("audit_id", sa.String(32)),
    sa.Column("audit_chain_id", sa.String(32)),
    moment("issued_before", False),
    moment("expires_at"),
    moment("revoked_at", False),
    sa.Index("ix_revocations_revoked_at", "revoked_at"),
)
token_generation = _table(
    "token_generation",
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("value", sa.BigInteger, nullable=False),
)

oauth1_consumers = _table(
    "oauth1_consumers",
    key(),
    sa.Column("description", sa.Text),
    sa.Column("secret", sa.String(64), nullable=False),
    json_text("extra"),
)
oauth1_request_tokens = _table(
    "oauth1_request_tokens",
    key(),
    identifier("consumer_id", index=True),
    sa.Column("secret", sa.String(64), nullable=False),
    sa.Column("verifier", sa.String(64)),
    identifier("authorizing_user_id", nullable=True),
    identifier("requested_project_id"),
    json_text("role_ids"),
    moment("expires_at"),
    sa.ForeignKeyConstraint(["consumer_id"], ["oauth1_consumers.id"], ondelete="CASCADE"),
)
oauth1_access_tokens = _table(
    "oauth1_access_tokens",
    key(),
    identifier("consumer_id", index=True),
    sa.Column("secret", sa.String(64), nullable=False),
    identifier("authorizing_user_id", index=True),
    identifier("project_id"),
    json_text("role_ids"),
    moment("expires_at"),
    sa.ForeignKeyConstraint(["consumer_id"], ["oauth1_consumers.id"], ondelete="CASCADE"),
)

jobs = jobs_table(metadata)
