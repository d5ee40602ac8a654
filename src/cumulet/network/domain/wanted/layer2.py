"""Networks, subnets, ports, and the other ports of these networks."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from msgspec import Raw
from sqlalchemy.engine import Connection, Row

from cumulet.network import tables
from cumulet.network.domain import base, hosts
from cumulet.network.domain.wanted.host import Host, rows_in
from cumulet.network.domain.wanted.qos import limits_of

Objects = dict[str, dict[str, Any]]
_PLUGS: Final = ("tap", "veth", "external")


def objects(connection: Connection, host: Host) -> dict[str, Objects]:
    tunnels = _tunnels(connection, host)
    segments = _segments(connection, host)
    return {
        "networks": {row.id: _network(row, host, segments) for row in host.networks if row.id in segments},
        "subnets": {row.id: _subnet(row) for row in host.subnets},
        "ports": {row.id: _port(row, host) for row in host.ports},
        "endpoints": {row.id: _endpoint(row, tunnels) for row in host.endpoints},
    }


def _segments(connection: Connection, host: Host) -> dict[str, Any]:
    """network -> how its frames travel; of several segments the first that a bridge here can be tied to."""
    found: dict[str, Any] = {row.id: row for row in host.networks if row.network_type is not None}
    several = [row.id for row in host.networks if row.network_type is None]
    rows = rows_in(connection, tables.segments, "network_id", several)
    for row in sorted(rows, key=lambda segment: segment.segment_index, reverse=True):
        found[row.network_id] = row
    return found


def _network(row: Row[Any], host: Host, segments: dict[str, Any]) -> dict[str, Any]:
    segment = segments[row.id]
    return {
        "id": row.id,
        "network_type": segment.network_type,
        "segmentation_id": segment.segmentation_id,
        "physical_network": segment.physical_network,
        "mtu": row.mtu,
        "dhcp": row.id in host.served,
        "dns_domain": row.dns_domain,
    }


def _subnet(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "network_id": row.network_id,
        "cidr": row.cidr,
        "gateway_ip": row.gateway_ip,
        "enable_dhcp": row.enable_dhcp,
        "allocation_pools": base.from_json(row.allocation_pools),
        "dns_nameservers": base.from_json(row.dns_nameservers),
        "host_routes": base.from_json(row.host_routes),
        "ipv6_ra_mode": row.ipv6_ra_mode,
        "ipv6_address_mode": row.ipv6_address_mode,
    }


def _port(row: Row[Any], host: Host) -> dict[str, Any]:
    profile = base.from_json(row.binding_profile) if row.binding_profile != "{}" else {}
    plug = profile.get("plug")
    trunk_port, vlan = host.subports.get(row.id, (None, None))
    return {
        "id": row.id,
        "network_id": row.network_id,
        "mac_address": row.mac_address,
        "fixed_ips": Raw(row.fixed_ips),
        "device_owner": row.device_owner,
        "device_id": row.device_id,
        "project_id": row.project_id,
        "admin_state_up": row.admin_state_up,
        "port_security_enabled": row.port_security_enabled,
        "allowed_address_pairs": Raw(row.allowed_address_pairs),
        "security_groups": Raw(row.security_groups),
        "qos": limits_of(host, row.qos_policy_id or row.qos_network_policy_id),
        "plug": plug if plug in _PLUGS else "external",
        "peer_namespace": profile.get("peer_namespace"),
        "peer_name": profile.get("peer_name"),
        "trunk_port": trunk_port,
        "vlan": vlan,
    }


def _endpoint(row: Row[Any], tunnels: dict[str, list[str]]) -> dict[str, Any]:
    return {
        "id": row.id,
        "network_id": row.network_id,
        "mac_address": row.mac_address,
        "fixed_ips": Raw(row.fixed_ips),
        "device_owner": row.device_owner,
        "device_id": row.device_id,
        "project_id": row.project_id,
        "dns_name": row.dns_name,
        "extra_dhcp_opts": Raw(row.extra_dhcp_opts),
        "tunnel_ips": tunnels.get(row.id, []),
    }


def _tunnels(connection: Connection, host: Host) -> dict[str, list[str]]:
    """port -> the end points of the hosts it may be on: its own, or all that carry its router."""
    end_points = hosts.tunnel_ips(connection)
    several = _several_hosts(connection, {row.device_id for row in host.endpoints if _of_router(row)})
    found = {}
    for row in host.endpoints:
        places = several.get(row.device_id) if _of_router(row) else None
        found[row.id] = sorted({end_points[place] for place in places or [row.binding_host_id] if place in end_points})
    return found


def _of_router(row: Row[Any]) -> bool:
    return bool(row.device_owner.startswith("network:router") and row.device_owner != "network:router_ha_interface")


def _several_hosts(connection: Connection, router_ids: set[str]) -> dict[str, list[str]]:
    """HA router -> the hosts that carry it."""
    routers, carrying, agents = tables.routers, tables.router_agents, tables.agents
    found: dict[str, list[str]] = {}
    for some in base.chunks(sorted(router_ids)):
        query = (
            sa.select(carrying.c.router_id, agents.c.host)
            .join(agents, agents.c.id == carrying.c.agent_id)
            .join(routers, routers.c.id == carrying.c.router_id)
            .where(routers.c.ha, carrying.c.router_id.in_(some))
        )
        for router_id, host in connection.execute(query):
            found.setdefault(router_id, []).append(host)
    return found
