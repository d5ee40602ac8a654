"""Routers and floating IPs."""

from __future__ import annotations

from cumulet.kernel.http import Route
from cumulet.network.crud import crud
from cumulet.network.handlers import conntrack_helpers, floating_ips, port_forwardings, routers

ROUTES = (
    *crud("/v2.0/routers", routers.NOUN),
    Route("PUT", "/v2.0/routers/{router_id}/add_router_interface", routers.add_interface),
    Route("PUT", "/v2.0/routers/{router_id}/remove_router_interface", routers.remove_interface),
    Route("PUT", "/v2.0/routers/{router_id}/add_extraroutes", routers.add_extraroutes),
    Route("PUT", "/v2.0/routers/{router_id}/remove_extraroutes", routers.remove_extraroutes),
    *crud("/v2.0/routers/{router_id}/conntrack_helpers", conntrack_helpers.NOUN),
    *crud("/v2.0/floatingips", floating_ips.NOUN),
    *crud("/v2.0/floatingips/{floatingip_id}/port_forwardings", port_forwardings.NOUN),
)
