"""Neutron: ports and security group rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.clouds.target import NAME, Case, Target
from benchmarks.load import Request

_UNLIMITED = ("network", "subnet", "port", "security_group", "security_group_rule")


@contextmanager
def network(cloud: Target, rows: int) -> Iterator[list[Case]]:
    with a_network(cloud) as network_id:
        url = f"{cloud.url('network')}/v2.0"
        ports = f"{url}/ports"
        mine = f"{ports}?network_id={network_id}"
        body = {"network_id": network_id, "name": NAME}
        made = cloud.create(ports, "port", [body] * rows)
        group = cloud.create(f"{url}/security-groups", "security_group", [{"name": NAME}])[0]
        rules = [_rule(group, number) for number in range(1, rows + 1)]
        yield [
            Case("show a port", Request("GET", f"{ports}/{made[0]}")),
            Case(f"list {rows} ports", Request("GET", f"{mine}&limit={rows}")),
            Case("create a port", Request("POST", ports, json.dumps({"port": body}))),
            Case("delete a port", once=lambda: cloud.delete(ports, made)),
            Case(
                "create a security group rule",
                once=lambda: len(cloud.create(f"{url}/security-group-rules", "security_group_rule", rules)),
            ),
        ]


def _rule(group: str, number: int) -> dict[str, Any]:
    """Each lets another port in."""
    match = {"protocol": "tcp", "port_range_min": number, "port_range_max": number}
    return {"security_group_id": group, "direction": "ingress", "ethertype": "IPv4", **match}


@contextmanager
def a_network(cloud: Target) -> Iterator[str]:
    """A network with a large subnet, and no quota in the way; afterwards the project has nothing called `bench`."""
    url = f"{cloud.url('network')}/v2.0"
    cloud.call("PUT", f"{url}/quotas/{cloud.project}", {"quota": dict.fromkeys(_UNLIMITED, -1)})
    try:
        made: str = cloud.create(f"{url}/networks", "network", [{"name": NAME}])[0]
        subnet = {"network_id": made, "ip_version": 4, "cidr": "10.128.0.0/12", "enable_dhcp": False}
        cloud.create(f"{url}/subnets", "subnet", [subnet])
        yield made
    finally:
        cloud.begin_cleaning()
        # By name: asking for all groups of one's project makes its `default` anew.
        own = f"project_id={cloud.project}&name={NAME}"
        for path in ("ports", "networks", "security-groups"):
            cloud.clear(f"{url}/{path}?{own}&limit=1000", path.replace("-", "_"), f"{url}/{path}")
        cloud.call("DELETE", f"{url}/quotas/{cloud.project}")
