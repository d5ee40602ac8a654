"""The way out that the host makes by itself: a bridge with an address and NAT."""

from __future__ import annotations

import threading

from cumulet.agents.network import outside
from cumulet.agents.network.nft.kernel import Kernel
from tests.system.network.lab import Lab, wait_for


def test_it_is_made_kept_and_taken_away(lab: Lab) -> None:
    host = lab.host("h1")
    config = host.config
    before = set(host.space.netlink.links())
    made = outside.choose(config)
    assert made.cidr == "172.24.4.0/24"
    assert outside.is_wanted(config)
    stop = threading.Event()
    part = threading.Thread(target=outside.OutsidePart(config, made).run, args=(stop,))
    part.start()
    try:
        wait_for(lambda: host.space.pings(made.address, seconds=0.3), 20, "the host has the address")
        rules = host.space.run("nft", "list", "table", "ip", f"{config.table}_outside").stdout
        assert f'ip saddr 172.24.4.0/24 oifname != "{made.bridge}" masquerade' in rules

        host.space.run("ip", "link", "del", made.bridge)
        host.space.run("nft", "flush", "ruleset")
        wait_for(lambda: host.space.pings(made.address, seconds=0.3), 20, "the host has the address again")
        kernel = Kernel(host.space.name)
        try:
            wait_for(lambda: ("ip", f"{config.table}_outside") in kernel.tables(), 20, "NAT is there again")
        finally:
            kernel.close()
    finally:
        stop.set()
        part.join(20)
    assert not outside.ensure(config, made), "everything is there"

    outside.remove(config)
    assert set(host.space.netlink.links()) == before
    assert "cumulet" not in host.space.run("nft", "list", "tables").stdout
    outside.remove(config)


def test_a_subnet_in_use_is_passed_over_and_the_choice_stays(lab: Lab) -> None:
    host = lab.host("h1")
    lab.outside(host)
    host.space.address("172.24.4.77/23", "ext0")
    made = outside.choose(host.config)
    assert made.cidr == "172.24.6.0/24"
    host.space.run("ip", "address", "flush", "dev", "ext0")
    assert outside.choose(host.config) == made


def test_an_operators_own_mapping_comes_first(lab: Lab) -> None:
    assert not outside.is_wanted(lab.host("h1", bridge_mappings={"external": "br-ex"}).config)
    assert not outside.is_wanted(lab.host("h2", physical_interface_mappings={"external": "eth1"}).config)
