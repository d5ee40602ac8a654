"""Differences between tables: carried out one by one, they lead from the old table to the new one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cumulet.agents.network.nft import expressions as e
from cumulet.agents.network.nft.model import Chain, NftSet, Range, SetSpec, Table, Verdict, creation, difference

NAMES = ["a", "b", "c"]


@st.composite
def tables(draw: st.DrawFn) -> Table:
    chains = {
        name: Chain(
            [[e.match(e.meta("mark"), draw(st.integers(0, 2))), e.ACCEPT] for _ in range(draw(st.integers(0, 2)))]
        )
        for name in draw(st.sets(st.sampled_from(NAMES)))
    }
    marks = st.dictionaries(st.integers(0, 5), st.just(None))
    sets = {f"s{name}": NftSet(SetSpec("mark"), draw(marks)) for name in draw(st.sets(st.sampled_from(NAMES)))}
    if chains:
        verdicts = st.sampled_from([Verdict("goto", name) for name in chains])
        sets["verdicts"] = NftSet(SetSpec("ifname", "verdict"), draw(st.dictionaries(st.sampled_from(NAMES), verdicts)))
    objects = {("counter", name): {"packets": 0, "bytes": 0} for name in draw(st.sets(st.sampled_from(NAMES)))}
    return Table("inet", "t", sets, chains, objects)


class Kernel:
    """The little of nftables that the commands need, as strict about references as the real one."""

    def __init__(self) -> None:
        self.sets: dict[str, dict[str, Any]] = {}
        self.chains: dict[str, list[Any]] = {}
        self.objects: set[tuple[str, str]] = set()

    def run(self, commands: list[dict[str, Any]]) -> None:
        for command in commands:
            ((verb, body),) = command.items()
            ((kind, what),) = body.items()
            getattr(self, f"{verb}_{kind if kind != 'map' else 'set'}")(what)

    def add_set(self, what: dict[str, Any]) -> None:
        assert what["name"] not in self.sets
        self.sets[what["name"]] = {}

    def add_chain(self, what: dict[str, Any]) -> None:
        assert what["name"] not in self.chains
        self.chains[what["name"]] = []

    def add_rule(self, what: dict[str, Any]) -> None:
        self.chains[what["chain"]].append(what["expr"])

    def flush_chain(self, what: dict[str, Any]) -> None:
        self.chains[what["name"]] = []

    def add_counter(self, what: dict[str, Any]) -> None:
        self.objects.add(("counter", what["name"]))

    def delete_counter(self, what: dict[str, Any]) -> None:
        self.objects.remove(("counter", what["name"]))

    def add_element(self, what: dict[str, Any]) -> None:
        for element in what["elem"]:
            key, value = element if isinstance(element, list) else (element, None)
            assert repr(key) not in self.sets[what["name"]], "an element that is there would keep its old value"
            if value is not None:
                assert value["goto"]["target"] in self.chains
            self.sets[what["name"]][repr(key)] = value

    def delete_element(self, what: dict[str, Any]) -> None:
        for element in what["elem"]:
            key = element[0] if isinstance(element, list) else element
            del self.sets[what["name"]][repr(key)]

    def delete_set(self, what: dict[str, Any]) -> None:
        del self.sets[what["name"]]

    def delete_chain(self, what: dict[str, Any]) -> None:
        used = {v["goto"]["target"] for elements in self.sets.values() for v in elements.values() if v is not None}
        assert what["name"] not in used, "a chain in use cannot go"
        assert not self.chains.pop(what["name"])

    def content(self) -> Any:
        return self.sets, self.chains, self.objects


@given(st.lists(tables(), min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_differences_lead_there(steps: list[Table]) -> None:
    kernel = Kernel()
    current = Table("inet", "t")
    for wanted in steps:
        kernel.run(difference(current, wanted))
        fresh = Kernel()
        fresh.run(creation(wanted)[3:])
        assert kernel.content() == fresh.content()
        assert difference(wanted, wanted) == []
        current = wanted


def test_elements_are_encoded_as_nftables_takes_them() -> None:
    spec = SetSpec(("inet_proto", "inet_service", "ipv4_addr"), interval=True)
    elements = {("tcp", Range(1, 9), "10.0.0.0/8"): None, ("udp", Range(5, 5), "10.0.0.1"): None}
    table = Table("inet", "t", {"s": NftSet(spec, elements)})
    declared, filled = difference(Table("inet", "t"), table)
    assert declared == {
        "add": {
            "set": {
                "family": "inet", "table": "t", "name": "s", "type": ["inet_proto", "inet_service", "ipv4_addr"],
                "flags": ["interval"],
            }
        }
    }  # fmt: skip
    assert filled["add"]["element"]["elem"] == [
        {"concat": ["tcp", {"range": [1, 9]}, {"prefix": {"addr": "10.0.0.0", "len": 8}}]},
        {"concat": ["udp", 5, "10.0.0.1"]},
    ]


def test_a_set_declared_otherwise_cannot_be_reached_by_a_difference() -> None:
    old = Table("inet", "t", {"s": NftSet(SetSpec("mark"))})
    with pytest.raises(ValueError, match="declared otherwise"):
        difference(old, Table("inet", "t", {"s": NftSet(SetSpec("ifname"))}))
