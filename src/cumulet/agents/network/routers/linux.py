"""The router driver: devices, addresses and routes, the NAT table, radvd and keepalived."""

from __future__ import annotations

import logging
import shutil
from typing import Any

from cumulet.agents.network import processes, sysctl
from cumulet.agents.network.addressing import WantedRoute, ensure_addresses, ensure_routes
from cumulet.agents.network.config import AgentConfig
from cumulet.agents.network.filter.conntrack import Conntrack
from cumulet.agents.network.handles import Handles
from cumulet.agents.network.links import Link
from cumulet.agents.network.netlink import Netlink
from cumulet.agents.network.nft.kernel import Kernel, KernelTable
from cumulet.agents.network.nft.library import NftError
from cumulet.agents.network.planning.plans import RouterDevice, RouterPlan
from cumulet.agents.network.protocols import Outcome
from cumulet.agents.network.routers import keepalived, nat, radvd
from cumulet.agents.network.routers.announce import announce
from cumulet.agents.network.state import ip_address, ip_network

log = logging.getLogger(__name__)

_SETTINGS = {
    "ipv4/ip_forward": 1,
    "ipv6/conf/all/forwarding": 1,
    # A router answers for an address only on the device that has it.
    "ipv4/conf/all/arp_ignore": 1,
    "ipv4/conf/all/arp_announce": 2,
    "ipv4/conf/all/send_redirects": 0,
    "ipv4/conf/default/send_redirects": 0,
}
_METADATA_ADDRESSES = ("169.254.169.254", "fe80::a9fe:a9fe")


