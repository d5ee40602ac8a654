"""What an agent tells the control plane after it has done something."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

PortStatus = Literal["ACTIVE", "DOWN", "ERROR"]


class Report(Struct, frozen=True):
    """The host as it is. `generation` is the last one applied: deltas may start from there.

    `errors` says by `kind/id` (or by part: `filter`, `metadata`, `qos`) what could not be had; it is tried again all
    the time. `ha_states` (`active` or `standby` by router) and `metering` (packets and bytes by label) are as of the
    last look at everything, a few seconds ago. `repaired` names what had been altered or lost since the look before
    and is in place again.
    """

    host: str
    generation: int
    ports: dict[str, PortStatus] = {}
    errors: dict[str, str] = {}
    ha_states: dict[str, str] = {}
    metering: dict[str, tuple[int, int]] = {}
    dhcp_networks: tuple[str, ...] = ()
    routers: tuple[str, ...] = ()
    repaired: tuple[str, ...] = ()

    def agents(self) -> dict[str, dict[str, int]]:
        """The four agents of `network agent list` that this host plays, with the counts they show."""
        return {
            "neutron-linuxbridge-agent": {"devices": len(self.ports)},
            "neutron-dhcp-agent": {"networks": len(self.dhcp_networks), "ports": len(self.ports)},
            "neutron-l3-agent": {"routers": len(self.routers)},
            "neutron-metadata-agent": {},
        }
