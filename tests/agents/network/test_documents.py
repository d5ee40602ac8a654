"""Wanted states on the wire: what is refused, what is left out, deltas and generations."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from cumulet.agents.network.deltas import AddressChange, Delta, GenerationGap, apply_delta, decode, encode
from cumulet.agents.network.state import KINDS, SecurityRule, WantedState
from tests.agents.network.cloud import EGRESS_ALL, Cloud, new_id


def filled() -> tuple[Cloud, WantedState]:
    cloud = Cloud(h1="192.0.2.1", h2="192.0.2.2")
    network = cloud.network("vxlan", segmentation_id=7)
    subnet = cloud.subnet(network, "10.0.0.0/24", gateway_ip="10.0.0.1")
    group = cloud.group(*EGRESS_ALL)
    cloud.port(network, "h1", {"10.0.0.11": subnet}, security_groups=(group.id,))
    cloud.port(network, "h2", {"10.0.0.12": subnet}, security_groups=(group.id,))
    cloud.dhcp(network, "h1", {"10.0.0.2": subnet})
    cloud.members(group.id, "10.0.0.11", "10.0.0.12")
    return cloud, cloud.state("h1")


def test_a_full_state_survives_the_wire() -> None:
    _, state = filled()
    decoded = decode(encode(state))
    assert decoded.errors == {}
    assert decoded.document == state


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("ports", "mac_address", "fa:16:3e:00:00:01\n"),
        ("ports", "mac_address", "fa:16:3e:00:00"),
        ("ports", "id", "../../../../etc/passwd"),
        ("ports", "peer_name", "eth0; reboot"),
        ("ports", "fixed_ips", [{"subnet_id": new_id(), "ip_address": "10.0.0.300"}]),
        ("ports", "fixed_ips", [{"subnet_id": new_id(), "ip_address": "fe80::1%eth0\nport=53"}]),
        ("ports", "allowed_address_pairs", [{"ip_address": "10.0.0.0/33"}]),
        ("subnets", "cidr", "10.0.0.0/99"),
        ("subnets", "cidr", "fe80::%x\n/64"),
        ("subnets", "dns_nameservers", ["8.8.8.8\ndhcp-script=/tmp/x"]),
        ("subnets", "gateway_ip", "10.0.0.1,10.0.0.2"),
        ("endpoints", "dns_name", "web\ndhcp-script=/tmp/x"),
        ("endpoints", "extra_dhcp_opts", [{"opt_name": "bootfile-name", "opt_value": "x\ndhcp-script=/tmp/x"}]),
        ("endpoints", "extra_dhcp_opts", [{"opt_name": "bootfile-name,x", "opt_value": "y"}]),
        ("networks", "dns_domain", "a b"),
        ("networks", "segmentation_id", 1 << 24),
        ("security_groups", "rules", [{"id": new_id(), "direction": "ingress", "protocol": "no-such"}]),
        ("security_groups", "rules", [{"id": new_id(), "direction": "ingress", "protocol": 256}]),
        ("security_groups", "rules", [{"id": new_id(), "direction": "ingress", "port_range_min": 70000}]),
        ("security_groups", "rules", [{"id": new_id(), "direction": "ingress", "port_range_min": 22}]),
        ("security_groups", "rules", [{"id": new_id(), "direction": "sideways"}]),
        ("address_sets", "addresses", ["10.0.0.1", "nonsense"]),
    ],
)
def test_a_bad_object_is_left_out_and_named_and_all_others_stay(kind: str, field: str, value: Any) -> None:
    _, state = filled()
    body = json.loads(encode(state))
    body[kind][0][field] = value
    decoded = decode(json.dumps(body).encode())
    (where,) = decoded.errors
    assert where == f"{kind}/{body[kind][0]['id']}"
    assert len(getattr(decoded.document, kind)) == len(getattr(state, kind)) - 1
    for other in KINDS.keys() - {kind}:
        assert getattr(decoded.document, other) == getattr(state, other)


def test_what_is_no_document_is_refused() -> None:
    for data in (b"", b"[]", b"{}", b'{"host": "h1"}', b'{"host": "h1", "generation": "one"}'):
        with pytest.raises(msgspec.DecodeError):
            decode(data)


def test_a_field_that_a_newer_control_plane_sends_is_no_error() -> None:
    _, state = filled()
    body = json.loads(encode(state))
    body["ports"][0]["something_new"] = 1
    body["something_else"] = {}
    assert decode(json.dumps(body).encode()).document == state


def test_a_delta_leads_to_the_same_state_and_keeps_unchanged_objects() -> None:
    cloud, before = filled()
    port = next(iter(cloud.ports.values()))
    gone = list(cloud.ports.values())[1]
    changed = cloud.change(port, admin_state_up=False)
    cloud.remove(gone)
    after = cloud.state("h1")
    delta = Delta(
        host="h1",
        base_generation=before.generation,
        generation=after.generation,
        changed={"ports": (changed,)},
        removed={"endpoints": (gone.id,)},
    )
    decoded = decode(encode(delta)).document
    assert isinstance(decoded, Delta)
    result = apply_delta(before, decoded)
    assert result == after
    assert result.networks is before.networks


def test_a_delta_from_another_generation_asks_for_a_full_state() -> None:
    _, state = filled()
    with pytest.raises(GenerationGap) as gap:
        apply_delta(state, Delta(host="h1", base_generation=state.generation + 1, generation=9))
    assert (gap.value.have, gap.value.base) == (state.generation, state.generation + 1)


def test_members_join_and_leave_a_set_without_it_being_sent_again() -> None:
    _, state = filled()
    (set_id,) = state.address_sets
    fresh = new_id()
    delta = Delta(
        host="h1",
        base_generation=state.generation,
        generation=state.generation + 1,
        address_changes=(
            AddressChange(id=set_id, add=frozenset({"10.0.0.99"}), remove=frozenset({"10.0.0.11"})),
            AddressChange(id=fresh, add=frozenset({"fd00::1"})),
        ),
    )
    decoded = decode(encode(delta)).document
    assert isinstance(decoded, Delta)
    sets = apply_delta(state, decoded).address_sets
    assert sets[set_id].addresses == {"10.0.0.12", "10.0.0.99"}
    assert sets[fresh].addresses == {"fd00::1"}


@pytest.mark.parametrize(
    ("protocol", "ethertype", "number"),
    [("tcp", "IPv4", 6), ("6", "IPv4", 6), (6, "IPv6", 6), ("icmp", "IPv4", 1), ("icmp", "IPv6", 58),
     ("ipv6-icmp", "IPv6", 58), (1, "IPv6", 58), ("any", "IPv4", None), (None, "IPv4", None), ("vrrp", "IPv4", 112)],
)  # fmt: skip
def test_protocols_have_the_apis_names(protocol: Any, ethertype: Any, number: int | None) -> None:
    rule = SecurityRule(id=new_id(), direction="ingress", ethertype=ethertype, protocol=protocol)
    assert rule.protocol_number == number
