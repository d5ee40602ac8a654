"""The options of neutron.conf and ml2_conf.ini that Network heeds; every other one is read over."""

from __future__ import annotations

from oslo_config import cfg

_QUOTAS = {
    "network": 100,
    "subnet": 100,
    "subnetpool": -1,
    "port": 500,
    "router": 10,
    "floatingip": 50,
    "security_group": 10,
    "security_group_rule": 100,
    "rbac_policy": 10,
    "trunk": -1,
}
QUOTAS = [cfg.IntOpt(f"quota_{resource}", default=limit, min=-1) for resource, limit in _QUOTAS.items()]
DEFAULT = [
    cfg.IntOpt("pagination_max_limit", default=-1, help="The most rows a page has; -1: no bound."),
    cfg.StrOpt("base_mac", default="fa:16:3e:00:00:00"),
    cfg.IntOpt("global_physnet_mtu", default=1500),
    cfg.StrOpt("dns_domain", default="openstacklocal"),
    cfg.IntOpt("agent_down_time", default=75, help="Seconds without a report after which an agent counts as dead."),
    cfg.IntOpt("dhcp_agents_per_network", default=1, min=1),
    cfg.IntOpt("max_l3_agents_per_router", default=3, min=1),
    cfg.BoolOpt("notify_nova_on_port_status_changes", default=True),
    cfg.BoolOpt("notify_nova_on_port_data_changes", default=True),
    cfg.IntOpt("max_subnet_host_routes", default=20),
    cfg.IntOpt("max_dns_nameservers", default=5),
    cfg.IntOpt("max_routes", default=30),
    cfg.IntOpt("max_allowed_address_pair", default=10),
    cfg.BoolOpt("router_distributed", default=False),
    cfg.BoolOpt("l3_ha", default=False),
    cfg.ListOpt("default_availability_zones", default=[]),
]
ML2 = [
    cfg.ListOpt("type_drivers", default=["local", "flat", "vlan", "vxlan"]),
    cfg.ListOpt("tenant_network_types", default=["vxlan"]),
    cfg.IntOpt("path_mtu", default=0),
    cfg.ListOpt("physical_network_mtus", default=[]),
]
FLAT = [cfg.ListOpt("flat_networks", default=["*"])]
VLAN = [cfg.ListOpt("network_vlan_ranges", default=[])]
VXLAN = [cfg.ListOpt("vni_ranges", default=["1:16777215"])]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(DEFAULT)
    conf.register_opts(QUOTAS, group="quotas")
    conf.register_opts(ML2, group="ml2")
    conf.register_opts(FLAT, group="ml2_type_flat")
    conf.register_opts(VLAN, group="ml2_type_vlan")
    conf.register_opts(VXLAN, group="ml2_type_vxlan")
