"""Which extensions of the Networking API this service has; what is not listed here is not there.

Names and dates are the published ones (neutron-lib's API definitions); the descriptions are ours.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Extension(NamedTuple):
    alias: str
    name: str
    updated: str
    description: str


def _e(alias: str, name: str, updated: str, description: str) -> Extension:
    return Extension(alias, name, f"{updated}T10:00:00-00:00", description)


EXTENSIONS: Final[dict[str, Extension]] = {
    extension.alias: extension
    for extension in (
        _e("address-group", "Address group", "2020-07-15", "Named sets of addresses for security group rules"),
        _e("address-scope", "Address scope", "2015-07-26", "Pools whose addresses never overlap"),
        _e("agent", "agent", "2013-02-03", "The agents on the hosts and whether they live"),
        _e("allowed-address-pairs", "Allowed Address Pairs", "2013-07-23", "More addresses a port may send from"),
        _e("auto-allocated-topology", "Auto Allocated Topology Services", "2016-01-01", "A network by one call"),
        _e("availability_zone", "Availability Zone", "2015-01-01", "Zones of agents"),
        _e("availability_zone_filter", "Availability Zone Filter Extension", "2018-06-22", "Filters of zone lists"),
        _e("binding", "Port Binding", "2014-02-03", "The host a port is on and how it is plugged in"),
        _e("binding-extended", "Port Bindings Extended", "2017-07-17", "A second binding while a server moves"),
        _e("default-subnetpools", "Default Subnetpools", "2016-02-18", "The pool taken when none is named"),
        _e("dhcp_agent_scheduler", "DHCP Agent Scheduler", "2013-02-07", "Which DHCP agents serve a network"),
        _e("dns-domain-ports", "dns_domain for ports", "2017-06-25", "A port's own DNS domain"),
        _e("dns-integration", "DNS Integration", "2015-08-15", "Names of ports, networks and floating IPs"),
        _e("dvr", "Distributed Virtual Router", "2014-06-01", "The attribute distributed of routers"),
        _e("empty-string-filtering", "Empty String Filtering Extension", "2018-05-01", "Filters for empty values"),
        _e("ext-gw-mode", "Neutron L3 Configurable external gateway mode", "2013-03-28", "Gateways without SNAT"),
        _e("external-net", "Neutron external network", "2013-01-14", "Networks that lead outside"),
        _e("extra_dhcp_opt", "Neutron Extra DHCP options", "2013-03-17", "DHCP options of a port"),
        _e("extraroute", "Neutron Extra Route", "2013-02-01", "Static routes of routers"),
        _e("extraroute-atomic", "Atomically add/remove extra routes", "2019-07-10", "Routes added and removed singly"),
        _e("filter-validation", "Filter parameters validation", "2018-07-04", "Unknown filters are refused"),
        _e("fip-port-details", "Floating IP Port Details Extension", "2018-04-09", "The port of a floating IP"),
        _e("flavors", "Neutron Service Flavors", "2015-09-17", "Flavors of network services"),
        _e("floating-ip-port-forwarding", "Floating IP Port Forwarding", "2018-06-01", "One address for many ports"),
        _e("floatingip-pools", "Floating IP Pools Extension", "2018-03-21", "Where floating IPs come from"),
        _e("ip-substring-filtering", "IP address substring filtering", "2017-11-28", "Ports by a part of an address"),
        _e("l3-flavors", "Router Flavor Extension", "2016-05-17", "Flavors of routers"),
        _e("l3-ha", "HA Router extension", "2014-04-26", "Routers on several hosts"),
        _e("l3_agent_scheduler", "L3 Agent Scheduler", "2013-02-07", "Which L3 agents serve a router"),
        _e("metering", "Neutron Metering", "2013-06-12", "Traffic counted by labels"),
        _e(
            "metering_source_and_destination_fields",
            "Metering source and destination",
            "2020-08-21",
            "Metering rules by source and destination",
        ),
        _e("multi-provider", "Multi Provider Network", "2013-06-27", "Networks of several segments"),
        _e("net-mtu", "Network MTU", "2015-03-25", "The largest packet of a network"),
        _e("net-mtu-writable", "Network MTU (writable)", "2017-07-12", "Networks with an MTU of one's choice"),
        _e("network-ip-availability", "Network IP Availability", "2015-09-24", "How many addresses are left"),
        _e("network_availability_zone", "Network Availability Zone", "2015-01-01", "Zones of networks"),
        _e("pagination", "Pagination support", "2016-06-12", "Lists by pages"),
        _e("port-security", "Port Security", "2012-07-23", "Ports without filters"),
        _e("port-security-groups-filtering", "Port filtering on security groups", "2018-01-09", "Ports by group"),
        _e("project-id", "project_id field enabled", "2016-09-09", "project_id beside tenant_id"),
        _e("provider", "Provider Network", "2012-09-07", "How a network is built"),
        _e("qos", "Quality of Service", "2015-06-08", "Bandwidth and marking of ports and networks"),
        _e("quota_details", "Quota details management support", "2017-02-10", "What of a quota is used"),
        _e("quotas", "Quota management support", "2012-07-29", "Limits of projects"),
        _e("rbac-address-group", "Add address_group type to RBAC", "2021-01-20", "Shared address groups"),
        _e("rbac-address-scope", "Add address_scope type to RBAC", "2020-02-12", "Shared address scopes"),
        _e("rbac-policies", "RBAC Policies", "2015-06-17", "Sharing with single projects"),
        _e("rbac-security-groups", "Add security_group type to network RBAC", "2019-02-14", "Shared security groups"),
        _e("rbac-subnetpool", "Add subnetpool type to RBAC", "2020-02-05", "Shared subnet pools"),
        _e("revision-if-match", "If-Match constraints based on revision_number", "2016-12-11", "Guarded changes"),
        _e("router", "Neutron L3 Router", "2012-07-20", "Routers and floating IPs"),
        _e("router_availability_zone", "Router Availability Zone", "2015-01-01", "Zones of routers"),
        _e("security-group", "security-group", "2012-10-05", "What ports let in and out"),
        _e("security-groups-default-rules", "Default rules for security groups", "2022-12-19", "Rules of new groups"),
        _e(
            "security-groups-normalized-cidr",
            "Normalized CIDR field for security group rules",
            "2020-07-28",
            "Prefixes without host bits",
        ),
        _e(
            "security-groups-remote-address-group",
            "Remote address group id field for security group rules",
            "2020-08-25",
            "Rules for address groups",
        ),
        _e(
            "security-groups-rules-belongs-to-default-sg",
            "Security group rule belongs to the project's default security group",
            "2023-05-23",
            "Rules of default",
        ),
        _e(
            "security-groups-shared-filtering",
            "Security group filtering on the shared field",
            "2021-10-05",
            "Groups by whether they are shared",
        ),
        _e("segment", "Segment", "2016-02-24", "Segments as a resource"),
        _e("service-type", "Neutron Service Type Management", "2013-01-20", "Providers of network services"),
        _e("sorting", "Sorting support", "2016-06-12", "Lists in an order of choice"),
        _e("standard-attr-description", "standard-attr-description", "2016-02-10", "Descriptions"),
        _e("standard-attr-revisions", "Resource revision numbers", "2016-04-11", "Counted changes"),
        _e("standard-attr-tag", "Tag support for resources with standard attribute", "2017-01-01", "Tags"),
        _e("standard-attr-timestamp", "Resource timestamps", "2016-09-12", "When made, when changed"),
        _e("stateful-security-group", "Stateful security group", "2019-11-26", "Groups that track connections"),
        _e(
            "subnet-external-network",
            "Subnet belongs to an external network",
            "2024-02-05",
            "router:external of subnets",
        ),
        _e("subnet-service-types", "Subnet service types", "2016-03-15", "Subnets for some devices only"),
        _e("subnet_allocation", "Subnet Allocation", "2015-03-30", "Subnet pools"),
        _e("subnetpool-prefix-ops", "Subnet Pool Prefix Operations", "2019-02-08", "Prefixes added and removed"),
        _e("tag", "Tag support", "2016-01-01", "Tags of networks"),
        _e("tag-ext", "Tag support for resources: subnet, subnetpool, port, router", "2017-01-01", "Tags of more"),
        _e("trunk", "Trunk Extension", "2016-01-01", "Many networks over one port"),
        _e("trunk-details", "Trunk port details", "2016-01-01", "The subports of a parent port"),
        _e("uplink-status-propagation", "Port Uplink Status Propagation", "2018-01-01", "The uplink's state shown"),
    )
}
