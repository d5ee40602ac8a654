"""The Linux bridge switch: makes, mends and removes what a SwitchPlan asks for.

Ownership is told by the device's alias (`AgentConfig.marker` and what it is), which survives this process. A device
that somebody else made (a hypervisor's tap, the operator's interface) carries no marker: it is put into a bridge and
taken out of it, but never deleted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from cumulet.agents.network import netns, sysctl
from cumulet.agents.network.config import AgentConfig
from cumulet.agents.network.handles import Handles
from cumulet.agents.network.links import Link
from cumulet.agents.network.names import DHCP_NAMESPACE, ROUTER_NAMESPACE
from cumulet.agents.network.planning.plans import BridgePlan, DevicePlan, PhysicalUplink, SwitchPlan, VxlanUplink
from cumulet.agents.network.protocols import Outcome
from cumulet.agents.network.switch import devices, physical, tunnels


class LinuxSwitch:
    def __init__(self, config: AgentConfig, handles: Handles) -> None:
        self._config = config
        self._handles = handles
        self._netlink = handles.host
        self._marker = config.marker
        self._applied: SwitchPlan | None = None
        self._missing: frozenset[str] = frozenset()

    # -- removing -----------------------------------------------------------------------------------------------------

    def retire(self, plan: SwitchPlan, *, verify: bool) -> Outcome:
        outcome = Outcome()
        if self._applied is not None and not verify and not self._anything_ended(self._applied, plan):
            return outcome
        links = self._netlink.links()
        by_index = {link.index: link for link in links.values()}
        uplinks = {b.uplink.name for b in plan.bridges.values() if b.uplink is not None}
        keep = {*plan.devices, *plan.bridges, *uplinks}
        batch = self._netlink.batch()
        bridges = []
        for link in links.values():
            master = by_index.get(link.master)
            if link.alias == self._marker + "bridge":
                if link.name not in keep:
                    bridges.append(link)
            elif link.alias.startswith(self._marker):
                if link.name not in keep:
                    batch.link(link.name, "del", index=link.index)
                    outcome.changed.append(link.name)
            elif master is not None and master.alias == self._marker + "bridge" and link.name not in keep:
                # In a bridge of ours and not ours. With the bridge goes what the operator's interface lent it: the
                # host's addresses. Anything else, say a hypervisor's tap whose port ended, is only taken out.
                if master.name in keep or devices.PORT_DEVICE.match(link.name):
                    batch.link(link.name, "set", index=link.index, master=0)
                else:
                    physical.release(self._netlink, link, master)
                outcome.changed.append(link.name)
        for bridge in bridges:
            batch.link(bridge.name, "del", index=bridge.index)
            outcome.changed.append(bridge.name)
        outcome.errors |= {subject: str(error) for subject, error in batch.send()}
        return outcome

    @staticmethod
    def _anything_ended(old: SwitchPlan, new: SwitchPlan) -> bool:
        ended = old.bridges.keys() - new.bridges.keys() or old.devices.keys() - new.devices.keys()
        moved = any(_uplink_name(b) != _uplink_name(new.bridges[n]) for n, b in old.bridges.items() if n in new.bridges)
        return bool(ended) or moved

    def collect(self, plan: SwitchPlan) -> Outcome:
        outcome = Outcome()
        if self._applied is not None and self._applied.namespaces <= plan.namespaces:
            self._applied = plan
            return outcome
        for name in self._own_namespaces():
            if name not in plan.namespaces:
                self._handles.drop(name)
                netns.delete(name)
                outcome.changed.append(name)
        self._applied = plan
        return outcome

    def _own_namespaces(self) -> list[str]:
        found = []
        for kind in (DHCP_NAMESPACE, ROUTER_NAMESPACE):
            found += [name for name in netns.names(self._config.prefix + kind) if self._is_own(name)]
        return found

    def _is_own(self, namespace: str) -> bool:
        if not netns.exists(namespace):
            return False
        loopback = self._handles.netlink(namespace).link("lo")
        return loopback is not None and loopback.alias == self._marker + "namespace"

    # -- making -------------------------------------------------------------------------------------------------------

    def apply(self, plan: SwitchPlan, *, verify: bool) -> Outcome:
        outcome = Outcome()
        old = self._applied if not verify else None
        self._namespaces(plan, old, outcome)
        changed_bridges = [b for n, b in plan.bridges.items() if old is None or old.bridges.get(n) != b]
        changed_devices = [
            d for n, d in plan.devices.items() if old is None or old.devices.get(n) != d or n in self._missing
        ]
        if not changed_bridges and not changed_devices:
            return outcome
        links = self._find(old, changed_bridges, changed_devices)
        self._bridges(changed_bridges, links, outcome)
        self._uplinks(changed_bridges, old, links, outcome)
        self._devices(changed_devices, links, outcome)
        return outcome

    def _find(self, old: SwitchPlan | None, bridges: list[BridgePlan], ports: list[DevicePlan]) -> dict[str, Link]:
        """The devices that matter: one look at each while they are few, else everything in one go."""
        names = {b.name for b in bridges} | {d.name for d in ports} | {d.bridge for d in ports}
        names |= {d.parent for d in ports if d.parent is not None}
        for bridge in bridges:
            if bridge.uplink is not None:
                names.add(bridge.uplink.name)
                names |= {bridge.uplink.interface} if isinstance(bridge.uplink, PhysicalUplink) else set()
        if old is None or len(names) > 20:
            return self._netlink.links()
        return {name: link for name in names if (link := self._netlink.link(name)) is not None}

    def _namespaces(self, plan: SwitchPlan, old: SwitchPlan | None, outcome: Outcome) -> None:
        for name in sorted(plan.namespaces if old is None else plan.namespaces - old.namespaces):
            try:
                if not netns.exists(name):
                    netns.create(name)
                    outcome.changed.append(name)
                loopback = self._handles.netlink(name).link("lo")
                if loopback is None or not loopback.up or loopback.alias != self._marker + "namespace":
                    batch = self._handles.netlink(name).batch()
                    batch.link(name, "set", index=1, state="up", ifalias=self._marker + "namespace")
                    batch.do()
            except OSError as error:
                outcome.errors[name] = str(error)

    def _bridges(self, wanted: list[BridgePlan], links: dict[str, Link], outcome: Outcome) -> None:
        batch = self._netlink.batch()
        touched = []
        for bridge in wanted:
            link = links.get(bridge.name)
            if not bridge.owned:
                if link is None or link.kind != "bridge":
                    outcome.errors[bridge.name] = "the mapped bridge does not exist on this host"
                continue
            if link is None:
                batch.link(bridge.name, "add", ifname=bridge.name, kind="bridge", br_stp_state=0,
                           br_forward_delay=0, br_mcast_snooping=0)  # fmt: skip
            alias = self._marker + "bridge"
            if link is None or link.mtu != bridge.mtu or not link.up or link.alias != alias:
                batch.link(bridge.name, "set", ifname=bridge.name, mtu=bridge.mtu, state="up", ifalias=alias)
                touched.append(bridge)
        for subject, error in batch.send():
            outcome.errors[subject] = str(error)
        for bridge in touched:
            outcome.changed.append(bridge.name)
            found = self._netlink.link(bridge.name)
            if found is not None:
                links[bridge.name] = found
        self._keep_host_out(wanted, outcome)

    def _keep_host_out(self, wanted: list[BridgePlan], outcome: Outcome) -> None:
        """On a network where the host has no business it must not even have a link-local address."""
        for bridge in wanted:
            if not bridge.owned or isinstance(bridge.uplink, PhysicalUplink):
                continue
            try:
                outcome.changed += sysctl.ensure(
                    self._config.host_namespace,
                    {f"ipv6/conf/{bridge.name}/disable_ipv6": 1, f"ipv4/conf/{bridge.name}/arp_ignore": 8},
                )
            except FileNotFoundError:
                continue  # a host without IPv6 has no such setting, and no such address either
            except OSError as error:
                outcome.errors[bridge.name] = str(error)

    def _uplinks(
        self, wanted: list[BridgePlan], old: SwitchPlan | None, links: dict[str, Link], outcome: Outcome
    ) -> None:
        have: dict[int, set[tuple[str, str]]] | None = None
        for bridge in wanted:
            link = links.get(bridge.name)
            if bridge.uplink is None or link is None:
                continue
            try:
                if isinstance(bridge.uplink, PhysicalUplink):
                    self._physical(bridge.uplink, bridge, link, links, outcome)
                    continue
                before = old.bridges.get(bridge.name) if old is not None else None
                if self._tunnel(bridge.uplink, bridge, link, links, outcome) or before is None:
                    have = self._forwarding() if have is None else have
                    index = links[bridge.uplink.name].index
                    known = have.get(index, set())
                else:
                    index = links[bridge.uplink.name].index
                    known = set(tunnels.entries_of(before.uplink)) if isinstance(before.uplink, VxlanUplink) else set()
                entries = set(tunnels.entries_of(bridge.uplink))
                if known != entries:
                    batch = self._netlink.batch()
                    tunnels.forward(batch, bridge.uplink.name, index, known, entries)
                    outcome.changed.append(bridge.uplink.name)
                    outcome.errors |= {subject: str(error) for subject, error in batch.send()}
            except OSError as error:
                outcome.errors[bridge.uplink.name] = str(error)

    def _tunnel(
        self, uplink: VxlanUplink, bridge: BridgePlan, master: Link, links: dict[str, Link], outcome: Outcome
    ) -> bool:
        """Have the VXLAN device; True if it is new (and forwards nothing yet)."""
        local, port = self._config.local_ip or "", self._config.vxlan_port
        link = links.get(uplink.name)
        batch = self._netlink.batch()
        alias = self._marker + "uplink"
        new = link is None or not tunnels.is_right(link, uplink, local, port)
        if new:
            if link is not None:
                batch.link(uplink.name, "del", index=link.index)
            tunnels.create(batch, uplink.name, uplink, local, port, bridge.mtu, master.index)
            batch.link(uplink.name, "set", ifname=uplink.name, ifalias=alias)
        elif link is not None and (link.master, link.mtu, link.up, link.alias) != (
            master.index,
            bridge.mtu,
            True,
            alias,
        ):
            batch.link(uplink.name, "set", index=link.index, master=master.index, mtu=bridge.mtu, state="up",
                       ifalias=alias)  # fmt: skip
        else:
            return False
        batch.do()
        outcome.changed.append(uplink.name)
        found = self._netlink.link(uplink.name)
        if found is None:
            raise OSError(f"{uplink.name} is gone as soon as it was made")
        links[uplink.name] = found
        return new

    def _forwarding(self) -> dict[int, set[tuple[str, str]]]:
        found: dict[int, set[tuple[str, str]]] = {}
        for index, mac, end_point, _ in self._netlink.forwarding():
            if end_point is not None:
                found.setdefault(index, set()).add((mac, end_point))
        return found

    def _physical(
        self, uplink: PhysicalUplink, bridge: BridgePlan, master: Link, links: dict[str, Link], outcome: Outcome
    ) -> None:
        interface = links.get(uplink.interface)
        if interface is None:
            raise OSError(f"interface {uplink.interface} does not exist on this host")
        if uplink.vlan is None:
            if physical.take(self._netlink, interface, master):
                outcome.changed.append(uplink.name)
            return
        link = links.get(uplink.name)
        alias = self._marker + "uplink"
        wrong = link is not None and (link.kind != "vlan" or link.info.get("id") != uplink.vlan)
        batch = self._netlink.batch()
        if link is not None and wrong:
            batch.link(uplink.name, "del", index=link.index)
        if link is None or wrong:
            batch.link(uplink.name, "add", ifname=uplink.name, kind="vlan", link=interface.index,
                       vlan_id=uplink.vlan)  # fmt: skip
        elif (link.master, link.up, link.alias) == (master.index, True, alias):
            return
        batch.link(uplink.name, "set", ifname=uplink.name, master=master.index, state="up", ifalias=alias)
        batch.link(uplink.name, "set", index=interface.index, state="up")
        batch.do()
        outcome.changed.append(uplink.name)

    def _devices(self, wanted: list[DevicePlan], links: dict[str, Link], outcome: Outcome) -> None:
        batch = self._netlink.batch()
        missing, created = set(self._missing), []
        descriptors: dict[str, int] = {}
        try:
            for device in wanted:
                missing.discard(device.name)
                master = links.get(device.bridge)
                if master is None:
                    outcome.errors[device.port_id] = f"bridge {device.bridge} could not be made"
                    continue
                link = links.get(device.name)
                if link is not None and device.kind == "veth" and not devices.inner_end_is_right(self._handles, device):
                    batch.link(device.port_id, "del", index=link.index)
                    link = None
                parent = links.get(device.parent) if device.parent is not None else None
                if link is not None and device.kind == "vlan" and not devices.is_part_of(link, device, parent):
                    batch.link(device.port_id, "del", index=link.index)
                    link = None
                if link is None and (device.kind == "external" or (device.kind == "vlan" and parent is None)):
                    missing.add(device.name)
                elif link is None and device.kind == "vlan" and parent is not None:
                    devices.create_vlan(batch, device, parent, master.index)
                    batch.link(device.port_id, "set", ifname=device.name, ifalias=self._marker + "port")
                    created.append(device)
                elif link is None:
                    if self._create(batch, device, master.index, descriptors, outcome):
                        created.append(device)
                else:
                    alias = None if device.kind == "external" else self._marker + "port"
                    settings = devices.adjustments(device, link, master.index, alias)
                    if settings:
                        batch.link(device.port_id, "set", index=link.index, **settings)
                        outcome.changed.append(device.name)
            failed = {subject: str(error) for subject, error in batch.send()}
        finally:
            for descriptor in descriptors.values():
                os.close(descriptor)
        outcome.errors |= failed
        outcome.changed += [device.name for device in created if device.port_id not in failed]
        self._missing = frozenset(missing)

    def _create(
        self, batch: Any, device: DevicePlan, master: int, descriptors: dict[str, int], outcome: Outcome
    ) -> bool:
        try:
            if device.kind == "tap":
                devices.create_tap(self._config.host_namespace, device.name)
                batch.link(device.port_id, "set", ifname=device.name, master=master, mtu=device.mtu,
                           address=devices.outer_mac(device.mac), state="up" if device.up else "down",
                           ifalias=self._marker + "port")  # fmt: skip
                return True
            if device.namespace is not None and device.namespace not in descriptors:
                descriptors[device.namespace] = os.open(netns.path(device.namespace), os.O_RDONLY | os.O_CLOEXEC)
            devices.create_veth(batch, device, descriptors.get(device.namespace or ""), master)
            batch.link(device.port_id, "set", ifname=device.name, ifalias=self._marker + "port")
        except OSError as error:
            outcome.errors[device.port_id] = str(error)
            return False
        return True

    # -- telling ------------------------------------------------------------------------------------------------------

    def missing(self) -> frozenset[str]:
        return self._missing

    def observe(self) -> dict[str, Any]:
        links = self._netlink.links()
        names = {link.index: link.name for link in links.values()}
        bridges: dict[str, list[str]] = {
            link.name: [] for link in links.values() if link.alias == self._marker + "bridge"
        }
        for link in links.values():
            if names.get(link.master) in bridges:
                bridges[names[link.master]].append(link.name)
        tunnel_names = {
            link.index: link.name
            for link in links.values()
            if link.kind == "vxlan" and link.alias.startswith(self._marker)
        }
        entries: dict[str, Iterable[tuple[str, str]]] = dict.fromkeys(tunnel_names.values(), ())
        entries |= {tunnel_names[i]: sorted(e) for i, e in self._forwarding().items() if i in tunnel_names}
        return {
            "bridges": {name: sorted(inside) for name, inside in bridges.items()},
            "tunnels": {name: list(found) for name, found in entries.items()},
            "namespaces": self._own_namespaces(),
        }

    def purge(self) -> None:
        self._applied = None
        nothing = SwitchPlan()
        outcome = self.retire(nothing, verify=True)
        outcome.add(self.collect(nothing))
        self._applied, self._missing = None, frozenset()
        if outcome.errors:
            raise OSError("; ".join(f"{name}: {reason}" for name, reason in outcome.errors.items()))


def _uplink_name(bridge: BridgePlan) -> str | None:
    return None if bridge.uplink is None else bridge.uplink.name
