"""The inet-family table: security groups, stateful, for the packets that the bridge table has marked.

Which chain a packet goes through is one look-up by its mark; ports with the same groups share their chains. Every
network's connections are tracked in a zone of their own, since tenants' addresses overlap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cumulet.agents.network.filter.boxes import TooMany
from cumulet.agents.network.filter.groups import Compiled, Direction, chain_name, compile_group, compile_members
from cumulet.agents.network.nft import expressions as e
from cumulet.agents.network.nft.model import Chain, Hook, Key, NftSet, Rule, SetSpec, Table, Value, Verdict
from cumulet.agents.network.planning.plans import FilterPlan, PortFilter
from cumulet.agents.network.state import AddressSet, SecurityGroup

RAW, FILTER = -300, 0  # priorities: zones before connection tracking (-200), verdicts after it

REVOKED4 = SetSpec(("inet_proto", "ipv4_addr", "inet_service", "ipv4_addr", "inet_service"), dynamic=True)
REVOKED6 = SetSpec(("inet_proto", "ipv6_addr", "inet_service", "ipv6_addr", "inet_service"), dynamic=True)

# What a guest must be able to send and get whatever its groups say: DHCP as a client, multicast listening, neighbour
# discovery (it is the anti-spoofing table that keeps these honest).
_OUT_TYPES = (130, 131, 132, 133, 135, 136, 143)
_IN_TYPES = (130, 131, 132, 134, 135, 136, 143)


@dataclass
class Compiler:
    """Builds the table. Groups and address sets that are the same as last time are not compiled again."""

    errors: dict[str, str] = field(default_factory=dict)  # groups that could not be compiled, as kind/id
    _groups: dict[str, tuple[SecurityGroup, Compiled]] = field(default_factory=dict)
    _members: dict[str, tuple[AddressSet, dict[str, NftSet]]] = field(default_factory=dict)

    def build(self, name: str, plan: FilterPlan, marks: Mapping[str, int], zones: Mapping[str, int]) -> Table:
        guests = [port for port in plan.ports.values() if port.mode == "guest"]
        used = {group for port in guests for group in port.groups or ()}
        sets: dict[str, NftSet] = {}
        chains = _base_chains(plan, zones)
        remote: set[str] = set()
        for group_id in sorted(used):
            compiled = self._group(plan.groups[group_id])
            sets |= compiled.sets
            chains |= compiled.chains
            remote |= compiled.remote_sets
        for set_id in sorted(remote):
            # A group without members yet has no set; nobody is in it.
            sets |= self._set(plan.address_sets.get(set_id) or AddressSet(id=set_id))
        sets |= _dispatch(plan, guests, marks)
        for port in guests:
            for direction in ("egress", "ingress"):
                name_of_chain = _port_chain(port, direction)
                if name_of_chain not in chains:
                    chains[name_of_chain] = _groups_chain(port, direction, chains)
        self._forget(used, remote)
        return Table("inet", name, sets, chains)

    def _group(self, group: SecurityGroup) -> Compiled:
        known = self._groups.get(group.id)
        if known is None or (known[0] is not group and known[0] != group):
            known = (group, self._compiled(group))
        self._groups[group.id] = (group, known[1])
        return known[1]

    def _compiled(self, group: SecurityGroup) -> Compiled:
        """A group that cannot be put into sets allows nothing, and keeps no other from being in force."""
        self.errors.pop(f"security_groups/{group.id}", None)
        try:
            return compile_group(group)
        except (TooMany, ValueError) as error:
            self.errors[f"security_groups/{group.id}"] = str(error)
            return Compiled()

    def _set(self, address_set: AddressSet) -> dict[str, NftSet]:
        known = self._members.get(address_set.id)
        if known is None or (known[0] is not address_set and known[0] != address_set):
            known = (address_set, compile_members(address_set))
        self._members[address_set.id] = (address_set, known[1])
        return known[1]

    def _forget(self, groups: set[str], sets: set[str]) -> None:
        for group_id in self._groups.keys() - groups:
            del self._groups[group_id]
            self.errors.pop(f"security_groups/{group_id}", None)
        for set_id in self._members.keys() - sets:
            del self._members[set_id]


def zone_chain(bridge: str) -> str:
    return f"zone_{bridge}"


def _base_chains(plan: FilterPlan, zones: Mapping[str, int]) -> dict[str, Chain]:
    iif, oif = e.meta("iifname"), e.meta("oifname")
    chains = {
        "raw": Chain([[e.vmap(iif, "zones")]], Hook("filter", "prerouting", RAW)),
        "prerouting": Chain([[e.vmap(iif, "from")]], Hook("filter", "prerouting", FILTER)),
        "forward": Chain([[e.vmap(oif, "to")]], Hook("filter", "forward", FILTER)),
        "from_port": Chain(_decision("egress", "out")),
        "to_port": Chain(_decision("ingress", "in")),
        "needed_out": Chain(_needed((68, 67), (546, 547), _OUT_TYPES)),
        "needed_in": Chain(_needed((67, 68), (547, 546), _IN_TYPES)),
    }
    for bridge, reachable in plan.bridges.items():
        # Connections with the host itself stay in the host's own zone, or its answers would not be recognised.
        to_host = {"fib": {"result": "type", "flags": "daddr"}}
        local: list[Rule] = [[e.match(to_host, "local"), e.RETURN]] if reachable else []
        chains[zone_chain(bridge)] = Chain([*local, [e.assign(e.ct("zone"), zones[bridge])]])
    return chains


def _decision(direction: Direction, way: str) -> list[Rule]:
    mark = e.meta("mark")
    handshake = e.match({"&": [e.field("tcp", "flags"), ["fin", "syn", "rst", "ack"]]}, "syn", "!=")
    revoked = [
        [
            handshake,
            e.match(
                e.concat(
                    e.meta("l4proto"),
                    e.field(ip, "saddr"),
                    e.field("th", "sport"),
                    e.field(ip, "daddr"),
                    e.field("th", "dport"),
                ),
                f"@revoked{version}",
            ),
            e.DROP,
        ]
        for version, ip in ((4, "ip"), (6, "ip6"))
    ]
    return [
        [e.match(mark, 0), e.ACCEPT],
        [e.vmap(mark, f"stateless_{direction}")],
        [e.state("established", "related"), e.ACCEPT],
        [e.jump(f"needed_{way}")],
        [e.state("invalid"), e.DROP],
        # The kernel takes a connection up in the middle when it no longer knows it. One that was ended because its rule
        # went must not come back that way, opened by the side that is still allowed to send.
        *revoked,
        [e.vmap(mark, direction)],
        [e.DROP],
    ]


def _needed(dhcp: tuple[int, int], dhcp6: tuple[int, int], icmpv6_types: Iterable[int]) -> list[Rule]:
    sport, dport = e.field("udp", "sport"), e.field("udp", "dport")
    return [
        [e.match(e.meta("nfproto"), "ipv4"), e.match(sport, dhcp[0]), e.match(dport, dhcp[1]), e.ACCEPT],
        [e.match(e.meta("nfproto"), "ipv6"), e.match(sport, dhcp6[0]), e.match(dport, dhcp6[1]), e.ACCEPT],
        [e.match(e.field("icmpv6", "type"), e.among(*icmpv6_types)), e.ACCEPT],
    ]


def _dispatch(plan: FilterPlan, guests: Iterable[PortFilter], marks: Mapping[str, int]) -> dict[str, NftSet]:
    verdicts: dict[str, dict[Key, Value]] = {
        name: {} for name in ("egress", "ingress", "stateless_egress", "stateless_ingress")
    }
    for port in guests:
        for direction in ("egress", "ingress"):
            table = direction if port.stateful else f"stateless_{direction}"
            verdicts[table][marks[port.port_id]] = Verdict("goto", _port_chain(port, direction))
    by_bridge: dict[str, Mapping[Key, Value]] = {
        "zones": {bridge: Verdict("jump", zone_chain(bridge)) for bridge in plan.bridges},
        "from": {bridge: Verdict("goto", "from_port") for bridge in plan.bridges},
        "to": {bridge: Verdict("goto", "to_port") for bridge in plan.bridges},
    }
    return (
        {name: NftSet(SetSpec("mark", "verdict"), elements) for name, elements in verdicts.items()}
        | {name: NftSet(SetSpec("ifname", "verdict"), elements) for name, elements in by_bridge.items()}
        | {"revoked4": NftSet(REVOKED4), "revoked6": NftSet(REVOKED6)}
    )


def _port_chain(port: PortFilter, direction: Direction) -> str:
    """One chain for all ports with the same groups."""
    if port.groups is None:
        return "unfiltered"
    kind = direction if port.stateful else f"stateless_{direction}"
    return f"{kind}_{hashlib.sha256(','.join(port.groups).encode()).hexdigest()[:24]}"


def _groups_chain(port: PortFilter, direction: Direction, chains: Mapping[str, Chain]) -> Chain:
    """Every group in turn, then the default: drop."""
    if port.groups is None:
        return Chain([[e.ACCEPT]])
    body: list[Rule] = [] if port.stateful else [[e.jump("needed_out" if direction == "egress" else "needed_in")]]
    for group_id in port.groups:
        for version in (4, 6):
            name = chain_name(group_id, direction, version)
            if name in chains:
                body.append([e.match(e.meta("nfproto"), f"ipv{version}"), e.jump(name)])
    return Chain([*body, [e.DROP]])