class LinuxRouters:
    def __init__(self, config: AgentConfig, handles: Handles) -> None:
        self._config = config
        self._handles = handles
        self._directory = config.state_dir / "routers"
        self._applied: dict[str, RouterPlan] = {}
        self._tables: dict[str, tuple[Kernel, KernelTable]] = {}
        self._ha_states: dict[str, str] = {}

    def apply(self, plans: dict[str, RouterPlan], *, verify: bool) -> Outcome:
        outcome = Outcome()
        for router_id in self._known() - plans.keys():
            self._stop(router_id)
            outcome.changed.append(f"router {router_id}")
        for router_id, plan in plans.items():
            before = self._applied.get(router_id)
            if before is not None and not verify and (before is plan or before == plan):
                continue
            try:
                self._route(plan, before, outcome)
            except (OSError, NftError, ValueError, processes.DaemonFailed) as error:
                self._applied.pop(router_id, None)
                outcome.errors[f"routers/{router_id}"] = str(error)
            else:
                self._applied[router_id] = plan
        return outcome

    def _known(self) -> set[str]:
        return {entry.name for entry in self._directory.iterdir()} if self._directory.is_dir() else set()

    # -- one router ---------------------------------------------------------------------------------------------------

    def _route(self, plan: RouterPlan, before: RouterPlan | None, outcome: Outcome) -> None:
        netlink = self._handles.netlink(plan.namespace)
        directory = self._directory / plan.router_id
        directory.mkdir(parents=True, exist_ok=True, mode=0o711)
        changed = bool(sysctl.ensure(plan.namespace, _SETTINGS))
        devices = [*plan.interfaces, *([plan.gateway.device] if plan.gateway else [])]
        devices += [plan.ha_device] if plan.ha_device else []
        # The table comes before the addresses: no packet is to leave untranslated.
        changed = self._table(plan).apply(nat.build(self._config.table, plan)) or changed
        links = self._devices_up(plan, devices, netlink)
        addresses, routes = _addresses(plan), _routes(plan)
        if plan.ha is not None and plan.ha_device is not None:
            have = netlink.addresses()
            ensure_addresses(
                netlink,
                links[plan.ha_device.name],
                plan.ha_device.addresses,
                [a for a in have if a.address != keepalived.vip(plan.ha)],
                keep_link_local=True,
            )
            changed = keepalived.ensure(plan, plan.ha, plan.ha_device, addresses, routes, directory) or changed
            active = any(a.address == keepalived.vip(plan.ha) for a in have)
            self._note_ha_state(plan, active)
        else:
            changed = self._addressed(plan, netlink, links, addresses, routes) or changed
            active = True
        changed = radvd.ensure(plan, directory, active=active) or changed
        self._end_translations(plan, before)
        if changed:
            outcome.changed.append(f"router {plan.router_id}")

    def _table(self, plan: RouterPlan) -> KernelTable:
        kernel = self._handles.nftables(plan.namespace)
        known = self._tables.get(plan.router_id)
        if known is None or known[0] is not kernel:
            known = (kernel, KernelTable(kernel, "inet", self._config.table))
            self._tables[plan.router_id] = known
        if not known[1].verify():
            log.warning("the table of router %s had been altered and is in place again", plan.router_id)
        return known[1]

    def _devices_up(self, plan: RouterPlan, devices: list[RouterDevice], netlink: Netlink) -> dict[str, Link]:
        present = netlink.links()
        batch = netlink.batch()
        links = {}
        for device in devices:
            link = present.get(device.name)
            if link is None:
                raise OSError(f"{device.name} is not in {plan.namespace}")
            links[device.name] = link
            settings: dict[str, str | int] = {f"ipv6/conf/{device.name}/accept_ra": 0}
            if plan.ha is not None and device is not plan.ha_device:
                # Both hosts' devices have one MAC; only keepalived gives them an address, link-local ones included.
                settings[f"ipv6/conf/{device.name}/addr_gen_mode"] = 1
            sysctl.ensure_if_there(plan.namespace, settings)
            if not link.up or link.mtu != device.mtu:
                batch.link(device.name, "set", index=link.index, state="up", mtu=device.mtu)
        batch.do()
        return links

    def _addressed(
        self,
        plan: RouterPlan,
        netlink: Netlink,
        links: dict[str, Link],
        addresses: dict[str, tuple[str, ...]],
        routes: list[tuple[str, str | None, str]],
    ) -> bool:
        have = [a for a in netlink.addresses() if a.address not in _METADATA_ADDRESSES]
        changed = False
        for name, cidrs in addresses.items():
            added = ensure_addresses(netlink, links[name], cidrs, have, keep_link_local=True)
            if added:
                changed = True
                announce(plan.namespace, name, links[name].mac, [cidr.split("/")[0] for cidr in added])
        wanted = [WantedRoute(destination, next_hop, links[name].index) for destination, next_hop, name in routes]
        connected = [(cidr, links[name].index) for name, cidrs in addresses.items() for cidr in cidrs]
        return bool(ensure_routes(netlink, wanted, connected)) or changed

    def _note_ha_state(self, plan: RouterPlan, active: bool) -> None:
        state = "active" if active else "standby"
        if self._ha_states.get(plan.router_id) != state:
            log.info("router %s is %s here", plan.router_id, state)
            self._ha_states[plan.router_id] = state

    def _end_translations(self, plan: RouterPlan, before: RouterPlan | None) -> None:
        """Connections of a floating IP or forwarding that is no longer: they would go on to the old server."""
        if before is None:
            return
        lost = {f.floating_ip_address for f in before.floating_ips if f not in plan.floating_ips}
        lost |= {f.floating_ip_address for f in before.port_forwardings if f not in plan.port_forwardings}
        if not lost:
            return
        conntrack = Conntrack(plan.namespace)
        try:
            conntrack.delete(
                c for c in conntrack.connections() if c.original.destination in lost or c.reply.destination in lost
            )
        finally:
            conntrack.close()

    def _stop(self, router_id: str) -> None:
        directory = self._directory / router_id
        keepalived.stop(directory)
        token = f"--pidfile={directory / 'radvd.pid'}"
        processes.stop(directory / "radvd.pid", token)
        shutil.rmtree(directory, ignore_errors=True)
        self._applied.pop(router_id, None)
        self._tables.pop(router_id, None)
        self._ha_states.pop(router_id, None)

    # -- telling ------------------------------------------------------------------------------------------------------

    def ha_states(self) -> dict[str, str]:
        for router_id, plan in self._applied.items():
            if plan.ha is not None:
                addresses = self._handles.netlink(plan.namespace).addresses()
                self._note_ha_state(plan, any(a.address == keepalived.vip(plan.ha) for a in addresses))
            else:
                self._ha_states.pop(router_id, None)
        return dict(self._ha_states)

    def counters(self) -> dict[str, tuple[int, int]]:
        totals: dict[str, tuple[int, int]] = {}
        for router_id, plan in self._applied.items():
            if not plan.metering:
                continue
            for name, (packets, octets) in self._tables[router_id][1].counters().items():
                label = nat.label_of(name)
                before = totals.get(label, (0, 0))
                totals[label] = (before[0] + packets, before[1] + octets)
        return totals

    def observe(self) -> dict[str, Any]:
        found = {}
        for router_id, plan in self._applied.items():
            netlink = self._handles.netlink(plan.namespace)
            ours = {link.index for link in netlink.links().values() if link.name[:3] in ("qr-", "qg-")}
            floating = []
            for entry in self._handles.nftables(plan.namespace).list_table("inet", self._config.table):
                if entry.get("map", {}).get("name") == "floating":
                    floating = sorted((outer, inner) for outer, inner in entry["map"].get("elem", []))
            found[router_id] = {
                "addresses": sorted(a.cidr for a in netlink.addresses() if a.index in ours and a.scope == 0),
                "floating_ips": floating,
            }
        return found

    def purge(self) -> None:
        for router_id in self._known():
            self._stop(router_id)
        for pid in processes.with_argument_below(self._directory):
            processes.end(pid)
        shutil.rmtree(self._directory, ignore_errors=True)


