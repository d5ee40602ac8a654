"""dnsmasq's files: nothing that a user writes becomes a directive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cumulet.agents.network.dhcp import release, render
from cumulet.agents.network.planning.plans import DhcpHost, DhcpPlan, DhcpSubnet
from cumulet.agents.network.state import DhcpOption, Route
from tests.agents.network.cloud import new_id

SUBNET, SUBNET6, PORT = new_id(), new_id(), new_id()


def dhcp(*hosts: DhcpHost, **subnet: Any) -> DhcpPlan:
    values = {"gateway": "10.0.0.1", "server_ip": "10.0.0.2", **subnet}
    return DhcpPlan(
        network_id=new_id(), namespace="n", device="ns-x", mtu=1450, addresses=(), gateways=(),
        subnets=(
            DhcpSubnet(id=SUBNET, cidr="10.0.0.0/24", mode="ipv4", **values),
            DhcpSubnet(id=SUBNET6, cidr="fd00::/64", mode="stateful"),
        ),
        hosts=hosts, domain="example.org", forwarders=(), lease_seconds=600,
    )  # fmt: skip


def host(*options: Any, **attributes: Any) -> DhcpHost:
    values = {"hostname": "web", "addresses": ((SUBNET, "10.0.0.5"), (SUBNET6, "fd00::5")), **attributes}
    return DhcpHost(port_id=PORT, mac="fa:16:3e:00:00:01", options=options, **values)


def test_a_port_is_a_line_an_address() -> None:
    plan = dhcp(host(DhcpOption("bootfile-name", "a")))
    assert render.hosts(plan).splitlines() == [
        f"fa:16:3e:00:00:01,web.example.org,10.0.0.5,set:port-{PORT}",
        f"fa:16:3e:00:00:01,web.example.org,[fd00::5],set:port-{PORT}",
    ]
    assert render.names(plan) == "10.0.0.5\tweb.example.org web\nfd00::5\tweb.example.org web\n"


def test_options_of_subnets_and_ports() -> None:
    plan = dhcp(
        host(DhcpOption("tftp-server", "192.0.2.1"), DhcpOption("150", "192.0.2.9"), DhcpOption("router", None),
             DhcpOption("59", "http://[fd00::9]/b", 6), DhcpOption("dns-server", "[fd00::53]", 6)),
        routes=(Route("203.0.113.0/24", "10.0.0.7"),), metadata_via_server=True, dns_nameservers=("8.8.8.8", "1.1.1.1"),
        on_link=("10.9.0.0/24",),
    )  # fmt: skip
    text, refused = render.options(plan)
    routes = "10.9.0.0/24,0.0.0.0,169.254.169.254/32,10.0.0.2,203.0.113.0/24,10.0.0.7,0.0.0.0/0,10.0.0.1"
    assert refused == {}
    assert text.splitlines() == [
        f"tag:subnet-{SUBNET},option:dns-server,8.8.8.8,1.1.1.1",
        f"tag:subnet-{SUBNET},option:classless-static-route,{routes}",
        f"tag:subnet-{SUBNET},249,{routes}",
        f"tag:subnet-{SUBNET},option:router,10.0.0.1",
        f"tag:subnet-{SUBNET6},option6:domain-search,example.org",
        f"tag:port-{PORT},option:tftp-server,192.0.2.1",
        f"tag:port-{PORT},150,192.0.2.9",
        f"tag:port-{PORT},option:router",
        f"tag:port-{PORT},option6:59,http://[fd00::9]/b",
        f"tag:port-{PORT},option6:dns-server,[fd00::53]",
    ]


def test_a_subnet_without_gateway_hands_out_none() -> None:
    text, _ = render.options(dhcp(gateway=None))
    assert f"tag:subnet-{SUBNET},option:router\n" in text
    assert "classless" not in text


@pytest.mark.parametrize("value", ["a\nport=53", "a\rb", "a\x00b", "a\x7fb", "x" * 1100, "é" * 600])
def test_a_bad_value_is_refused_with_its_port_and_the_others_stay(value: str) -> None:
    """A value longer than dnsmasq's line buffer would have its end read as another line."""
    plan = dhcp(host(DhcpOption("bootfile-name", value), DhcpOption("tftp-server", "192.0.2.1")))
    text, refused = render.options(plan)
    assert list(refused) == [PORT]
    assert "bootfile-name" in refused[PORT]
    assert text.endswith(f"tag:port-{PORT},option:tftp-server,192.0.2.1\n")


@given(st.text(max_size=1200))
def test_whatever_the_value_there_is_one_line_for_it_or_none(value: str) -> None:
    baseline, _ = render.options(dhcp(host()))
    text, refused = render.options(dhcp(host(DhcpOption("bootfile-name", value))))
    added = text[len(baseline) :]
    assert text.startswith(baseline)
    if refused:
        assert added == ""
    else:
        assert added == f"tag:port-{PORT},option:bootfile-name,{value}\n"
        assert added.encode().count(b"\n") == 1
        assert b"\r" not in added.encode() and b"\0" not in added.encode()
        assert len(added.encode()) < 1025


def test_leases_are_read_for_both_families(tmp_path: Path) -> None:
    file = tmp_path / "leases"
    file.write_text(
        "1700000000 fa:16:3e:00:00:01 10.0.0.5 web 01:fa:16:3e:00:00:01\n"
        "1700000000 fa:16:3e:00:00:02 10.0.0.6 * *\n"
        "duid 00:01:00:01:aa:bb\n"
        "1700000000 4294967295 fd00::5 web 00:03:00:01:fa:16:3e:00:00:01\n"
    )
    assert release.read(file) == [
        release.Lease("10.0.0.5", "fa:16:3e:00:00:01", bytes.fromhex("01fa163e000001")),
        release.Lease("10.0.0.6", "fa:16:3e:00:00:02", b""),
        release.Lease("fd00::5", "", bytes.fromhex("00030001fa163e000001"), 4294967295, bytes.fromhex("00010001aabb")),
    ]
    assert release.read(tmp_path / "none") == []
