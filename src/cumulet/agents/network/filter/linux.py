"""The filter on Linux: both tables kept as wanted, and connections ended whose rule went."""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from typing import Any

from cumulet.agents.network import sysctl
from cumulet.agents.network.config import AgentConfig
from cumulet.agents.network.filter import antispoof
from cumulet.agents.network.filter.conntrack import Connection, Conntrack
from cumulet.agents.network.filter.flows import Judge, Owners, revoked
from cumulet.agents.network.filter.tables import Compiler, zone_chain
from cumulet.agents.network.handles import Handles
from cumulet.agents.network.nft.kernel import KernelTable
from cumulet.agents.network.nft.library import NftError
from cumulet.agents.network.planning.plans import FilterPlan, PortFilter
from cumulet.agents.network.protocols import Outcome
from cumulet.agents.network.state import AddressSet, SecurityGroup, ip_network

log = logging.getLogger(__name__)

# Bridged packets must be shown to the inet hooks, or no security group would ever see one.
_BRIDGE_CALLS = {"bridge/bridge-nf-call-iptables": 1, "bridge/bridge-nf-call-ip6tables": 1}
_TCP = 6
_REVOKED_SECONDS = 86400


class LinuxFilter:
    def __init__(self, config: AgentConfig, handles: Handles) -> None:
        self._config = config
        self._kernel = handles.host_nftables
        self._conntrack = Conntrack(config.host_namespace)
        self._frames = KernelTable(self._kernel, "bridge", config.table)
        self._packets = KernelTable(self._kernel, "inet", config.table)
        self._compiler = Compiler()
        self._applied: FilterPlan | None = None
        self._zones: dict[str, int] = {}

    def apply(self, plan: FilterPlan, *, verify: bool) -> Outcome:
        """Errors under `filter` mean that nothing can be trusted to be filtered: no port may be plugged then."""
        outcome = Outcome()
        try:
            if verify or self._applied is None:
                outcome.changed += sysctl.ensure(self._config.host_namespace, _BRIDGE_CALLS)
                self._verify(outcome)
            if self._applied is None:
                self._zones = self._zones_in_kernel()
            if self._applied is not plan:
                self._tables(plan, outcome)
        except FileNotFoundError:
            outcome.errors["filter"] = "bridged packets are not shown to the filter: the kernel has no br_netfilter"
            return outcome
        except (NftError, OSError) as error:
            outcome.errors["filter"] = str(error)
            return outcome
        try:
            self._end_connections(self._applied, plan, outcome)
        except OSError as error:
            outcome.errors["conntrack"] = str(error)
        self._applied = plan
        outcome.errors |= self._compiler.errors
        return outcome

    def disturbed(self) -> bool:
        return self._frames.disturbed() or self._packets.disturbed()

    def _verify(self, outcome: Outcome) -> None:
        for table in (self._frames, self._packets):
            if not table.verify():
                log.warning("table %s %s had been altered and is in place again", table.family, table.name)
                outcome.changed.append(f"table {table.family} {table.name}")

    def _tables(self, plan: FilterPlan, outcome: Outcome) -> None:
        self._assign_zones(plan)
        marks = _marks(plan)
        uplinks = {name: plan.bridges[bridge] for name, bridge in plan.uplinks.items()}
        packets = self._compiler.build(self._config.table, plan, marks, self._zones)
        frames = antispoof.build(self._config.table, plan.ports.values(), uplinks, plan.bridges, marks)
        # A new port is first known to the table that decides, then to the one that lets its frames get there.
        for table, wanted in ((self._packets, packets), (self._frames, frames)):
            if table.apply(wanted):
                outcome.changed.append(f"table {table.family} {table.name}")

    # -- zones --------------------------------------------------------------------------------------------------------

    def _zones_in_kernel(self) -> dict[str, int]:
        """The zones an agent before this one gave out: connections stay known only while their zone stays the same."""
        found: dict[str, int] = {}
        for entry in self._kernel.list_table("inet", self._config.table):
            rule = entry.get("rule", {})
            prefix = zone_chain("")
            if rule.get("chain", "").startswith(prefix):
                values = [x["mangle"]["value"] for x in rule["expr"] if "mangle" in x]
                found |= {rule["chain"].removeprefix(prefix): value for value in values if isinstance(value, int)}
        return found

    def _assign_zones(self, plan: FilterPlan) -> None:
        self._zones = {bridge: zone for bridge, zone in self._zones.items() if bridge in plan.bridges}
        taken = set(self._zones.values())
        for bridge in sorted(plan.bridges.keys() - self._zones.keys()):
            zone = int(hashlib.sha256(bridge.encode()).hexdigest()[:4], 16) or 1
            while zone in taken:
                zone = zone % 0xFFFF + 1
            self._zones[bridge] = zone
            taken.add(zone)

    # -- connections --------------------------------------------------------------------------------------------------

    def _end_connections(self, old: FilterPlan | None, new: FilterPlan, outcome: Outcome) -> None:
        suspects = _suspects(old, new)
        if not suspects:
            return
        judge = Judge(new)
        current: dict[str, list[PortFilter]] = defaultdict(list)
        for port in new.ports.values():
            if port.mode == "guest" and port.stateful and port.bridge in suspects:
                current[port.bridge].append(port)
        for bridge, (devices, gone) in suspects.items():
            # Old addresses that another port has by now are that port's business.
            owners = Owners.of(p for p in current[bridge] if p.device in devices)
            everybody = Owners.of(current[bridge])
            lost = {address: None for address in gone if everybody.find(address) is None}
            zone = self._zones.get(bridge)
            if zone is None or not (devices or lost):
                continue
            ended = revoked(self._conntrack.connections(zone), owners, lost, judge)
            if ended:
                self._keep_from_coming_back(ended)
                self._conntrack.delete(ended)
                outcome.changed += [f"connection {c.original}" for c in ended]

    def _keep_from_coming_back(self, connections: list[Connection]) -> None:
        """Remember the way back of TCP connections, see `tables._decision`."""
        for version in (4, 6):
            elements = [
                {
                    "elem": {
                        "val": {
                            "concat": [
                                "tcp", c.reply.source, c.reply.source_port, c.reply.destination,
                                c.reply.destination_port,
                            ]
                        },
                        "timeout": _REVOKED_SECONDS,
                    }
                }
                for c in connections
                if c.version == version and c.protocol == _TCP
            ]  # fmt: skip
            if elements:
                where = {"family": "inet", "table": self._config.table, "name": f"revoked{version}"}
                self._kernel.commit([{"add": {"element": {**where, "elem": elements}}}])

    # -- telling ------------------------------------------------------------------------------------------------------

    def observe(self) -> dict[str, Any]:
        ports: dict[str, str] = {}
        uplinks = set(self._applied.uplinks) if self._applied else set()
        for entry in self._kernel.list_table("bridge", self._config.table):
            body = entry.get("map", {})
            if body.get("name") == "from":
                for device, verdict in body.get("elem", []):
                    ports[device] = "guest" if verdict["goto"]["target"] == "from_guest" else "unfiltered"
        groups = {
            entry["chain"]["name"].split("_")[2]
            for entry in self._kernel.list_table("inet", self._config.table)
            if entry.get("chain", {}).get("name", "").startswith("sg_")
        }
        return {
            "ports": {device: mode for device, mode in sorted(ports.items()) if device not in uplinks},
            "groups": sorted(groups),
        }

    def purge(self) -> None:
        for table in (self._frames, self._packets):
            table.delete()
        self._applied = None


