"""The drivers' edges. Real ones act on a kernel, simulated ones on a dictionary; both pass one contract test.

Every `apply` takes the whole of what should be and is idempotent. With `verify` the driver looks at what is and repairs
it; without, it may trust that things are as it left them and touch only what the plan changes. What fails for one
object is reported under its id and never keeps the others from being done; it is tried again the next time.
`observe` tells what is there in the driver's own plain terms, for the contract tests and the curious operator.
`purge` takes away all that is the driver's, whether or not this process made it, and nothing else.
"""

from __future__ import annotations

from typing import Any, Protocol

from msgspec import Struct, field

from cumulet.agents.network.planning.plans import DhcpPlan, FilterPlan, MetadataPlan, RouterPlan, SwitchPlan
from cumulet.agents.network.state import Qos


class Outcome(Struct):
    """What an `apply` did: `changed` names what it made, altered or removed, `errors` says by object what failed."""

    changed: list[str] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)

    def add(self, other: Outcome) -> None:
        self.changed += other.changed
        self.errors |= other.errors


class Switch(Protocol):
    """Bridges, tunnels, ports' devices and namespaces."""

    def retire(self, plan: SwitchPlan, *, verify: bool) -> Outcome:
        """Remove devices, uplinks and bridges not in the plan; before their filters go, so none passes unfiltered."""

    def apply(self, plan: SwitchPlan, *, verify: bool) -> Outcome:
        """Make what is in the plan and missing, mend what is wrong."""

    def collect(self, plan: SwitchPlan) -> Outcome:
        """Remove namespaces that are not in the plan, once nothing runs in them any more."""

    def missing(self) -> frozenset[str]:
        """Devices of `external` ports that nobody has made yet."""

    def observe(self) -> dict[str, Any]:
        """`bridges`: name -> sorted devices in it; `tunnels`: name -> sorted (MAC, end point); `namespaces`: names."""

    def purge(self) -> None: ...


class Filter(Protocol):
    """Anti-spoofing and security groups."""

    def apply(self, plan: FilterPlan, *, verify: bool) -> Outcome: ...

    def disturbed(self) -> bool:
        """Whether somebody else may have altered it since it was last looked at. Cheap enough for once a second."""

    def observe(self) -> dict[str, Any]:
        """`ports`: device -> mode; `groups`: ids of the groups that are in force."""

    def purge(self) -> None: ...


class Dhcp(Protocol):
    """A DHCP server a network."""

    def apply(self, plans: dict[str, DhcpPlan], *, verify: bool) -> Outcome: ...

    def observe(self) -> dict[str, Any]:
        """Network id -> sorted (MAC, address) pairs that it would lease."""

    def purge(self) -> None: ...


class Routers(Protocol):
    """Routers with their NAT, advertisements, high availability and metering."""

    def apply(self, plans: dict[str, RouterPlan], *, verify: bool) -> Outcome: ...

    def ha_states(self) -> dict[str, str]:
        """Router id -> `active` or `standby`, for routers with high availability."""

    def counters(self) -> dict[str, tuple[int, int]]:
        """Metering label id -> packets and bytes since it was made."""

    def observe(self) -> dict[str, Any]:
        """Router id -> {`addresses`: sorted CIDRs, `floating_ips`: sorted (floating, fixed)}."""

    def purge(self) -> None: ...


class Metadata(Protocol):
    """Listeners at 169.254.169.254."""

    def apply(self, plans: dict[str, MetadataPlan], *, verify: bool) -> Outcome: ...

    def observe(self) -> dict[str, Any]:
        """Namespace -> sorted addresses whose instances are known there."""

    def purge(self) -> None: ...


class QosDriver(Protocol):
    """Bandwidth, packet rate and DSCP of ports."""

    def apply(self, plans: dict[str, Qos], *, verify: bool) -> Outcome: ...

    def observe(self) -> dict[str, Any]:
        """Device -> (kbit/s towards the guest, whether what it sends is limited or marked)."""

    def purge(self) -> None: ...


class Drivers(Struct, frozen=True):
    """The six an agent works with."""

    switch: Switch
    filter: Filter
    dhcp: Dhcp
    routers: Routers
    metadata: Metadata
    qos: QosDriver
