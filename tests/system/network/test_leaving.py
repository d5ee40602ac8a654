"""A cloud that ends leaves its machine as it was, and finds its way back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.network.lab import wait_for
from tests.system.network.whole import PATIENCE_S, WholeCloud


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[WholeCloud]:
    made = WholeCloud(tmp_path)
    try:
        made.start(second=False)
        yield made
    finally:
        made.close()


def test_nothing_is_left_of_a_cloud_that_is_down(whole: WholeCloud) -> None:
    group = whole.group({"protocol": "icmp"})
    network, subnet = whole.network()
    subnet6 = whole.create(
        "subnet", network_id=network, cidr="fd00:77::/64", ip_version=6, ipv6_ra_mode="slaac", ipv6_address_mode="slaac"
    )["id"]
    external = {"network_id": whole.external()}
    whole.router(subnet, subnet6, external_gateway_info=external)
    other, other_subnet = whole.network()
    whole.router(other_subnet, ha=True)
    whole.guest(other, "h1", group)
    guest = whole.guest(network, "h1", group)
    guest.space.ping_until("172.24.4.1", PATIENCE_S)
    kinds = ("qdhcp-", "qrouter-", "brq", "vxlan-", "table ", "dnsmasq", "radvd", "keepalived")

    def all_there() -> bool:
        return all(any(kind in trace for trace in whole.traces("h1")) for kind in kinds)

    wait_for(all_there, PATIENCE_S, "there is something of every kind")

    whole.cloud.down()
    assert whole.traces("h1") == []
    assert list((whole.directory / "h1" / "agents" / "network").iterdir()) == []
    assert guest.space.netlink.link("eth0") is not None, "the guest's device is the hypervisor's"

    whole.cloud.up()
    guest.space.ping_until("172.24.4.1", PATIENCE_S)
    whole.cloud.down("--purge")
    assert whole.traces("h1") == []
    assert not (whole.directory / "h1").exists()
