"""A simulated host for the network agent: drivers that act on a dictionary instead of a kernel.

They need no root and no tools, and pass the same contract tests as the real ones. A `SimulatedHost` is what they share;
it can be made slow, made to fail for chosen objects, and broken as an operator's hand would break a real one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from msgspec import Struct, field

from cumulet.agents.network.filter.flows import Judge
from cumulet.agents.network.planning.plans import (
    DhcpPlan,
    FilterPlan,
    MetadataPlan,
    RouterPlan,
    SwitchPlan,
    VxlanUplink,
)
from cumulet.agents.network.protocols import Drivers, Outcome
from cumulet.agents.network.state import Qos, ip_address
from cumulet.agents.network.switch.tunnels import entries_of


class SimulatedHost(Struct):
    """What "is" on the host, by part, and how it behaves.

    `delay` is seconds for each change; `faults` maps an object's id or name to the error that changing it gives.
    `external_devices` are taps that a hypervisor has made; `foreign` stands for what is not the agent's and must stay.
    """

    delay: float = 0.0
    faults: dict[str, str] = field(default_factory=dict)
    external_devices: set[str] = field(default_factory=set)
    bridges: dict[str, set[str]] = field(default_factory=dict)
    devices: dict[str, str] = field(default_factory=dict)
    tunnels: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    namespaces: set[str] = field(default_factory=set)
    filters: FilterPlan = field(default_factory=FilterPlan)
    dhcp: dict[str, DhcpPlan] = field(default_factory=dict)
    routers: dict[str, RouterPlan] = field(default_factory=dict)
    metadata: dict[str, MetadataPlan] = field(default_factory=dict)
    qos: dict[str, Qos] = field(default_factory=dict)
    ha_states: dict[str, str] = field(default_factory=dict)
    metering: dict[str, tuple[int, int]] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)
    lock: Any = field(default_factory=threading.RLock)

    def change(self, outcome: Outcome, subject: str, act: Callable[[], object]) -> None:
        """Do one change, after its delay, unless it is to fail."""
        if self.delay:
            time.sleep(self.delay)
        if subject in self.faults:
            outcome.errors[subject] = self.faults[subject]
            return
        act()
        outcome.changed.append(subject)


class SimulatedSwitch:
    def __init__(self, host: SimulatedHost) -> None:
        self._host = host
        self._missing: frozenset[str] = frozenset()

    def retire(self, plan: SwitchPlan, *, verify: bool) -> Outcome:
        outcome, host = Outcome(), self._host
        uplinks = {b.uplink.name for b in plan.bridges.values() if b.uplink is not None}
        with host.lock:
            for name in host.devices.keys() - plan.devices.keys() - uplinks:
                host.change(outcome, name, lambda name=name: self._unplug(name))  # type: ignore[misc]
            for name in host.tunnels.keys() - uplinks:
                host.change(outcome, name, lambda name=name: self._unplug(name))  # type: ignore[misc]
            for name in host.bridges.keys() - plan.bridges.keys():
                host.change(outcome, name, lambda name=name: host.bridges.pop(name))  # type: ignore[misc]
            for bridge in host.bridges.values():
                for name in sorted(bridge - plan.devices.keys() - uplinks):
                    host.change(outcome, name, lambda b=bridge, n=name: b.discard(n))  # type: ignore[misc]
        return outcome

    def _unplug(self, name: str) -> None:
        self._host.devices.pop(name, None)
        self._host.tunnels.pop(name, None)
        for inside in self._host.bridges.values():
            inside.discard(name)

    def apply(self, plan: SwitchPlan, *, verify: bool) -> Outcome:
        outcome, host = Outcome(), self._host
        missing = set()
        with host.lock:
            for name in sorted(plan.namespaces - host.namespaces):
                host.change(outcome, name, lambda name=name: host.namespaces.add(name))  # type: ignore[misc]
            for bridge in plan.bridges.values():
                if bridge.name not in host.bridges:
                    host.change(outcome, bridge.name, lambda n=bridge.name: host.bridges.update({n: set()}))  # type: ignore[misc]
                if bridge.uplink is not None and bridge.name in host.bridges:
                    wanted = sorted(entries_of(bridge.uplink)) if isinstance(bridge.uplink, VxlanUplink) else None
                    self._plug(outcome, bridge.uplink.name, bridge.name, bridge.uplink.name)
                    if wanted is not None and host.tunnels.get(bridge.uplink.name) != wanted:
                        host.change(
                            outcome, bridge.uplink.name,
                            lambda n=bridge.uplink.name, w=wanted: host.tunnels.update({n: w}),  # type: ignore[misc]
                        )  # fmt: skip
            # A trunk before its parts.
            for device in sorted(plan.devices.values(), key=lambda device: device.kind == "vlan"):
                if device.kind == "external" and device.name not in host.external_devices:
                    missing.add(device.name)
                    continue
                if device.kind == "vlan" and device.parent not in host.devices:
                    missing.add(device.name)
                    continue
                self._plug(outcome, device.port_id, device.bridge, device.name)
        self._missing = frozenset(missing)
        return outcome

    def _plug(self, outcome: Outcome, subject: str, bridge: str, name: str) -> None:
        inside = self._host.bridges.get(bridge)
        if inside is None:
            outcome.errors[subject] = f"bridge {bridge} could not be made"
        elif name not in inside:

            def put() -> None:
                inside.add(name)
                self._host.devices[name] = bridge

            self._host.change(outcome, subject, put)

    def collect(self, plan: SwitchPlan) -> Outcome:
        outcome, host = Outcome(), self._host
        with host.lock:
            for name in sorted(host.namespaces - plan.namespaces):
                host.change(outcome, name, lambda name=name: host.namespaces.discard(name))  # type: ignore[misc]
        return outcome

    def missing(self) -> frozenset[str]:
        return self._missing

    def observe(self) -> dict[str, Any]:
        host = self._host
        return {
            "bridges": {name: sorted(inside) for name, inside in host.bridges.items()},
            "tunnels": dict(host.tunnels),
            "namespaces": sorted(host.namespaces),
        }

    def purge(self) -> None:
        nothing = SwitchPlan()
        self.retire(nothing, verify=True)
        self.collect(nothing)
        self._missing = frozenset()


class SimulatedFilter:
    """Knows what would pass: `permits` judges a connection as the real tables do."""

    def __init__(self, host: SimulatedHost) -> None:
        self._host = host

    def apply(self, plan: FilterPlan, *, verify: bool) -> Outcome:
        outcome, host = Outcome(), self._host
        if host.filters is not plan and host.filters != plan:

            def put() -> None:
                host.filters = plan

            host.change(outcome, "filter", put)
        return outcome

    def disturbed(self) -> bool:
        return False  # nobody but `apply` and `purge` changes it

    def permits(self, connection: Any) -> bool:
        """Whether the ports at both ends allow the connection (`filter.conntrack.Connection`)."""
        plan = self._host.filters
        judge = Judge(plan)
        sides = (("egress", connection.original.source), ("ingress", connection.original.destination))
        for direction, address in sides:
            port = self._port_of(address)
            if port is not None and not judge.allows(port, direction, connection):  # type: ignore[arg-type]
                return False
        return True

    def _port_of(self, address: str) -> Any:
        own = f"{address}/{ip_address(address).max_prefixlen}"
        for port in self._host.filters.ports.values():
            if port.mode == "guest" and any(cidr == own for _, cidr in port.sources):
                return port
        return None

    def observe(self) -> dict[str, Any]:
        plan = self._host.filters
        guests = [port for port in plan.ports.values() if port.mode == "guest"]
        used = {group for port in guests for group in port.groups or () if plan.groups[group].rules}
        modes = {p.device: "guest" if p.mode == "guest" else "unfiltered" for p in plan.ports.values()}
        return {"ports": dict(sorted(modes.items())), "groups": sorted(used)}

    def purge(self) -> None:
        self._host.filters = FilterPlan()


class _ByKey:
    """A driver whose whole work is one thing for each plan."""

    def __init__(self, host: SimulatedHost, part: str, kind: str) -> None:
        self._host = host
        self._part = part
        self._kind = kind

    @property
    def _have(self) -> dict[str, Any]:
        have: dict[str, Any] = getattr(self._host, self._part)
        return have

    def apply(self, plans: dict[str, Any], *, verify: bool) -> Outcome:
        outcome, have = Outcome(), self._have
        with self._host.lock:
            for key in have.keys() - plans.keys():
                self._host.change(outcome, f"{self._kind}/{key}", lambda key=key: have.pop(key))  # type: ignore[misc]
            for key, plan in plans.items():
                if have.get(key) != plan:
                    self._host.change(outcome, f"{self._kind}/{key}", lambda k=key, p=plan: have.update({k: p}))  # type: ignore[misc]
        return outcome

    def purge(self) -> None:
        self._have.clear()


class SimulatedDhcp(_ByKey):
    def observe(self) -> dict[str, Any]:
        return {
            network_id: sorted((host.mac, address) for host in plan.hosts for _, address in host.addresses)
            for network_id, plan in sorted(self._have.items())
        }


class SimulatedRouters(_ByKey):
    def ha_states(self) -> dict[str, str]:
        """Active unless the test says otherwise through `SimulatedHost.ha_states`."""
        return {
            router_id: self._host.ha_states.get(router_id, "active")
            for router_id, plan in self._have.items()
            if plan.ha is not None
        }

    def counters(self) -> dict[str, tuple[int, int]]:
        labels = {meter.label_id for plan in self._have.values() for meter in plan.metering}
        return {label: self._host.metering.get(label, (0, 0)) for label in labels}

    def observe(self) -> dict[str, Any]:
        found = {}
        for router_id, plan in self._have.items():
            addresses = [cidr for device in plan.interfaces for cidr in device.addresses]
            if plan.gateway is not None:
                addresses += plan.gateway.device.addresses
                addresses += [f"{f.floating_ip_address}/32" for f in plan.floating_ips]
            found[router_id] = {
                "addresses": sorted(addresses),
                "floating_ips": sorted((f.floating_ip_address, f.fixed_ip_address) for f in plan.floating_ips),
            }
        return found


class SimulatedMetadata(_ByKey):
    def observe(self) -> dict[str, Any]:
        return {key: sorted(address for address, _ in plan.instances) for key, plan in self._have.items()}


class SimulatedQos(_ByKey):
    def observe(self) -> dict[str, Any]:
        return {
            device: (qos.ingress_kbps, bool(qos.egress_kbps or qos.egress_kpps or qos.dscp_mark is not None))
            for device, qos in sorted(self._have.items())
        }


def simulated_drivers(host: SimulatedHost) -> Drivers:
    """The six drivers of one simulated host."""
    return Drivers(
        switch=SimulatedSwitch(host),
        filter=SimulatedFilter(host),
        dhcp=SimulatedDhcp(host, "dhcp", "networks"),
        routers=SimulatedRouters(host, "routers", "routers"),
        metadata=SimulatedMetadata(host, "metadata", "metadata"),
        qos=SimulatedQos(host, "qos", "qos"),
    )
