"""Compute's tables.

A server's row holds, as ready JSON, everything a detailed list shows (flavor as it was at boot, addresses, metadata,
tags, security groups, attached volumes), so a list of any length is one query. What is looked up or must be unique
(block devices, group members, tags as filters) stands in tables of its own beside it. Both are written in one
transaction, only by the noun's domain module. Times are microseconds since 1970 UTC.
"""

from __future__ import annotations

import sqlalchemy as sa

from cumulet.kernel.columns import cascade, count, flag, identifier, json_text, key, moment, name, tables_of
from cumulet.kernel.jobs import jobs_table

metadata = sa.MetaData()
_table = tables_of(metadata)


jobs = jobs_table(metadata)

flavors = _table(
    "flavors",
    sa.Column("id", sa.String(255), primary_key=True),
    sa.Column("position", sa.Integer, nullable=False, unique=True),  # order of creation, for paging as the original
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("description", sa.Text),
    count("vcpus"),
    count("memory_mb"),
    count("root_gb"),
    count("ephemeral_gb"),
    count("swap_mb"),
    sa.Column("rxtx_factor", sa.Float, nullable=False, default=1.0),
    flag("is_public"),
    flag("disabled", False),
    json_text("extra_specs"),
    moment("created_at", False),
    moment("updated_at"),
)
flavor_projects = _table(
    "flavor_projects",
    sa.Column("flavor_id", sa.String(255), primary_key=True),
    sa.Column("project_id", sa.String(255), primary_key=True),
    cascade("flavor_id", "flavors.id"),
    sa.Index("ix_flavor_projects_project", "project_id"),
)
key_pairs = _table(
    "key_pairs",
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    name("user_id"),
    name(),
    sa.Column("type", sa.String(16), nullable=False, default="ssh"),
    sa.Column("fingerprint", sa.String(255), nullable=False),
    sa.Column("public_key", sa.Text, nullable=False),
    moment("created_at", False),
    sa.UniqueConstraint("user_id", "name", name="uq_key_pairs_user_name"),
)