def _addresses(plan: RouterPlan) -> dict[str, tuple[str, ...]]:
    """CIDRs by device; floating IPs are single addresses on the gateway's."""
    found = {device.name: device.addresses for device in plan.interfaces}
    if plan.gateway is not None:
        own = {cidr.split("/")[0] for cidr in plan.gateway.device.addresses}
        floating = {f.floating_ip_address for f in plan.floating_ips}
        floating |= {f.floating_ip_address for f in plan.port_forwardings}
        found[plan.gateway.device.name] = plan.gateway.device.addresses + tuple(
            f"{address}/{ip_address(address).max_prefixlen}" for address in sorted(floating - own)
        )
    return found


def _routes(plan: RouterPlan) -> list[tuple[str, str | None, str]]:
    """(destination, next hop, device): on-link prefixes, the static routes, and the default by the gateway."""
    routes: list[tuple[str, str | None, str]] = []
    devices = list(plan.interfaces)
    if plan.gateway is not None:
        devices.append(plan.gateway.device)
        routes += [(cidr, None, plan.gateway.device.name) for cidr in plan.gateway.device.on_link]
    for route in plan.routes:
        device = _device_towards(route.nexthop, devices)
        if device is not None:
            routes.append((str(ip_network(route.destination)), route.nexthop, device.name))
    if plan.gateway is not None:
        destinations = [ip_network(route.destination) for route in plan.routes]
        own_default = {network.version for network in destinations if network.prefixlen == 0}
        for next_hop in plan.gateway.next_hops:
            version = ip_address(next_hop).version
            if version not in own_default:
                routes.append(("0.0.0.0/0" if version == 4 else "::/0", next_hop, plan.gateway.device.name))
    return routes


def _device_towards(next_hop: str, devices: list[RouterDevice]) -> RouterDevice | None:
    """The device whose network the next hop is in; None leaves the route out until there is one."""
    address = ip_address(next_hop)
    for device in devices:
        if any(address in ip_network(prefix) for prefix in (*device.addresses, *device.on_link)):
            return device
    return None
