"""Network's access rules, one module a noun."""

from __future__ import annotations

from collections.abc import Iterator

from cumulet.kernel.policy import Rule
from cumulet.network.policies import (
    address_scopes,
    base,
    networks,
    operators,
    ports,
    qos,
    quotas,
    routers,
    security_groups,
    subnets,
)


def rules() -> Iterator[Rule]:
    for module in (base, address_scopes, networks, operators, ports, qos, quotas, routers, security_groups, subnets):
        yield from module.RULES
