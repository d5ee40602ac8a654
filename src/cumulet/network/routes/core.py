"""Networks, subnets, ports."""

from __future__ import annotations

from cumulet.network.crud import crud
from cumulet.network.handlers import networks, ports, subnets

ROUTES = (
    *crud("/v2.0/networks", networks.NOUN),
    *crud("/v2.0/subnets", subnets.NOUN),
    *crud("/v2.0/ports", ports.NOUN),
)
