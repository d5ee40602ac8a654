"""MAC addresses: one a port, no two alike in a network."""

from __future__ import annotations

import random
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.errors import ApiError, Conflict
from cumulet.network.attributes import Values
from cumulet.network.errors import conflict
from cumulet.network.service import Network
from cumulet.network.tables import ports

_TRIES: Final = 16
_TAKEN = sa.select(ports.c.id).where(
    ports.c.network_id == sa.bindparam("within"), ports.c.mac_address == sa.bindparam("mac")
)


def choose(network: Network, connection: Connection, network_id: str, wanted: str | None) -> str:
    """The MAC wanted, or a new one. Raises Conflict for one in use."""
    if wanted is not None:
        if _is_taken(connection, network_id, wanted):
            raise in_use(network_id, wanted)
        return wanted
    for _ in range(_TRIES):
        candidate = _random(network)
        if not _is_taken(connection, network_id, candidate):
            return candidate
    raise Conflict(f"Unable to generate unique mac on network {network_id}.", code="MacAddressGenerationFailure")


def _is_taken(connection: Connection, network_id: str, mac: str) -> bool:
    return connection.execute(_TAKEN, {"within": network_id, "mac": mac}).first() is not None


def in_use(network_id: str, mac: str) -> ApiError:
    return conflict(
        "MacAddressInUse",
        f"Unable to complete operation for network {network_id}. The mac address {mac} is in use.",
    )


def _random(network: Network) -> str:
    """`base_mac`'s first bytes (four when its fourth is set) and random ones."""
    fixed = network.conf.base_mac.split(":")
    kept = 4 if fixed[3] != "00" else 3
    return ":".join([*fixed[:kept], *(f"{random.randrange(256):02x}" for _ in range(6 - kept))])


def changed(network: Network, connection: Connection, row: Row[Any], values: Values) -> str:
    """The MAC after an update; null asks for a new one (extension port-mac-address-regenerate)."""
    if "mac_address" not in values or values["mac_address"] == row.mac_address:
        return str(row.mac_address)
    if row.binding_host_id and row.binding_vif_type not in ("unbound", "binding_failed"):
        raise conflict(
            "PortBound",
            f"Unable to complete operation on port {row.id}, port is already bound, port type: "
            f"{row.binding_vif_type}, old_mac {row.mac_address}, new_mac {values['mac_address']}.",
        )
    return choose(network, connection, row.network_id, values["mac_address"])
