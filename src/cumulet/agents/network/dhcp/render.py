"""dnsmasq's files: who gets which address (`host`), which options (`opts`), and names for DNS (`addn_hosts`).

dnsmasq reads a line into 1,025 bytes and would take what is beyond for another line, so no line here gets that long.
Values have been checked for control characters when the wanted state was decoded; here they are checked again, because
this is where a new line in one would become a directive.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from cumulet.agents.network.planning.plans import DhcpHost, DhcpPlan, DhcpSubnet
from cumulet.agents.network.state import DhcpOption, ip_network

LINE_LIMIT = 1000
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # all but the tab of a hosts file
_NO_DNS = "0.0.0.0"  # noqa: S104  the API's way to say: hand out no DNS server


class BadLine(ValueError):
    """A line that must not reach dnsmasq."""


def hosts(plan: DhcpPlan) -> str:
    """`MAC,name,address[,set:port-ID]`, a line an address; without address for stateless DHCPv6."""
    return _file(line for host in plan.hosts for line in _host_lines(plan, host))


def _host_lines(plan: DhcpPlan, host: DhcpHost) -> Iterator[str]:
    tag = [f"set:port-{host.port_id}"] if host.options else []
    versions = {subnet.id: ip_network(subnet.cidr).version for subnet in plan.subnets}
    for subnet_id, address in host.addresses:
        where = f"[{address}]" if versions[subnet_id] == 6 else address
        yield ",".join([host.mac, _full_name(plan, host), where, *tag])
    if not host.addresses and tag:
        yield ",".join([host.mac, _full_name(plan, host), *tag])


def names(plan: DhcpPlan) -> str:
    """/etc/hosts lines for dnsmasq's DNS."""
    lines = []
    for host in plan.hosts:
        full = _full_name(plan, host)
        short = f" {host.hostname}" if full != host.hostname else ""
        lines += [f"{address}\t{full}{short}" for _, address in host.addresses]
    return _file(lines)


def options(plan: DhcpPlan) -> tuple[str, dict[str, str]]:
    """The options file, and by port id which of its extra options were refused and why."""
    refused: dict[str, str] = {}
    lines = [line for subnet in plan.subnets for line in _subnet_options(plan, subnet)]
    for host in plan.hosts:
        for option in host.options:
            try:
                lines.append(_checked(_port_option(host, option)))
            except BadLine as error:
                refused[host.port_id] = f"DHCP option {option.opt_name!r}: {error}"
    return _file(lines), refused


def _subnet_options(plan: DhcpPlan, subnet: DhcpSubnet) -> Iterator[str]:
    tag = f"tag:subnet-{subnet.id}"
    if subnet.mode != "ipv4":
        if subnet.dns_nameservers:
            yield ",".join([tag, "option6:dns-server", *(f"[{server}]" for server in subnet.dns_nameservers)])
        yield f"{tag},option6:domain-search,{plan.domain}"
        return
    if subnet.dns_nameservers == (_NO_DNS,):
        yield f"{tag},option:dns-server"
    elif subnet.dns_nameservers:
        yield ",".join([tag, "option:dns-server", *subnet.dns_nameservers])
    routes = list(_static_routes(plan, subnet))
    if routes:
        # A client that takes option 121 ignores the router option (RFC 3442), so the default route is repeated here.
        if subnet.gateway is not None:
            routes += ["0.0.0.0/0", subnet.gateway]
        yield ",".join([tag, "option:classless-static-route", *routes])
        yield ",".join([tag, "249", *routes])  # the same for old Windows clients
    yield f"{tag},option:router,{subnet.gateway}" if subnet.gateway is not None else f"{tag},option:router"


def _static_routes(plan: DhcpPlan, subnet: DhcpSubnet) -> Iterator[str]:
    for cidr in subnet.on_link:
        yield from (cidr, "0.0.0.0")  # noqa: S104  option 121's way to say: on this link
    if subnet.metadata_via_server and subnet.server_ip is not None:
        yield from ("169.254.169.254/32", subnet.server_ip)
    for route in subnet.routes:
        yield from (route.destination, route.nexthop)


def _port_option(host: DhcpHost, option: DhcpOption) -> str:
    name = option.opt_name
    if name.isdigit():
        name = name if option.ip_version == 4 else f"option6:{name}"
    else:
        name = f"option:{name}" if option.ip_version == 4 else f"option6:{name}"
    value = [] if option.opt_value is None else [option.opt_value]
    return ",".join([f"tag:port-{host.port_id}", name, *value])


def _full_name(plan: DhcpPlan, host: DhcpHost) -> str:
    return f"{host.hostname}.{plan.domain}" if plan.domain else host.hostname


def _file(lines: Iterable[str]) -> str:
    return "".join(_checked(line) + "\n" for line in lines)


def _checked(line: str) -> str:
    if _CONTROL.search(line):
        raise BadLine("it has a control character")
    if len(line.encode()) > LINE_LIMIT:
        raise BadLine(f"it is longer than {LINE_LIMIT} bytes")
    return line
