"""From the wanted state to what each driver should have: pure functions, without a look at the host.

Where one object cannot be planned (its network is unknown, say), it is left out, the reason goes into `errors`, and all
the others are planned as if it were not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from cumulet.agents.network.config import AgentConfig
from cumulet.agents.network.planning.bridges import plan_bridge
from cumulet.agents.network.planning.dhcp import plan_dhcp
from cumulet.agents.network.planning.metadata import plan_metadata
from cumulet.agents.network.planning.plans import FilterPlan, HostPlan, PhysicalUplink, SwitchPlan
from cumulet.agents.network.planning.ports import inner_ends, plan_device, plan_filter
from cumulet.agents.network.planning.routers import plan_router
from cumulet.agents.network.planning.view import Unplannable, View
from cumulet.agents.network.state import WantedState

__all__ = ["plan"]

Planned = TypeVar("Planned")


def plan(state: WantedState, config: AgentConfig) -> HostPlan:
    """Everything for one host."""
    view = View.of(state, config)
    errors: dict[str, str] = {}

    def each(kind: str, items: Iterable[Any], make: Callable[[View, Any], Planned]) -> list[Planned]:
        planned = []
        for item in items:
            try:
                planned.append(make(view, item))
            except (Unplannable, ValueError) as error:
                errors[f"{kind}/{item.id}"] = str(error)
        return planned

    bridges = {b.name: b for b in each("networks", state.networks.values(), plan_bridge)}
    served = [network for network in state.networks.values() if network.dhcp and config.enable_dhcp]
    dhcp = {p.network_id: p for p in each("networks", served, plan_dhcp)}
    routed = [router for router in state.routers.values() if router.admin_state_up and config.enable_routers]
    routers = {p.router_id: p for p in each("routers", routed, plan_router)}

    inner = inner_ends(view, dhcp.values(), routers.values())
    reachable = {port for port in state.ports.values() if view.bridge_name(port.network_id) in bridges}
    for port in state.ports.values():
        if port not in reachable:
            errors.setdefault(f"ports/{port.id}", f"its network {port.network_id} is not wired here")
    filters = {f.device: f for f in each("ports", reachable, lambda v, p: plan_filter(v, inner, p))}
    # No device without its filter: a port that cannot be filtered is not plugged.
    pluggable = [port for port in reachable if f"ports/{port.id}" not in errors]
    devices = {d.name: d for d in each("ports", pluggable, lambda v, p: plan_device(v, inner, p))}
    return HostPlan(
        switch=SwitchPlan(
            bridges=bridges,
            devices=devices,
            namespaces=frozenset({p.namespace for p in dhcp.values()} | {p.namespace for p in routers.values()}),
        ),
        filter=FilterPlan(
            # The host may have an address on a physical network's bridge; on a tunnel's or a local one it never has.
            bridges={b.name: not b.owned or _is_flat(b.uplink) for b in bridges.values()},
            uplinks={b.uplink.name: b.name for b in bridges.values() if b.uplink is not None},
            ports=filters,
            groups=state.security_groups,
            address_sets=state.address_sets,
        ),
        dhcp=dhcp,
        routers=routers,
        metadata=plan_metadata(view, dhcp, routers),
        qos={device: q for device, q in ((d.name, state.ports[d.port_id].qos) for d in devices.values()) if q},
        errors=view.notes | errors,
    )


def _is_flat(uplink: object) -> bool:
    return isinstance(uplink, PhysicalUplink) and uplink.vlan is None