def _marks(plan: FilterPlan) -> dict[str, int]:
    """A number for each port, from its id, so that it is the same again after a restart."""
    marks: dict[str, int] = {}
    taken = {0}
    for port_id in sorted(port.port_id for port in plan.ports.values() if port.mode == "guest"):
        mark = int(port_id[:8], 16)
        while mark in taken:
            mark = (mark + 1) & 0xFFFFFFFF
        taken.add(mark)
        marks[port_id] = mark
    return marks


def _suspects(old: FilterPlan | None, new: FilterPlan) -> dict[str, tuple[set[str], set[str]]]:
    """By bridge: the devices whose permissions may have shrunk, and the addresses that ports have lost.

    Without an old plan (the agent has just started) it is every port: rules may have gone while nobody was watching.
    """
    suspects: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    shrunk_sets: set[str] = set() if old is None else _shrunk_sets(old, new)
    shrunk_groups: set[str] = set() if old is None else _shrunk_groups(old, new, shrunk_sets)
    for device, port in new.ports.items():
        if port.mode != "guest":
            continue
        before = None if old is None else old.ports.get(device)
        if (
            old is None
            or (before is not None and _lost_permissions(before, port))
            or not shrunk_groups.isdisjoint(port.groups or ())
        ):
            suspects[port.bridge][0].add(device)
    for device, port in ({} if old is None else old.ports).items():
        after = new.ports.get(device)
        if port.mode == "guest" and (after is None or after.sources != port.sources):
            kept = set() if after is None else {cidr for _, cidr in after.sources}
            lost = {cidr for _, cidr in port.sources} - kept
            single = (ip_network(cidr) for cidr in lost)
            suspects[port.bridge][1].update(str(n.network_address) for n in single if n.prefixlen == n.max_prefixlen)
    return suspects


def _lost_permissions(before: PortFilter, after: PortFilter) -> bool:
    """Whether the port has begun to be filtered, or left a group."""
    if before.mode != "guest" or before.groups is None:
        return after.groups is not None
    return after.groups is not None and not set(before.groups) <= set(after.groups)


def _shrunk_sets(old: FilterPlan, new: FilterPlan) -> set[str]:
    nobody = AddressSet(id="")
    return {
        set_id
        for set_id, before in old.address_sets.items()
        if (after := new.address_sets.get(set_id, nobody)) is not before and not before.addresses <= after.addresses
    }


def _shrunk_groups(old: FilterPlan, new: FilterPlan, shrunk_sets: set[str]) -> set[str]:
    """Groups that lost a rule (one that changed counts as lost), or refer to an address set that lost a member."""
    nothing = SecurityGroup(id="")
    shrunk = set()
    for group_id, before in old.groups.items():
        after = new.groups.get(group_id, nothing)
        if (after is not before and not set(before.rules) <= set(after.rules)) or (
            shrunk_sets and any(rule.remote_set in shrunk_sets for rule in before.rules)
        ):
            shrunk.add(group_id)
    return shrunk
