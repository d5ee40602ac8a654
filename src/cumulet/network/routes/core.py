"""Networks and their segments, subnets, ports and their bindings, trunks."""

from __future__ import annotations

from cumulet.kernel.http import Route
from cumulet.network.crud import crud
from cumulet.network.handlers import auto_allocation, networks, port_bindings, ports, segments, subnets, trunks

_BINDINGS = "/v2.0/ports/{port_id}/bindings"
_TRUNK = "/v2.0/trunks/{trunk_id}"
_TOPOLOGY = "/v2.0/auto-allocated-topology/{project_id}"
ROUTES = (
    *crud("/v2.0/networks", networks.NOUN),
    *crud("/v2.0/segments", segments.SEGMENTS),
    *crud("/v2.0/network-segment-ranges", segments.RANGES),
    *crud("/v2.0/subnets", subnets.NOUN),
    *crud("/v2.0/ports", ports.NOUN),
    Route("GET", _BINDINGS, port_bindings.index),
    Route("POST", _BINDINGS, port_bindings.create),
    Route("GET", f"{_BINDINGS}/{{host}}", port_bindings.show),
    Route("PUT", f"{_BINDINGS}/{{host}}", port_bindings.update),
    Route("DELETE", f"{_BINDINGS}/{{host}}", port_bindings.delete),
    Route("PUT", f"{_BINDINGS}/{{host}}/activate", port_bindings.activate),
    *crud("/v2.0/trunks", trunks.NOUN),
    Route("PUT", f"{_TRUNK}/add_subports", trunks.add_subports),
    Route("PUT", f"{_TRUNK}/remove_subports", trunks.remove_subports),
    Route("GET", f"{_TRUNK}/get_subports", trunks.get_subports),
    Route("GET", _TOPOLOGY, auto_allocation.show),
    Route("DELETE", _TOPOLOGY, auto_allocation.delete),
)
