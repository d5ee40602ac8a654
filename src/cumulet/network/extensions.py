"""Which extensions of the Networking API this service has; what is not listed here is not there.

Aliases, names and dates are the published ones (neutron-lib's API definitions); the descriptions are ours.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Extension(NamedTuple):
    alias: str
    name: str
    updated: str
    description: str


_TABLE: Final = """
aap-reject-multicast | Allowed address pairs reject multicast extension | 2026-04-01T00:00:00-00:00 | No multicast pairs
address-group | Address group | 2020-07-15T10:00:00-00:00 | Named sets of addresses for security group rules
address-scope | Address scope | 2015-07-26T10:00:00-00:00 | Pools whose addresses never overlap
agent | agent | 2013-02-03T10:00:00-00:00 | The agents on the hosts and whether they live
agent-resources-synced | Agent's Resource View Synced to Placement | 2018-12-19T00:00:00-00:00 | An attribute of agents
agent_sort_key | Agents Sort Key | 2013-02-03T10:00:00-00:00 | Agents in an order of choice
allowed-address-pairs | Allowed Address Pairs | 2013-07-23T10:00:00-00:00 | More addresses a port may send from
auto-allocated-topology | Auto Allocated Topology Services | 2016-01-01T00:00:00-00:00 | A network by one call
availability_zone | Availability Zone | 2015-01-01T10:00:00-00:00 | Zones of agents
availability_zone_filter | Availability Zone Filter Extension | 2018-06-22T10:00:00-00:00 | Filters of zone lists
binding | Port Binding | 2014-02-03T10:00:00-00:00 | The host a port is on and how it is plugged in
binding-extended | Port Bindings Extended | 2017-07-17T10:00:00-00:00 | A second binding while a server moves
default-subnetpools | Default Subnetpools | 2016-02-18T18:00:00-00:00 | The pool taken when none is named
dhcp_agent_scheduler | DHCP Agent Scheduler | 2013-02-07T10:00:00-00:00 | Which DHCP agents serve a network
dns-domain-ports | dns_domain for ports | 2017-04-24T10:00:00-00:00 | A port's own DNS domain
dns-integration | DNS Integration | 2015-08-15T18:00:00-00:00 | Names of ports, networks and floating IPs
dvr | Distributed Virtual Router | 2014-06-1T10:00:00-00:00 | The attribute distributed of routers
empty-string-filtering | Empty String Filtering Extension | 2018-05-01T10:00:00-00:00 | Filters for empty values
expose-port-forwarding-in-fip | Expose Floating IP port forwardings | 2018-06-28T16:00:00-00:00 | Shown in it
ext-gw-mode | Neutron L3 Configurable external gateway mode | 2013-03-28T10:00:00-00:00 | Gateways without SNAT
external-net | Neutron external network | 2013-01-14T10:00:00-00:00 | Networks that lead outside
extra_dhcp_opt | Neutron Extra DHCP options | 2013-03-17T12:00:00-00:00 | DHCP options of a port
extraroute | Neutron Extra Route | 2013-02-01T10:00:00-00:00 | Static routes of routers
extraroute-atomic | Atomically add/remove extra routes | 2019-07-10T00:00:00+00:00 | Routes added and removed singly
filter-validation | Filter parameters validation | 2018-07-04T10:00:00-00:00 | Unknown filters are refused
fip-port-details | Floating IP Port Details Extension | 2018-04-09T10:00:00-00:00 | The port of a floating IP
flavors | Neutron Service Flavors | 2015-09-17T10:00:00-00:00 | Flavors of network services
floating-ip-port-forwarding | Floating IP Port Forwarding | 2018-01-19T10:00:00-00:00 | One address for many ports
floating-ip-port-forwarding-description | Floating IP Port Forwarding new attribute description \
| 2019-11-01T10:00:00-00:00 | What a forwarding is for
floating-ip-port-forwarding-port-ranges | Floating IP Port Forwarding support port ranges \
| 2020-07-01T10:00:00-00:00 | Ranges of ports
floatingip-pools | Floating IP Pools Extension | 2018-03-21T10:00:00-00:00 | Where floating IPs come from
ip-substring-filtering | IP address substring filtering | 2017-11-28T09:00:00-00:00 | Ports by a part of an address
ip_allocation | IP Allocation | 2016-06-10T23:00:00-00:00 | When a port gets its addresses
l3-conntrack-helper | L3 Conntrack helper | 2019-04-04T10:00:00-00:00 | Helpers of a router's connections
l3-flavors | Router Flavor Extension | 2016-05-17T00:00:00-00:00 | Flavors of routers
l3-ha | HA Router extension | 2014-04-26T00:00:00-00:00 | Routers on several hosts
l3_agent_scheduler | L3 Agent Scheduler | 2013-02-07T10:00:00-00:00 | Which L3 agents serve a router
metering | Neutron Metering | 2013-06-12T10:00:00-00:00 | Traffic counted by labels
metering_source_and_destination_fields | Neutron Metering with source and destination filtering \
| 2020-08-21T08:12:00-00:00 | Metering rules by source and destination
multi-provider | Multi Provider Network | 2013-06-27T10:00:00-00:00 | Networks of several segments
net-mtu | Network MTU | 2015-03-25T10:00:00-00:00 | The largest packet of a network
net-mtu-writable | Network MTU (writable) | 2017-07-12T00:00:00-00:00 | Networks with an MTU of one's choice
network-ip-availability | Network IP Availability | 2015-09-24T00:00:00-00:00 | How many addresses are left
network-segment-range | Neutron Network Segment Range | 2018-11-29T00:00:00-00:00 | Where segmentation ids come from
network_availability_zone | Network Availability Zone | 2015-01-01T10:00:00-00:00 | Zones of networks
pagination | Pagination support | 2016-06-12T00:00:00-00:00 | Lists by pages
port-mac-address-regenerate | Neutron Port MAC address regenerate | 2018-05-03T10:00:00-00:00 | A new MAC for null
port-security | Port Security | 2012-07-23T10:00:00-00:00 | Ports without filters
port-security-groups-filtering | Port filtering on security groups | 2018-01-09T09:00:00-00:00 | Ports by group
project-id | project_id field enabled | 2016-09-09T09:09:09-09:09 | project_id beside tenant_id
provider | Provider Network | 2012-09-07T10:00:00-00:00 | How a network is built
qos | Quality of Service | 2015-06-08T10:00:00-00:00 | Bandwidth and marking of ports and networks
qos-bw-limit-direction | Direction for QoS bandwidth limit rule | 2017-04-10T10:00:00-00:00 | Both ways
qos-bw-minimum-ingress | Ingress direction for QoS minimum bandwidth rule | 2018-07-09T10:00:00-00:00 | Both ways
qos-default | QoS default policy | 2017-041-06T10:00:00-00:00 | The policy of a project's new networks
qos-fip | Floating IP QoS | 2017-07-20T00:00:00-00:00 | Policies of floating IPs
qos-gateway-ip | Router gateway IP QoS | 2018-02-24T00:00:00-00:00 | Policies of gateways
qos-port-network-policy | QoS port network policy ID | 2019-11-01T10:00:00-00:00 | The network's policy shown with ports
qos-pps | QoS Rule Type Packet per Second Extension | 2021-05-12T10:00:00-00:00 | Packet rate limits
qos-pps-minimum | QoS minimum packet rate rule | 2021-07-14T10:00:00-00:00 | Minimum packet rates
qos-pps-minimum-rule-alias | QoS minimum packet rate rule alias | 2021-10-22T10:00:00-00:00 | By their ids alone
qos-rule-type-details | Details of QoS rule types | 2017-06-22T10:00:00-00:00 | What the rules' parameters are
qos-rule-type-filter | Allow to filter the list of QoS rule types | 2022-02-02T10:00:00-00:00 | All, or what works
qos-rules-alias | Quality of Service rules alias API | 2018-10-07T10:00:00-00:00 | Rules by their ids alone
quota-check-limit | Quota engine limit check | 2021-09-08T16:00:00-00:00 | No limit below what is used
quota-check-limit-default | Quota engine limit check by default | 2024-08-21T16:00:00-00:00 | Unless forced
quota_details | Quota details management support | 2017-02-10T10:00:00-00:00 | What of a quota is used
quotas | Quota management support | 2012-07-29T10:00:00-00:00 | Limits of projects
rbac-address-group | Add address_group type to RBAC | 2021-01-20T00:00:00-00:00 | Shared address groups
rbac-address-scope | Add address_scope type to RBAC | 2020-02-12T00:00:00-00:00 | Shared address scopes
rbac-policies | RBAC Policies | 2015-06-17T12:15:12-00:00 | Sharing with single projects
rbac-security-groups | Add security_group type to network RBAC | 2019-02-14T00:00:00-00:00 | Shared security groups
rbac-subnetpool | Add subnetpool type to RBAC | 2020-02-05T00:00:00-00:00 | Shared subnet pools
revision-if-match | If-Match constraints based on revision_number | 2016-12-11T00:00:00-00:00 | Guarded changes
router | Neutron L3 Router | 2012-07-20T10:00:00-00:00 | Routers and floating IPs
router-admin-state-down-before-update | Enforce Router's Admin State Down Before Update Extension \
| 2019-07-02T15:56:00 | A router's kind changes while it is down
router_availability_zone | Router Availability Zone | 2015-01-01T10:00:00-00:00 | Zones of routers
security-group | security-group | 2012-10-05T10:00:00-00:00 | What ports let in and out
security-groups-default-rules | Default rules for security groups | 2022-12-19T10:00:00-00:00 | Rules of new groups
security-groups-normalized-cidr | Normalized CIDR field for security group rules | 2020-07-28T10:00:00-00:00 \
| Prefixes without host bits
security-groups-remote-address-group | Remote address group id field for security group rules \
| 2020-08-25T10:00:00-00:00 | Rules for address groups
security-groups-rules-belongs-to-default-sg | Security group rule belongs to the project's default security group \
| 2023-05-23T10:00:00-00:00 | Rules of default groups
security-groups-shared-filtering | Security group filtering on the shared field | 2021-10-05T09:00:00-00:00 \
| Groups by whether they are shared
segment | Segment | 2016-02-24T17:00:00-00:00 | Segments as a resource
service-type | Neutron Service Type Management | 2013-01-20T00:00:00-00:00 | Providers of network services
sorting | Sorting support | 2016-06-12T00:00:00-00:00 | Lists in an order of choice
standard-attr-description | standard-attr-description | 2016-02-10T10:00:00-00:00 | Descriptions
standard-attr-revisions | Resource revision numbers | 2016-04-11T10:00:00-00:00 | Counted changes
standard-attr-segment | Standard Attribute Segment Extension | 2018-04-09T10:00:00-00:00 | Segments with times and tags
standard-attr-tag | Tag support for resources with standard attribute: port, subnet, subnetpool, network, \
security_group, router, floatingip, policy, trunk, network_segment_range | 2017-01-01T00:00:00-00:00 | Tags
standard-attr-timestamp | Resource timestamps | 2016-09-12T10:00:00-00:00 | When made, when changed
stateful-security-group | Stateful security group | 2019-11-26T09:00:00-00:00 | Groups that track connections
subnet-dns-publish-fixed-ip | Subnet DNS publish fixed IP | 2019-05-24T10:00:00-00:00 | Whether names are published
subnet-external-network | Subnet belongs to an external network | 2024-02-05T18:00:00-00:00 | router:external
subnet-service-types | Subnet service types | 2016-03-15T18:00:00-00:00 | Subnets for some devices only
subnet_allocation | Subnet Allocation | 2015-03-30T10:00:00-00:00 | Subnet pools
subnet_onboard | Subnet Onboard | 2018-12-18T09:00:00-00:00 | Existing subnets taken into a pool
subnetpool-prefix-ops | Subnet Pool Prefix Operations | 2019-02-08T10:00:00-00:00 | Prefixes added and removed
tag | Tag support | 2016-01-01T00:00:00-00:00 | Tags of networks
tag-creation | Tag creation extension | 2024-23-07T10:00:00-00:00 | Several tags added at once
tag-ext | Tag support for resources: subnet, subnetpool, port, router | 2017-01-01T00:00:00-00:00 | Tags of more
trunk | Trunk Extension | 2016-01-01T10:00:00-00:00 | Many networks over one port
trunk-details | Trunk port details | 2016-01-01T10:00:00-00:00 | The subports of a parent port
uplink-status-propagation | Uplink status propagation extension | 2018-05-31T18:00:00-00:00 | The uplink's state shown
uplink-status-propagation-updatable | Uplink status propagation updatable extension | 2024-09-03T18:00:00-00:00 \
| Also changed later
"""


def _read(table: str) -> dict[str, Extension]:
    lines = table.strip().splitlines()
    extensions = (Extension(*(part.strip() for part in line.split("|"))) for line in lines)
    return {extension.alias: extension for extension in extensions}


EXTENSIONS: Final = _read(_TABLE)
