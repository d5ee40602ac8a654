"""Tables in the kernel: whatever the way there, they end up as if they had been made anew."""

from __future__ import annotations

import random

import msgspec
import pytest

from cumulet.agents.network.filter.linux import LinuxFilter
from cumulet.agents.network.handles import Handles
from cumulet.agents.network.nft import kernel
from cumulet.agents.network.nft.kernel import Kernel, KernelTable
from cumulet.agents.network.nft.library import NftError
from cumulet.agents.network.nft.model import Chain, NftSet, SetSpec, Table
from cumulet.agents.network.planning import plan
from cumulet.agents.network.state import AddressPair, SecurityRule
from tests.agents.network.cloud import EGRESS_ALL, Cloud, new_id
from tests.system.network.lab import Lab, Space


def test_a_long_way_of_changes_leads_to_the_same_tables(lab: Lab) -> None:
    """Rules, members, ports and address pairs change at random; a second filter makes each result from nothing."""
    dice = random.Random(4)
    cloud = Cloud()
    host, fresh = lab.host("h1"), lab.host("h2")
    network = cloud.network()
    v4, v6 = cloud.subnet(network, "10.0.0.0/16"), cloud.subnet(network, "fd00::/64")
    sets = [new_id() for _ in range(3)]
    groups = [cloud.group(*EGRESS_ALL) for _ in range(4)]
    first = LinuxFilter(host.config, Handles(host.config.host_namespace))
    for step in range(40):
        for set_id in sets:
            cloud.members(set_id, *(_address(dice) for _ in range(dice.randrange(8))))
        group = dice.choice(groups)
        cloud.change(
            group, rules=tuple(_rule(dice, sets) for _ in range(dice.randrange(12))), stateful=dice.random() < 0.8
        )
        if step % 3 == 0 or not cloud.ports:
            number = len(cloud.ports) + 10
            cloud.port(network, "h1", {f"10.0.0.{number}": v4, f"fd00::{number}": v6})
        port = dice.choice(list(cloud.ports.values()))
        chosen = tuple(g.id for g in groups if dice.random() < 0.4)
        pairs = tuple(AddressPair(_prefix(dice)) for _ in range(dice.randrange(3)))
        cloud.change(
            port, security_groups=chosen, allowed_address_pairs=pairs, port_security_enabled=dice.random() < 0.9
        )
        if dice.random() < 0.1:
            cloud.remove(port)
        made = plan(cloud.state("h1"), host.config)
        assert not made.errors
        assert first.apply(made.filter, verify=False).errors == {}, step
        second = LinuxFilter(fresh.config, Handles(fresh.config.host_namespace))
        assert second.apply(made.filter, verify=True).errors == {}
        for family in ("bridge", "inet"):
            assert _content(host.space, family) == _content(fresh.space, family), step


def _content(space: Space, family: str) -> list[str]:
    """The table's listing, without handles and its name, in an order of its own."""
    listing = Kernel(space.name)
    (name,) = {table for found, table in listing.tables() if found == family}
    entries = []
    for entry in listing.list_table(family, name):
        ((kind, body),) = entry.items()
        if kind in ("metainfo", "table"):
            continue
        body = {k: v for k, v in body.items() if k not in ("handle", "table")}
        body["elem"] = sorted(msgspec.json.encode(e, order="sorted") for e in body.get("elem", []))
        entries.append(
            (kind, body.get("chain", ""), msgspec.json.encode(kernel._steady(body), order="sorted").decode())
        )
    listing.close()
    rules = [entry for entry in entries if entry[0] == "rule"]  # in order within their chain
    return sorted(map(str, (e for e in entries if e[0] != "rule"))) + [
        str(r) for r in sorted(rules, key=lambda r: r[1])
    ]


def _address(dice: random.Random) -> str:
    return dice.choice([f"10.0.{dice.randrange(3)}.{dice.randrange(5)}", f"fd00::{dice.randrange(5)}", _prefix(dice)])


def _prefix(dice: random.Random) -> str:
    return dice.choice(
        [
            f"10.0.{dice.randrange(4)}.0/{dice.choice([22, 24, 30, 32])}",
            f"fd00::{dice.randrange(4)}/{dice.choice([64, 126])}",
        ]
    )


