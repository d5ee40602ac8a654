"""What a guest's documents tell that other services know: its subnets, and what the operator's own services add."""

from __future__ import annotations

import msgspec

from cumulet.compute.clients import network, vendor_data
from cumulet.compute.domain.instance_documents import Facts
from cumulet.compute.service import Compute


def with_surroundings(compute: Compute, facts: Facts, *, subnets: bool = True, dynamic: bool = True) -> Facts:
    """Raises Retry while Network does not answer, VendorDataUnavailable."""
    wanted = {ip["subnet_id"] for vif in facts.vifs for ip in vif["ips"]} if subnets else set()
    return msgspec.structs.replace(
        facts,
        subnets=network.subnets(compute.session, wanted),
        static=vendor_data.static(compute),
        dynamic=vendor_data.dynamic(compute, facts.row) if dynamic else {},
    )
