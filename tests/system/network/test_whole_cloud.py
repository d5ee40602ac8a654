"""The whole chain: a request to the API, the engine, the agents of two hosts, and what guests then see."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system.network.lab import RunningPing, Space, wait_for
from tests.system.network.whole import PATIENCE, PATIENCE_S, WholeCloud

ICMP = {"protocol": "icmp"}
FAILOVER_S = 3.0 * PATIENCE  # 3 s is what is asked for


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeCloud]:
    made = WholeCloud(tmp_path_factory.mktemp("whole"))
    try:
        made.start()
        yield made
    finally:
        made.close()


def test_hosts_show_their_four_agents(whole: WholeCloud) -> None:
    shown = {(agent["host"], agent["binary"]): agent for agent in whole.alive()}
    binaries = ("neutron-linuxbridge-agent", "neutron-dhcp-agent", "neutron-l3-agent", "neutron-metadata-agent")
    assert set(shown) == {(host, binary) for host in ("h1", "h2") for binary in binaries}
    bridge = shown["h2", "neutron-linuxbridge-agent"]["configurations"]
    assert bridge["tunneling_ip"] == "192.168.88.2"
    assert bridge["interface_mappings"] == {"provider": "ext0"}
    assert bridge["tunnel_types"] == ["vxlan"]


def test_guests_of_two_hosts_lease_addresses_and_reach_each_other(whole: WholeCloud) -> None:
    """DHCP, VXLAN between the agents, and a router between two networks."""
    group = whole.group(ICMP)
    (one, subnet1), (two, subnet2) = whole.network(), whole.network()
    whole.router(subnet1, subnet2)
    a = whole.guest(one, "h1", group)
    b = whole.guest(one, "h2", group)
    c = whole.guest(two, "h2", group)
    a.space.ping_until(b.address, PATIENCE_S)
    a.space.ping_until(c.address, PATIENCE_S)
    c.space.ping_until(b.address, PATIENCE_S)
    assert f"router 10.{a.address.split('.')[1]}.0.1" in whole.lease(a)


def test_a_group_denies_allows_and_denies_again(whole: WholeCloud) -> None:
    """An established connection ends with the rule that allowed it."""
    group = whole.group()
    network, _ = whole.network()
    server, client = whole.guest(network, "h1", group), whole.guest(network, "h2", group)
    listener = server.space.start("busybox", "nc", "-ll", "-p", "7", "-e", "/bin/cat")
    try:
        assert not client.space.pings(server.address)
        ping = whole.allow(group, **ICMP)
        client.space.ping_until(server.address, PATIENCE_S)
        whole.delete(f"security-group-rules/{ping}")
        wait_for(lambda: not client.space.pings(server.address), PATIENCE_S, "ping is denied again")

        echo = whole.allow(group, protocol="tcp", port_range_min=7, port_range_max=7)
        wait_for(lambda: whole.echoes(client, server.address), PATIENCE_S, "the echo server is reached")
        with whole.conversation(client, server.address) as talk:
            assert talk("before") == "before"
            whole.delete(f"security-group-rules/{echo}")
            wait_for(lambda: talk("after") is None, PATIENCE_S, "the connection ends with its rule")
    finally:
        listener.kill()
        listener.wait()


def test_a_guest_cannot_pretend_to_be_another(whole: WholeCloud) -> None:
    group = whole.group(ICMP)
    network, _ = whole.network()
    a, b = whole.guest(network, "h1", group), whole.guest(network, "h1", group)
    a.space.ping_until(b.address, PATIENCE_S)
    stolen = b.address.rsplit(".", 1)[0] + ".77"
    a.space.run("ip", "address", "add", f"{stolen}/24", "dev", "eth0")
    assert a.space.run("ping", "-c", "3", "-i", "0.2", "-W", "1", "-I", stolen, b.address, check=False).returncode != 0
    whole.update(f"ports/{a.id}", {"port": {"allowed_address_pairs": [{"ip_address": stolen}]}})
    wait_for(
        lambda: a.space.run("ping", "-c", "1", "-W", "1", "-I", stolen, b.address, check=False).returncode == 0,
        PATIENCE_S,
        "the allowed address is let through",
    )
    a.space.run("ip", "link", "set", "eth0", "down", "address", "fa:16:3e:00:00:01")
    a.space.run("ip", "link", "set", "eth0", "up")
    assert not a.space.pings(b.address, seconds=2)


def test_a_floating_ip_leads_in_from_outside(whole: WholeCloud) -> None:
    group = whole.group(ICMP)
    network, subnet = whole.network()
    external = whole.external()
    router = whole.router(subnet, external_gateway_info={"network_id": external})
    guest = whole.guest(network, "h2", group)
    guest.space.ping_until("172.24.4.1", PATIENCE_S)  # SNAT
    floating = whole.create("floatingip", floating_network_id=external, port_id=guest.id)
    whole.outside.ping_until(floating["floating_ip_address"], PATIENCE_S)
    wait_for(
        lambda: whole.get(f"floatingips/{floating['id']}")["floatingip"]["status"] == "ACTIVE",
        PATIENCE_S,
        "the floating IP is active",
    )
    whole.update(f"floatingips/{floating['id']}", {"floatingip": {"port_id": None}})
    wait_for(
        lambda: not whole.outside.pings(floating["floating_ip_address"]), PATIENCE_S, "the floating IP is nobody's"
    )
    assert whole.get(f"routers/{router}")["router"]["status"] == "ACTIVE"


def test_metadata_tells_each_guest_of_itself_and_of_nobody_else(whole: WholeCloud) -> None:
    group = whole.group(ICMP)
    network, subnet = whole.network()
    whole.router(subnet)
    with whole.metadata_service() as secret_seen:
        one, other = "a1b1c1d1-0000-4000-8000-000000000001", "a1b1c1d1-0000-4000-8000-000000000002"
        guest = whole.guest(network, "h1", group, device_id=one)
        whole.guest(network, "h1", group, device_id=other)
        wait_for(lambda: whole.metadata_of(guest) == one, PATIENCE_S, "the guest is told its own id")
        lies = {"X-Instance-ID": other, "X-Instance-ID-Signature": "00", "X-Forwarded-For": "1.2.3.4"}
        assert whole.metadata_of(guest, **lies) in (one, None), "a forged id is replaced or refused"
        assert secret_seen == {one}


def test_a_router_fails_over_to_the_other_host(whole: WholeCloud) -> None:
    group = whole.group(ICMP)
    network, subnet = whole.network()
    external = whole.external()
    router = whole.router(subnet, ha=True, external_gateway_info={"network_id": external})
    active = wait_for(lambda: whole.active_host(router), PATIENCE_S, "one host reports the router active")
    standby = "h2" if active == "h1" else "h1"
    guest = whole.guest(network, standby, group)
    guest.space.ping_until("172.24.4.1", PATIENCE_S)
    ping = RunningPing(guest.space, "172.24.4.1")
    with whole.cut_off(active):
        guest.space.ping_until("172.24.4.1", PATIENCE_S)
        wait_for(lambda: whole.active_host(router) == standby, PATIENCE_S, "the other host has taken over")
    _, lost = ping.losses()
    # A ping each 50 ms.
    assert lost * 0.05 < FAILOVER_S
    guest.space.ping_until("172.24.4.1", PATIENCE_S)


def test_a_killed_agent_disturbs_nobody(whole: WholeCloud) -> None:
    group = whole.group(ICMP)
    network, subnet = whole.network()
    whole.router(subnet)
    a, b = whole.guest(network, "h1", group), whole.guest(network, "h2", group)
    b.space.ping_until(a.address, PATIENCE_S)
    ping = RunningPing(b.space, a.address)
    whole.kill_agent()
    late = whole.group()
    whole.update(f"ports/{b.id}", {"port": {"security_groups": [group, late]}})
    whole.allow(late, protocol="tcp", port_range_min=9, port_range_max=9)
    whole.start_agent()
    c = whole.guest(network, "h2", group)  # the new agent is at work
    sent, lost = ping.losses()
    assert sent > 20
    assert lost == 0
    c.space.ping_until(b.address, PATIENCE_S)


def tables_of(host: Space) -> set[str]:
    return set(host.run("nft", "list", "tables").stdout.splitlines())


def test_what_somebody_flushed_is_repaired(whole: WholeCloud) -> None:
    group = whole.group(ICMP)
    network, _ = whole.network()
    a, b = whole.guest(network, "h1", group), whole.guest(network, "h1", group)
    a.space.ping_until(b.address, PATIENCE_S)
    ping = RunningPing(a.space, b.address)
    host = whole.spaces["h1"]
    before = tables_of(host)
    host.run("nft", "flush", "ruleset")
    wait_for(lambda: tables_of(host) == before, PATIENCE_S, "the tables are there again")
    assert ping.losses()[1] == 0
    host.run("ip", "link", "set", f"tap{a.id[:11]}", "nomaster")
    a.space.ping_until(b.address, PATIENCE_S)