def _rule(dice: random.Random, sets: list[str]) -> SecurityRule:
    version = dice.choice([4, 6])
    protocol = dice.choice([None, "tcp", "udp", "icmp", 47])
    first = last = None
    if protocol in ("tcp", "udp"):
        first = dice.choice([None, 1, 22, 80])
        last = None if first is None else first + dice.choice([0, 0, 5, 1000])
    elif protocol == "icmp":
        first, last = dice.choice([(None, None), (8, None), (8, 0)])
    prefix, remote = None, None
    which = dice.choice(["any", "prefix", "group"])
    if which == "prefix":
        prefix = next(p for p in iter(lambda: _prefix(dice), None) if (":" in p) == (version == 6))
    elif which == "group":
        remote = dice.choice(sets)
    return SecurityRule(
        id=new_id(),
        direction=dice.choice(["ingress", "egress"]),  # type: ignore[arg-type]
        ethertype=f"IPv{version}",  # type: ignore[arg-type]
        protocol=protocol,
        port_range_min=first,
        port_range_max=last,
        remote_ip_prefix=prefix,
        remote_group_id=remote,
    )


class Bench:
    def __init__(self, lab: Lab) -> None:
        self.space = lab.space("n")
        self.kernel = Kernel(self.space.name)
        self.table = KernelTable(self.kernel, "inet", "mine")

    def set(self, *marks: int) -> Table:
        return Table("inet", "mine", {"s": NftSet(SetSpec("mark"), dict.fromkeys(marks))}, {"c": Chain([])})


@pytest.fixture
def bench(lab: Lab) -> Bench:
    return Bench(lab)


def test_somebody_elses_changes_elsewhere_are_no_reason_to_do_anything(bench: Bench) -> None:
    bench.table.apply(bench.set(1, 2))
    assert bench.table.verify()
    handle = _handle(bench)
    bench.space.run("nft", "add", "table", "inet", "theirs")
    assert bench.table.verify()
    bench.table.apply(bench.set(1, 2, 3))
    assert bench.table.verify()
    assert _handle(bench) == handle, "the table was made anew"


def test_two_agents_on_a_host_leave_each_other_alone(bench: Bench) -> None:
    """What one puts in place again is no reason for the other to do the same, and so on without an end."""
    theirs = KernelTable(Kernel(bench.space.name), "inet", "theirs")
    bench.table.apply(bench.set(1, 2))
    theirs.apply(Table("inet", "theirs", {"s": NftSet(SetSpec("mark"), {7: None})}, {"c": Chain([])}))
    for _ in range(2):
        bench.table.verify()
        theirs.verify()
    handle = _handle(bench)
    for _ in range(3):
        assert bench.table.verify()
        assert theirs.verify()
    assert _handle(bench) == handle


def _handle(bench: Bench) -> int:
    (handle,) = [e["table"]["handle"] for e in bench.kernel.list_table("inet", "mine") if "table" in e]
    return int(handle)


@pytest.mark.parametrize(
    "change",
    [
        "delete element inet mine s { 1 }",
        "add element inet mine s { 9 }",
        "add rule inet mine c drop",
        "delete table inet mine",
        "flush ruleset",
    ],
)
@pytest.mark.parametrize("looked_before", [True, False])
def test_somebody_elses_changes_to_ours_are_undone(bench: Bench, change: str, looked_before: bool) -> None:
    bench.table.apply(bench.set(1, 2))
    if looked_before:
        assert bench.table.verify()
    bench.space.run("nft", *change.split())
    assert not bench.table.verify()
    assert bench.table.verify()
    listed = {e["set"]["name"]: sorted(e["set"]["elem"]) for e in bench.kernel.list_table("inet", "mine") if "set" in e}
    assert listed == {"s": [1, 2]}
    assert not [e for e in bench.kernel.list_table("inet", "mine") if "rule" in e]


def test_a_change_that_the_kernel_refuses_leaves_the_table_as_it_was(bench: Bench) -> None:
    bench.table.apply(bench.set(1))
    wrong = Table(
        "inet", "mine", {"s": NftSet(SetSpec("mark"), {1: None})}, {"c": Chain([[{"jump": {"target": "no"}}]])}
    )
    with pytest.raises(NftError):
        bench.table.apply(wrong)
    assert bench.table.verify()
    assert bench.table.apply(bench.set(1, 2))


def test_counters_and_timed_elements_survive_a_replacement(bench: Bench) -> None:
    table = Table(
        "inet", "mine", {"t": NftSet(SetSpec("mark", dynamic=True))}, {}, {("counter", "c"): {"packets": 0, "bytes": 0}}
    )
    bench.table.apply(table)
    bench.space.run("nft", "add", "element", "inet", "mine", "t", "{", "5", "timeout", "100s", "}")
    bench.space.run("nft", "add", "table", "inet", "other")
    bench.space.run("nft", "add", "rule", "inet", "mine", "x", check=False)
    bench.kernel.commit([{"add": {"chain": {"family": "inet", "table": "mine", "name": "stray"}}}])
    again = KernelTable(bench.kernel, "inet", "mine")  # as an agent does that starts anew
    again.apply(table)
    listed = bench.space.run("nft", "list", "table", "inet", "mine").stdout
    assert "0x00000005 timeout" in listed
    assert "stray" not in listed
