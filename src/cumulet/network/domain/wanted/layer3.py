"""Routers that a host carries: interfaces, gateway, floating IPs, port forwardings, what is counted."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.network import tables
from cumulet.network.domain import base, high_availability
from cumulet.network.domain.wanted.host import Host, rows_in
from cumulet.network.domain.wanted.qos import limits_of

_PREFIXES = ("remote_ip_prefix", "source_ip_prefix", "destination_ip_prefix")


def objects(connection: Connection, host: Host) -> dict[str, dict[str, Any]]:
    ids = [router.id for router in host.routers]
    floating = rows_in(connection, tables.floating_ips, "router_id", ids)
    _add_policies(connection, host, floating)
    forwardings = rows_in(connection, tables.port_forwardings, "floatingip_id", [row.id for row in floating])
    carried = high_availability.of_routers(connection, ids, host.name)
    return {
        "routers": {row.id: _router(row, host, floating, forwardings, carried) for row in host.routers},
        "metering_labels": _labels(connection, host),
    }


def _add_policies(connection: Connection, host: Host, floating: list[Row[Any]]) -> None:
    ids = {row.qos_policy_id for row in floating if row.qos_policy_id} - host.policies.keys()
    rows = rows_in(connection, tables.qos_policies, "id", ids)
    host.policies.update({row.id: base.from_json(row.rules) for row in rows})


def _router(
    row: Row[Any],
    host: Host,
    floating: list[Row[Any]],
    forwardings: list[Row[Any]],
    carried: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    mine = {one.id: one for one in floating if one.router_id == row.id}
    return {
        "id": row.id,
        "project_id": row.project_id,
        "admin_state_up": row.admin_state_up,
        "interfaces": sorted(port for port in host.router_ports[row.id] if port != row.gateway_port_id),
        "gateway_port": row.gateway_port_id,
        "enable_snat": row.enable_snat,
        "routes": base.from_json(row.routes),
        "floating_ips": [_floating_ip(one, host) for one in mine.values() if one.fixed_ip_address is not None],
        "port_forwardings": [
            _forwarding(one, mine[one.floatingip_id]) for one in forwardings if one.floatingip_id in mine
        ],
        "gateway_qos": limits_of(host, row.qos_policy_id),
        "ha": carried.get(row.id),
    }


def _floating_ip(row: Row[Any], host: Host) -> dict[str, Any]:
    return {
        "id": row.id,
        "floating_ip_address": row.floating_ip_address,
        "fixed_ip_address": row.fixed_ip_address,
        "qos": limits_of(host, row.qos_policy_id),
    }


def _forwarding(row: Row[Any], floating: Row[Any]) -> dict[str, Any]:
    first, last = (int(part) for part in row.external_port_range.split(":"))
    low, high = (int(part) for part in row.internal_port_range.split(":"))
    return {
        "id": row.id,
        "floating_ip_address": floating.floating_ip_address,
        "protocol": row.protocol,
        "external_port": first,
        "external_port_end": last if last != first else None,
        "internal_ip_address": row.internal_ip_address,
        "internal_port": low,
        "internal_port_end": high if high != low else None,
    }


def _labels(connection: Connection, host: Host) -> dict[str, Any]:
    """Labels count the traffic of their project's routers; shared ones that of all."""
    labels, rules = tables.metering_labels, tables.metering_label_rules
    projects = {router.project_id for router in host.routers}
    if not projects:
        return {}
    query = sa.select(labels).where(sa.or_(labels.c.shared, labels.c.project_id.in_(projects)))
    found = connection.execute(query).all()
    of_label: dict[str, list[dict[str, Any]]] = {}
    for rule in rows_in(connection, rules, "metering_label_id", [label.id for label in found]):
        of_label.setdefault(rule.metering_label_id, []).append(_rule(rule))
    return {
        label.id: {
            "id": label.id,
            "router_ids": [one.id for one in host.routers if label.shared or one.project_id == label.project_id],
            "rules": sorted(of_label.get(label.id, []), key=lambda rule: str(rule["id"])),
        }
        for label in found
    }


def _rule(row: Row[Any]) -> dict[str, Any]:
    prefixes = {key: getattr(row, key) for key in _PREFIXES}
    return {
        "id": row.id,
        "direction": row.direction,
        "excluded": row.excluded,
        **{key: None if text is None else str(ip_network(text, strict=False)) for key, text in prefixes.items()},
    }
