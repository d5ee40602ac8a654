"""Network's tables.

Every noun of the API has the standard columns. What hangs on a row and is shown with it (a port's fixed ips, a
router's routes) is kept twice: as ready JSON in the row, so that a list is one query whatever its length, and in a
table of its own where it must be unique or is looked up (`ip_allocations`, `port_security_groups`). Both are written
in the same transaction, only by that noun's domain module.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cumulet.kernel.columns import cascade, flag, identifier, json_text, key, moment, tables_of
from cumulet.kernel.jobs import jobs_table

metadata = sa.MetaData()
_table = tables_of(metadata)


def _standard(*, name: bool = True) -> list[Any]:
    """id, project_id, name, description, tags, revision_number, created_at, updated_at."""
    columns: list[Any] = [
        key(),
        sa.Column("project_id", sa.String(255), nullable=False, default="", index=True),
        sa.Column("description", sa.String(255), nullable=False, default=""),
        json_text("tags"),
        sa.Column("revision_number", sa.BigInteger, nullable=False, default=0),
        moment("created_at", False),
        moment("updated_at", False),
    ]
    if name:
        columns.append(sa.Column("name", sa.String(255), nullable=False, default="", index=True))
    return columns


jobs = jobs_table(metadata)

resource_tags = _table(
    "resource_tags",
    key("resource_id"),
    sa.Column("tag", sa.String(255), primary_key=True),
    sa.Index("ix_resource_tags_tag", "tag"),
)
rbac_policies = _table(
    "rbac_policies",
    key(),
    sa.Column("project_id", sa.String(255), nullable=False, index=True),
    sa.Column("object_type", sa.String(64), nullable=False),  # network, qos_policy, security_group, address_scope…
    identifier("object_id"),
    sa.Column("target_project", sa.String(255), nullable=False),  # "*" for everybody
    sa.Column("action", sa.String(32), nullable=False),  # access_as_shared, access_as_external
    sa.UniqueConstraint("object_type", "object_id", "target_project", "action", name="uq_rbac_policies"),
    sa.Index("ix_rbac_policies_target", "object_type", "action", "target_project"),
)
quota_turns = _table(
    # Who counts a project's rows to add one holds the project's row here until the commit.
    "quota_turns",
    sa.Column("project_id", sa.String(255), primary_key=True),
)
quotas = _table(
    "quotas",
    sa.Column("project_id", sa.String(255), primary_key=True),
    sa.Column("resource", sa.String(64), primary_key=True),
    sa.Column("limit", sa.Integer, nullable=False),
)

networks = _table(
    "networks",
    *_standard(),
    flag("admin_state_up"),
    sa.Column("status", sa.String(16), nullable=False, default="ACTIVE"),
    sa.Column("mtu", sa.Integer, nullable=False),
    flag("port_security_enabled"),
    flag("shared", False),  # an access_as_shared policy for "*" exists
    flag("external", False),  # router:external
    flag("is_default", False),
    sa.Column("dns_domain", sa.String(255), nullable=False, default=""),
    identifier("qos_policy_id", nullable=True, index=True),
    json_text("availability_zone_hints"),
    json_text("availability_zones"),  # of its DHCP agents
    json_text("subnets"),  # ids
    identifier("ipv4_address_scope", nullable=True),
    identifier("ipv6_address_scope", nullable=True),
    sa.Column("network_type", sa.String(16)),  # of its only segment; empty with several
    sa.Column("physical_network", sa.String(64)),
    sa.Column("segmentation_id", sa.Integer),
    sa.Index("ix_networks_external", "external"),
    sa.Index("ix_networks_shared", "shared"),
)
segments = _table(
    "segments",
    *_standard(),
    identifier("network_id", index=True),
    sa.Column("network_type", sa.String(16), nullable=False),
    sa.Column("physical_network", sa.String(64)),
    sa.Column("segmentation_id", sa.Integer),
    sa.Column("segment_index", sa.Integer, nullable=False, default=0),
    flag("is_dynamic", False),
    cascade("network_id", "networks.id"),
)
segment_allocations = _table(
    # The unique index decides who gets a VLAN or VXLAN id; physical_network is empty for tunnels.
    "segment_allocations",
    sa.Column("network_type", sa.String(16), primary_key=True),
    sa.Column("physical_network", sa.String(64), primary_key=True),
    sa.Column("segmentation_id", sa.Integer, primary_key=True, autoincrement=False),
    identifier("segment_id", index=True),
)
segment_ranges = _table(
    "segment_ranges",
    *_standard(),
    flag("shared", True),
    flag("default", False),
    sa.Column("network_type", sa.String(16), nullable=False),
    sa.Column("physical_network", sa.String(64)),
    sa.Column("minimum", sa.Integer, nullable=False),
    sa.Column("maximum", sa.Integer, nullable=False),
)

address_scopes = _table(
    "address_scopes", *_standard(), sa.Column("ip_version", sa.Integer, nullable=False), flag("shared", False)
)
subnet_pools = _table(
    "subnet_pools",
    *_standard(),
    sa.Column("ip_version", sa.Integer, nullable=False),
    json_text("prefixes"),
    sa.Column("default_prefixlen", sa.Integer, nullable=False),
    sa.Column("min_prefixlen", sa.Integer, nullable=False),
    sa.Column("max_prefixlen", sa.Integer, nullable=False),
    sa.Column("default_quota", sa.Integer),
    identifier("address_scope_id", nullable=True, index=True),
    flag("shared", False),
    flag("is_default", False),
)
subnets = _table(
    "subnets",
    *_standard(),
    identifier("network_id", index=True),
    identifier("segment_id", nullable=True),
    identifier("subnetpool_id", nullable=True, index=True),
    sa.Column("ip_version", sa.Integer, nullable=False),
    sa.Column("cidr", sa.String(64), nullable=False),
    sa.Column("gateway_ip", sa.String(64)),
    flag("enable_dhcp"),
    sa.Column("ipv6_ra_mode", sa.String(32)),
    sa.Column("ipv6_address_mode", sa.String(32)),
    json_text("allocation_pools"),  # [{"start", "end"}]
    json_text("dns_nameservers"),
    json_text("host_routes"),
    json_text("service_types"),
    flag("dns_publish_fixed_ip", False),
    sa.Column("allocation_cursor", sa.String(64)),  # the address given last; the search goes on behind it
    cascade("network_id", "networks.id"),
)

ports = _table(
    "ports",
    *_standard(),
    identifier("network_id"),
    sa.Column("mac_address", sa.String(32), nullable=False),
    flag("admin_state_up"),
    sa.Column("status", sa.String(16), nullable=False, default="DOWN"),
    sa.Column("device_id", sa.String(255), nullable=False, default="", index=True),
    sa.Column("device_owner", sa.String(255), nullable=False, default="", index=True),
    json_text("fixed_ips"),
    json_text("security_groups"),
    json_text("allowed_address_pairs"),
    json_text("extra_dhcp_opts"),
    flag("port_security_enabled"),
    sa.Column("dns_name", sa.String(255), nullable=False, default=""),
    sa.Column("dns_domain", sa.String(255), nullable=False, default=""),
    json_text("dns_assignment"),
    identifier("qos_policy_id", nullable=True, index=True),
    identifier("qos_network_policy_id", nullable=True),
    sa.Column("ip_allocation", sa.String(16), nullable=False, default="immediate"),
    flag("propagate_uplink_status", True),
    json_text("trunk_details", nullable=True),
    json_text("resource_request", nullable=True),
    # The binding that is active; others are in port_bindings while a server migrates.
    sa.Column("binding_host_id", sa.String(255), nullable=False, default="", index=True),
    sa.Column("binding_vnic_type", sa.String(64), nullable=False, default="normal"),
    sa.Column("binding_vif_type", sa.String(64), nullable=False, default="unbound"),
    json_text("binding_vif_details"),
    json_text("binding_profile"),
    cascade("network_id", "networks.id"),
    sa.UniqueConstraint("network_id", "mac_address", name="uq_ports_network_mac"),
    sa.Index("ix_ports_network_page", "network_id", "id"),  # a page of a network costs its rows, not the network's
)
ip_allocations = _table(
    # One row an address in use: the primary key is what never gives an address twice.
    "ip_allocations",
    key("network_id"),
    key("subnet_id"),
    sa.Column("ip_address", sa.String(64), primary_key=True),
    identifier("port_id", index=True),
    cascade("port_id", "ports.id"),
    sa.ForeignKeyConstraint(["subnet_id"], ["subnets.id"]),
    sa.Index("ix_ip_allocations_subnet", "subnet_id", "ip_address"),
    sa.Index("ix_ip_allocations_address", "ip_address"),
)
port_security_groups = _table(
    "port_security_groups",
    key("port_id"),
    key("security_group_id"),
    cascade("port_id", "ports.id"),
    sa.ForeignKeyConstraint(["security_group_id"], ["security_groups.id"]),
    sa.Index("ix_port_security_groups_group", "security_group_id"),
)
port_bindings = _table(
    "port_bindings",
    key("port_id"),
    sa.Column("host", sa.String(255), primary_key=True),
    sa.Column("status", sa.String(16), nullable=False, default="ACTIVE"),
    sa.Column("vnic_type", sa.String(64), nullable=False, default="normal"),
    sa.Column("vif_type", sa.String(64), nullable=False, default="unbound"),
    json_text("vif_details"),
    json_text("profile"),
    cascade("port_id", "ports.id"),
)

security_groups = _table("security_groups", *_standard(), flag("stateful", True), flag("shared", False))
default_security_groups = _table(
    "default_security_groups",
    sa.Column("project_id", sa.String(255), primary_key=True),
    identifier("security_group_id"),
    cascade("security_group_id", "security_groups.id"),
)
security_group_rules = _table(
    "security_group_rules",
    *_standard(name=False),
    identifier("security_group_id", index=True),
    sa.Column("direction", sa.String(8), nullable=False),
    sa.Column("ethertype", sa.String(8), nullable=False),
    sa.Column("protocol", sa.String(40)),
    sa.Column("port_range_min", sa.Integer),
    sa.Column("port_range_max", sa.Integer),
    sa.Column("remote_ip_prefix", sa.String(255)),
    identifier("remote_group_id", nullable=True, index=True),
    identifier("remote_address_group_id", nullable=True, index=True),
    flag("belongs_to_default_sg", False),
    # The rule's meaning in one string: equal rules of a group are refused by the index.
    sa.Column("signature", sa.String(64), nullable=False),
    cascade("security_group_id", "security_groups.id"),
    sa.UniqueConstraint("security_group_id", "signature", name="uq_security_group_rules"),
)
default_security_group_rules = _table(
    "default_security_group_rules",
    *_standard(name=False),
    sa.Column("direction", sa.String(8), nullable=False),
    sa.Column("ethertype", sa.String(8), nullable=False),
    sa.Column("protocol", sa.String(40)),
    sa.Column("port_range_min", sa.Integer),
    sa.Column("port_range_max", sa.Integer),
    sa.Column("remote_ip_prefix", sa.String(255)),
    sa.Column("remote_group_id", sa.String(64)),  # an id, or PARENT
    identifier("remote_address_group_id", nullable=True),
    flag("used_in_default_sg", False),
    flag("used_in_non_default_sg", True),
)
address_groups = _table("address_groups", *_standard(), json_text("addresses"), flag("shared", False))

routers = _table(
    "routers",
    *_standard(),
    flag("admin_state_up"),
    sa.Column("status", sa.String(16), nullable=False, default="ACTIVE"),
    flag("distributed", False),
    flag("ha", False),
    flag("enable_ndp_proxy", False),
    identifier("flavor_id", nullable=True, index=True),
    identifier("qos_policy_id", nullable=True),
    identifier("gateway_port_id", nullable=True),
    identifier("gateway_network_id", nullable=True, index=True),
    flag("enable_snat"),
    json_text("external_gateway_info", nullable=True),
    json_text("routes"),
    json_text("availability_zone_hints"),
    json_text("availability_zones"),  # of its L3 agents
)
router_ports = _table(
    "router_ports",
    key("router_id"),
    key("port_id"),
    sa.Column("port_type", sa.String(255), nullable=False),
    cascade("router_id", "routers.id"),
    cascade("port_id", "ports.id"),
    sa.Index("ix_router_ports_port", "port_id"),
)
floating_ips = _table(
    "floating_ips",
    *_standard(name=False),
    sa.Column("floating_ip_address", sa.String(64), nullable=False, index=True),
    identifier("floating_network_id", index=True),
    identifier("floating_port_id", index=True),
    identifier("port_id", nullable=True, index=True),
    sa.Column("fixed_ip_address", sa.String(64)),
    identifier("router_id", nullable=True, index=True),
    sa.Column("status", sa.String(16), nullable=False, default="DOWN"),
    identifier("qos_policy_id", nullable=True),
    sa.Column("dns_name", sa.String(255), nullable=False, default=""),
    sa.Column("dns_domain", sa.String(255), nullable=False, default=""),
    json_text("port_forwardings"),
    sa.UniqueConstraint("floating_network_id", "floating_ip_address", name="uq_floating_ips_address"),
    sa.UniqueConstraint("port_id", "fixed_ip_address", name="uq_floating_ips_fixed"),
)
port_forwardings = _table(
    "port_forwardings",
    *_standard(name=False),
    identifier("floatingip_id", index=True),
    sa.Column("protocol", sa.String(16), nullable=False),
    sa.Column("external_port", sa.Integer),
    sa.Column("external_port_range", sa.String(16), nullable=False),
    sa.Column("internal_port", sa.Integer),
    sa.Column("internal_port_range", sa.String(16), nullable=False),
    identifier("internal_port_id", index=True),
    sa.Column("internal_ip_address", sa.String(64), nullable=False),
    cascade("floatingip_id", "floating_ips.id"),
    sa.UniqueConstraint("floatingip_id", "protocol", "external_port_range", name="uq_port_forwardings_external"),
)
conntrack_helpers = _table(
    "conntrack_helpers",
    *_standard(name=False),
    identifier("router_id", index=True),
    sa.Column("protocol", sa.String(16), nullable=False),
    sa.Column("port", sa.Integer, nullable=False),
    sa.Column("helper", sa.String(64), nullable=False),
    cascade("router_id", "routers.id"),
    sa.UniqueConstraint("router_id", "protocol", "port", "helper", name="uq_conntrack_helpers"),
)

qos_policies = _table(
    "qos_policies", *_standard(), flag("shared", False), flag("is_default", False), json_text("rules")
)
qos_rules = _table(
    "qos_rules",
    key(),
    identifier("qos_policy_id", index=True),
    sa.Column("type", sa.String(32), nullable=False),  # bandwidth_limit, dscp_marking, minimum_bandwidth, …
    sa.Column("direction", sa.String(16)),
    sa.Column("max_kbps", sa.Integer),
    sa.Column("max_burst_kbps", sa.Integer),
    sa.Column("min_kbps", sa.Integer),
    sa.Column("max_kpps", sa.Integer),
    sa.Column("max_burst_kpps", sa.Integer),
    sa.Column("min_kpps", sa.Integer),
    sa.Column("dscp_mark", sa.Integer),
    cascade("qos_policy_id", "qos_policies.id"),
)

trunks = _table(
    "trunks",
    *_standard(),
    identifier("port_id"),
    flag("admin_state_up"),
    sa.Column("status", sa.String(16), nullable=False, default="DOWN"),
    json_text("sub_ports"),
    sa.UniqueConstraint("port_id", name="uq_trunks_port"),
)
trunk_subports = _table(
    "trunk_subports",
    key("port_id"),
    identifier("trunk_id", index=True),
    sa.Column("segmentation_type", sa.String(32), nullable=False),
    sa.Column("segmentation_id", sa.Integer, nullable=False),
    cascade("trunk_id", "trunks.id"),
    sa.UniqueConstraint("trunk_id", "segmentation_type", "segmentation_id", name="uq_trunk_subports"),
)

metering_labels = _table("metering_labels", *_standard(), flag("shared", False))
metering_label_rules = _table(
    "metering_label_rules",
    key(),
    sa.Column("project_id", sa.String(255), nullable=False, default=""),
    identifier("metering_label_id", index=True),
    sa.Column("direction", sa.String(8), nullable=False),
    flag("excluded", False),
    sa.Column("remote_ip_prefix", sa.String(64)),
    sa.Column("source_ip_prefix", sa.String(64)),
    sa.Column("destination_ip_prefix", sa.String(64)),
    cascade("metering_label_id", "metering_labels.id"),
)

agents = _table(
    "agents",
    key(),
    sa.Column("agent_type", sa.String(64), nullable=False),  # Linux bridge agent, DHCP agent, L3 agent, Metadata agent
    sa.Column("binary", sa.String(255), nullable=False),
    sa.Column("topic", sa.String(255), nullable=False),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("availability_zone", sa.String(255)),
    flag("admin_state_up"),
    sa.Column("description", sa.String(255)),
    json_text("configurations"),
    json_text("resource_versions"),
    sa.Column("resources_synced", sa.Boolean),
    sa.Column("load", sa.Integer, nullable=False, default=0),
    sa.Column("applied_generation", sa.BigInteger, nullable=False, default=0),  # of the wanted state, by the host
    moment("created_at", False),
    moment("started_at", False),
    moment("heartbeat_at", False),
    sa.UniqueConstraint("agent_type", "host", name="uq_agents_type_host"),
)
network_agents = _table(
    "network_agents",
    key("network_id"),
    key("agent_id"),
    cascade("network_id", "networks.id"),
    cascade("agent_id", "agents.id"),
    sa.Index("ix_network_agents_agent", "agent_id"),
)
router_agents = _table(
    "router_agents",
    key("router_id"),
    key("agent_id"),
    sa.Column("ha_state", sa.String(16)),
    cascade("router_id", "routers.id"),
    cascade("agent_id", "agents.id"),
    sa.Index("ix_router_agents_agent", "agent_id"),
)
ha_networks = _table(
    # Over it the hosts of a project's HA routers hear each other.
    "ha_networks",
    sa.Column("project_id", sa.String(255), primary_key=True),
    identifier("network_id"),
    cascade("network_id", "networks.id"),
)
ha_routers = _table(
    "ha_routers",
    key("router_id"),
    identifier("network_id"),
    sa.Column("vr_id", sa.Integer, nullable=False),
    cascade("router_id", "routers.id"),
    sa.UniqueConstraint("network_id", "vr_id", name="uq_ha_routers_vr_id"),
)
network_flavors = _table(
    "network_flavors",
    key(),
    sa.Column("name", sa.String(255), nullable=False, default=""),
    sa.Column("description", sa.String(1024), nullable=False, default=""),
    sa.Column("service_type", sa.String(36), nullable=False),
    flag("enabled"),
    json_text("service_profiles"),
)
service_profiles = _table(
    "service_profiles",
    key(),
    sa.Column("description", sa.String(1024), nullable=False, default=""),
    sa.Column("driver", sa.String(1024), nullable=False, default=""),
    sa.Column("metainfo", sa.String(4096), nullable=False, default=""),
    flag("enabled"),
)
auto_allocated_topologies = _table(
    "auto_allocated_topologies",
    sa.Column("project_id", sa.String(255), primary_key=True),
    identifier("network_id"),
    identifier("router_id"),
    cascade("network_id", "networks.id"),
)
state_generation = _table(
    # Counted up by every change that a host must act on, as the last thing of its transaction: so generations are
    # committed in their order, and whoever has seen one has seen all before it.
    "state_generation",
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("value", sa.BigInteger, nullable=False),
)
state_changes = _table(
    # What each generation was about: hosts look only at what concerns them. Old rows are purged.
    "state_changes",
    sa.Column("generation", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(32), primary_key=True),
    sa.Column("subject", sa.String(255), primary_key=True),
    moment("created_at", False, index=True),
)