servers = _table(
    "servers",
    key(),
    sa.Column("number", sa.Integer, nullable=False, unique=True),  # for instance-%08x names
    sa.Column("project_id", sa.String(255), nullable=False),
    name("user_id"),
    name(),
    sa.Column("description", sa.String(255)),
    name("hostname", nullable=True),
    moment("created_at", False),
    moment("updated_at", False),
    moment("launched_at"),
    moment("terminated_at"),
    moment("deleted_at"),  # soft deletion; a deleted server's row stays until it is archived
    flag("deleted", False),
    sa.Column("vm_state", sa.String(32), nullable=False),  # building, active, stopped, …
    sa.Column("task_state", sa.String(64)),  # what is being done to it: scheduling, spawning, deleting, …
    count("power_state"),
    count("progress"),
    name("host", nullable=True),
    name("node", nullable=True),
    name("availability_zone", nullable=True),
    name("requested_zone", nullable=True),
    name("flavor_id"),
    count("vcpus"),
    count("memory_mb"),
    json_text("flavor"),  # name, vcpus, ram, disk, ephemeral, swap, extra_specs, as they were at boot or resize
    json_text("old_flavor", nullable=True),
    json_text("new_flavor", nullable=True),
    identifier("image_id", nullable=True),
    json_text("image_properties"),
    name("key_name", nullable=True),
    json_text("key_pairs"),
    json_text("user_data", nullable=True),
    flag("config_drive", False),
    json_text("metadata"),
    json_text("system_metadata"),
    json_text("tags"),
    json_text("addresses"),  # the network information cache: a list of VIFs
    json_text("security_groups"),  # names asked for, or of the ports
    json_text("volumes"),  # [{"id", "delete_on_termination"}]
    json_text("fault", nullable=True),  # {"code", "created", "message", "details"}
    json_text("scheduler_hints"),
    json_text("personality"),
    sa.Column("access_ip_v4", sa.String(64)),
    sa.Column("access_ip_v6", sa.String(64)),
    sa.Column("root_device_name", sa.String(255)),
    sa.Column("reservation_id", sa.String(255)),
    count("launch_index"),
    flag("locked", False),
    sa.Column("locked_by", sa.String(16)),
    sa.Column("locked_reason", sa.String(255)),
    flag("auto_disk_config", False),
    sa.Column("admin_password_encrypted", sa.Text),  # with the key of the key pair, set by the guest
    json_text("trusted_image_certificates", nullable=True),
    identifier("server_group_id", nullable=True),
    count("generation"),  # of the server's own changes: an agent answers for the one it was asked for
    sa.Index("ix_servers_project", "project_id", "deleted", "created_at"),
    sa.Index("ix_servers_created", "deleted", "created_at", "id"),
    sa.Index("ix_servers_host", "host", "deleted"),
    sa.Index("ix_servers_task", "task_state"),
    sa.Index("ix_servers_updated", "updated_at"),
    sa.Index("ix_servers_reservation", "reservation_id"),
)
server_tags = _table(
    "server_tags",
    key("server_id"),
    sa.Column("tag", sa.String(80), primary_key=True),
    cascade("server_id", "servers.id"),
    sa.Index("ix_server_tags_tag", "tag"),
)
block_devices = _table(
    "block_devices",
    key(),
    identifier("server_id", index=True),
    sa.Column("source_type", sa.String(16), nullable=False),  # image, volume, snapshot, blank
    sa.Column("destination_type", sa.String(16), nullable=False),  # local, volume
    sa.Column("device_type", sa.String(16)),
    sa.Column("disk_bus", sa.String(16)),
    sa.Column("guest_format", sa.String(16)),
    sa.Column("device_name", sa.String(255)),
    sa.Column("boot_index", sa.Integer),
    flag("delete_on_termination", False),
    identifier("image_id", nullable=True),
    identifier("snapshot_id", nullable=True),
    identifier("volume_id", nullable=True, index=True),
    identifier("attachment_id", nullable=True),
    name("volume_type", nullable=True),
    sa.Column("volume_size", sa.Integer),
    sa.Column("tag", sa.String(255)),
    flag("encrypted", False),
    json_text("connection_info", nullable=True),
    moment("created_at", False),
    cascade("server_id", "servers.id"),
    sa.UniqueConstraint("server_id", "volume_id", name="uq_block_devices_volume"),
)
instance_actions = _table(
    "instance_actions",
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    identifier("server_id"),
    sa.Column("action", sa.String(255), nullable=False),
    sa.Column("request_id", sa.String(255), nullable=False),
    sa.Column("user_id", sa.String(255)),
    sa.Column("project_id", sa.String(255)),
    moment("start_time", False),
    moment("finish_time"),
    moment("updated_at", False),
    sa.Column("message", sa.String(255)),
    sa.Index("ix_instance_actions_server", "server_id", "updated_at"),
    sa.Index("ix_instance_actions_request", "request_id", "server_id"),
)
instance_events = _table(
    "instance_events",
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("action_id", sa.Integer, nullable=False, index=True),
    sa.Column("event", sa.String(255), nullable=False),
    moment("start_time", False),
    moment("finish_time"),
    sa.Column("result", sa.String(255)),
    sa.Column("host", sa.String(255)),
    sa.Column("details", sa.Text),
    sa.Column("traceback", sa.Text),
    cascade("action_id", "instance_actions.id"),
)

server_groups = _table(
    "server_groups",
    key(),
    name(),
    sa.Column("project_id", sa.String(255), nullable=False, index=True),
    name("user_id"),
    sa.Column("policy", sa.String(32), nullable=False),
    json_text("rules"),
    json_text("metadata"),
    moment("created_at", False),
)
server_group_members = _table(
    "server_group_members",
    key("server_id"),
    identifier("group_id", index=True),
    cascade("group_id", "server_groups.id"),
)

compute_services = _table(
    "compute_services",
    key(),
    sa.Column("number", sa.Integer, nullable=False, unique=True),  # ids before microversion 2.53
    sa.Column("binary", sa.String(64), nullable=False),  # nova-compute, nova-scheduler, nova-conductor
    name("host"),
    sa.Column("topic", sa.String(64), nullable=False),
    flag("disabled", False),
    sa.Column("disabled_reason", sa.String(255)),
    flag("forced_down", False),
    count("version"),
    moment("created_at", False),
    moment("updated_at"),
    moment("last_seen_at"),
    sa.UniqueConstraint("host", "binary", name="uq_compute_services"),
)
compute_nodes = _table(
    "compute_nodes",
    key(),  # also its resource provider's
    sa.Column("number", sa.Integer, nullable=False, unique=True),
    identifier("service_id", index=True),
    name("host"),
    sa.Column("hypervisor_hostname", sa.String(255), nullable=False, unique=True),
    sa.Column("hypervisor_type", sa.String(64), nullable=False),
    count("hypervisor_version"),
    sa.Column("host_ip", sa.String(64)),
    count("vcpus"),
    count("memory_mb"),
    count("local_gb"),
    count("vcpus_used"),
    count("memory_mb_used"),
    count("local_gb_used"),
    count("running_vms"),
    sa.Column("disk_available_least", sa.Integer),
    json_text("cpu_info"),
    json_text("uptime", nullable=True),
    json_text("facts"),  # what filters look at: arches, PCI pools, NUMA topology, metrics
    flag("mapped", False),  # discovered into a cell (nova-manage cell_v2 discover_hosts)
    moment("created_at", False),
    moment("updated_at"),
)
cells = _table(
    "cells",
    key(),
    sa.Column("name", sa.String(255)),
    sa.Column("transport_url", sa.Text, nullable=False),
    sa.Column("database_connection", sa.Text, nullable=False),
    flag("disabled", False),
    moment("created_at", False),
)
aggregates = _table(
    "aggregates",
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("uuid", sa.String(36), nullable=False, unique=True),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    json_text("metadata"),
    moment("created_at", False),
    moment("updated_at"),
)
aggregate_hosts = _table(
    "aggregate_hosts",
    sa.Column("aggregate_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("host", sa.String(255), primary_key=True),
    cascade("aggregate_id", "aggregates.id"),
    sa.Index("ix_aggregate_hosts_host", "host"),
)
migrations = _table(
    "migrations",
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("uuid", sa.String(36), nullable=False, unique=True),
    identifier("server_id", index=True),
    sa.Column("migration_type", sa.String(32), nullable=False),  # migration, resize, live-migration, evacuation
    sa.Column("status", sa.String(32), nullable=False),
    name("source_compute", nullable=True),
    name("source_node", nullable=True),
    name("dest_compute", nullable=True),
    name("dest_node", nullable=True),
    sa.Column("dest_host", sa.String(255)),
    name("old_flavor_id", nullable=True),
    name("new_flavor_id", nullable=True),
    json_text("progress"),
    flag("hidden", False),
    sa.Column("user_id", sa.String(255)),
    sa.Column("project_id", sa.String(255)),
    moment("created_at", False),
    moment("updated_at", False),
    sa.Index("ix_migrations_updated", "updated_at"),
    sa.Index("ix_migrations_status", "status"),
)
console_tokens = _table(
    "console_tokens",
    sa.Column("token_hash", sa.String(64), primary_key=True),
    identifier("server_id", index=True),
    name("user_id", nullable=True),
    sa.Column("console_type", sa.String(16), nullable=False),
    name("host"),
    sa.Column("port", sa.Integer, nullable=False),
    sa.Column("tls_port", sa.Integer),
    sa.Column("internal_access_path", sa.String(255)),
    sa.Column("access_url_base", sa.String(255)),
    moment("expires_at", False, index=True),
)
quotas = _table(
    "quotas",
    sa.Column("project_id", sa.String(255), primary_key=True),
    sa.Column("user_id", sa.String(255), primary_key=True),  # empty: the project's own
    sa.Column("resource", sa.String(64), primary_key=True),
    sa.Column("limit", sa.Integer, nullable=False),
)
quota_classes = _table(
    "quota_classes",
    sa.Column("class_name", sa.String(255), primary_key=True),
    sa.Column("resource", sa.String(64), primary_key=True),
    sa.Column("limit", sa.Integer, nullable=False),
)
counters = _table(
    # Numbers handed out in order: of servers, flavors, services, nodes.
    "counters",
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)
