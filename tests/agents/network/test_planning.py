"""What each driver is asked for, from the wanted state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cumulet.agents.network.config import AgentConfig
from cumulet.agents.network.planning import plan
from cumulet.agents.network.planning.plans import PhysicalUplink, VxlanUplink
from cumulet.agents.network.planning.ports import link_local
from cumulet.agents.network.state import AddressPair, MeteringLabel, MeteringRule
from tests.agents.network.cloud import EGRESS_ALL, Cloud, new_id


def config(**settings: Any) -> AgentConfig:
    return AgentConfig(host="h1", state_dir=Path("/nowhere"), **{"prefix": "p-", "local_ip": "192.0.2.1", **settings})


def test_names_are_neutrons() -> None:
    cloud = Cloud(h1="192.0.2.1")
    network = cloud.network("vxlan", segmentation_id=1001)
    subnet = cloud.subnet(network, "10.0.0.0/24", gateway_ip="10.0.0.1")
    dhcp = cloud.dhcp(network, "h1", {"10.0.0.2": subnet})
    router = cloud.router("h1", [(network, {"10.0.0.1": subnet})])
    made = plan(cloud.state("h1"), config())
    bridge = f"brq{network.id[:11]}"
    assert made.switch.bridges[bridge].uplink == VxlanUplink(name="vxlan-1001", vni=1001)
    assert made.switch.namespaces == {f"p-qdhcp-{network.id}", f"p-qrouter-{router.id}"}
    inner = {d.name: (d.namespace, d.peer) for d in made.switch.devices.values()}
    assert inner[f"tap{dhcp.id[:11]}"] == (f"p-qdhcp-{network.id}", f"ns-{dhcp.id[:11]}")
    port = router.interfaces[0]
    assert inner[f"tap{port[:11]}"] == (f"p-qrouter-{router.id}", f"qr-{port[:11]}")
    assert all(len(name) <= 15 for d in made.switch.devices.values() for name in (d.name, d.bridge, d.peer or ""))


def test_a_vlan_network_gets_a_device_of_its_own() -> None:
    """The machines this is tested on make no VLAN devices, so this and the encoded request are all that is shown."""
    cloud = Cloud()
    network = cloud.network("vlan", physical_network="physnet", segmentation_id=100)
    cloud.port(network, "h1", {"10.0.0.1": cloud.subnet(network, "10.0.0.0/24")})
    for interface, name in (("eth0", "eth0.100"), ("enp0s31f6np0x", None)):
        made = plan(cloud.state("h1"), config(physical_interface_mappings={"physnet": interface}))
        (bridge,) = made.switch.bridges.values()
        assert isinstance(bridge.uplink, PhysicalUplink)
        assert bridge.uplink.vlan == 100
        assert len(bridge.uplink.name) <= 15
        assert name in (None, bridge.uplink.name)
        assert made.filter.bridges == {bridge.name: False}, "the host is not to be reached through a VLAN"


def test_tunnels_lead_to_the_hosts_of_a_networks_ports_only() -> None:
    cloud = Cloud(h1="192.0.2.1", h2="192.0.2.2", h3="192.0.2.3")
    network, other = cloud.network("vxlan", segmentation_id=1), cloud.network("vxlan", segmentation_id=2)
    subnet, elsewhere = cloud.subnet(network, "10.0.0.0/24"), cloud.subnet(other, "10.0.0.0/24")
    cloud.port(network, "h1", {"10.0.0.1": subnet})
    remote = cloud.port(network, "h2", {"10.0.0.2": subnet})
    shared = cloud.port(network, ("h1", "h2"), {"10.0.0.254": subnet})
    cloud.port(other, "h3", {"10.0.0.1": elsewhere})
    (bridge,) = plan(cloud.state("h1"), config()).switch.bridges.values()
    assert bridge.uplink == VxlanUplink(
        name="vxlan-1",
        vni=1,
        flood=frozenset({"192.0.2.2"}),
        entries=frozenset({(remote.mac_address, "192.0.2.2")}),
    )
    assert shared.mac_address not in {mac for mac, _ in bridge.uplink.entries}


def test_a_machine_alone_needs_no_end_for_tunnels() -> None:
    cloud = Cloud()
    network = cloud.network("vxlan", segmentation_id=1)
    port = cloud.port(network, "h1", {"10.0.0.1": cloud.subnet(network, "10.0.0.0/24")})
    made = plan(cloud.state("h1"), config(local_ip=None))
    (bridge,) = made.switch.bridges.values()
    assert (bridge.uplink, bridge.owned) == (None, True)
    assert [device.port_id for device in made.switch.devices.values()] == [port.id]
    assert not made.errors


def test_a_device_owner_that_a_user_wrote_gains_nothing() -> None:
    cloud = Cloud()
    network = cloud.network()
    subnet = cloud.subnet(network, "10.0.0.0/24")
    group = cloud.group(*EGRESS_ALL)
    for owner in ("network:router_interface", "network:router_gateway", "network:dhcp", "neutron:LOADBALANCERV2", ""):
        cloud.port(network, "h1", {"10.0.0.1": subnet}, device_owner=owner, security_groups=(group.id,))
    made = plan(cloud.state("h1"), config())
    assert {f.mode for f in made.filter.ports.values()} == {"guest"}
    assert made.switch.namespaces == frozenset()


def test_sources_are_addresses_pairs_and_link_local() -> None:
    cloud = Cloud()
    network = cloud.network()
    subnet = cloud.subnet(network, "10.0.0.0/24")
    pairs = (AddressPair("10.0.0.0/28"), AddressPair("10.0.0.50", "fa:16:3e:ff:ff:ff"))
    port = cloud.port(network, "h1", {"10.0.0.1": subnet}, allowed_address_pairs=pairs)
    (found,) = plan(cloud.state("h1"), config()).filter.ports.values()
    assert found.macs == (port.mac_address, "fa:16:3e:ff:ff:ff")
    assert set(found.sources) == {
        (port.mac_address, "10.0.0.1/32"),
        (port.mac_address, "10.0.0.0/28"),
        ("fa:16:3e:ff:ff:ff", "10.0.0.50/32"),
        (port.mac_address, f"{link_local(port.mac_address)}/128"),
        ("fa:16:3e:ff:ff:ff", f"{link_local('fa:16:3e:ff:ff:ff')}/128"),
    }
    assert str(link_local("fa:16:3e:00:00:01")) == "fe80::f816:3eff:fe00:1"


def test_what_cannot_be_had_is_named_and_a_port_without_its_network_is_not_plugged() -> None:
    cloud = Cloud(h1="192.0.2.1")
    tunnel = cloud.network("vxlan", segmentation_id=5)
    local = cloud.network()
    subnet, other = cloud.subnet(tunnel, "10.0.0.0/24"), cloud.subnet(local, "10.1.0.0/24")
    without_bridge = cloud.port(tunnel, "h1", {"10.0.0.1": subnet})
    without_group = cloud.port(local, "h1", {"10.1.0.1": other}, security_groups=(new_id(),))
    good = cloud.port(local, "h1", {"10.1.0.2": other})
    made = plan(cloud.state("h1"), config(local_ip=None))
    assert made.errors.keys() == {
        f"networks/{tunnel.id}",
        f"ports/{without_bridge.id}",
        f"ports/{without_group.id}",
    }
    assert {d.port_id for d in made.switch.devices.values()} == {good.id, without_group.id}
    filters = {f.port_id: f for f in made.filter.ports.values()}
    assert filters.keys() == {good.id, without_group.id}
    assert filters[without_group.id].groups == (), "a group that is not known allows nothing"


def test_one_broken_router_does_not_stop_another() -> None:
    cloud = Cloud()
    network = cloud.network()
    subnet = cloud.subnet(network, "10.0.0.0/24")
    good = cloud.router("h1", [(network, {"10.0.0.1": subnet})])
    bad = cloud.router("h1", [(network, {"10.0.0.9": subnet})])
    cloud.change(bad, interfaces=(new_id(),))
    made = plan(cloud.state("h1"), config())
    assert list(made.routers) == [good.id]
    assert f"routers/{bad.id}" in made.errors


def test_metadata_is_served_where_it_belongs() -> None:
    cloud = Cloud()
    routed, isolated = cloud.network(), cloud.network()
    subnet = cloud.subnet(routed, "10.0.0.0/24", gateway_ip="10.0.0.1")
    lonely = cloud.subnet(isolated, "10.1.0.0/24")
    server = cloud.port(routed, "h1", {"10.0.0.11": subnet}, project_id="p1")
    cloud.port(routed, "h1", {"10.0.0.12": subnet}, device_owner="", device_id="not-a-server")
    for network, one in ((routed, subnet), (isolated, lonely)):
        cloud.dhcp(network, "h1", {one.cidr.replace("0/24", "2"): one})
    router = cloud.router("h1", [(routed, {"10.0.0.1": subnet})])
    made = plan(cloud.state("h1"), config(enable_isolated_metadata=True)).metadata
    assert set(made) == {f"p-qrouter-{router.id}", f"p-qdhcp-{isolated.id}"}
    instances = dict(made[f"p-qrouter-{router.id}"].instances)
    assert {a: (i.instance_id, i.project_id) for a, i in instances.items() if "." in a} == {
        "10.0.0.11": (server.device_id, "p1")
    }
    assert set(plan(cloud.state("h1"), config()).metadata) == {f"p-qrouter-{router.id}"}
    assert len(plan(cloud.state("h1"), config(force_metadata=True)).metadata) == 3


def test_only_a_routers_own_labels_are_metered() -> None:
    cloud = Cloud()
    network = cloud.network()
    router = cloud.router("h1", [(network, {"10.0.0.1": cloud.subnet(network, "10.0.0.0/24")})])
    rules = (MeteringRule(id=new_id(), direction="ingress", remote_ip_prefix="0.0.0.0/0"),)
    mine, others = MeteringLabel(new_id(), (router.id,), rules), MeteringLabel(new_id(), (new_id(),), rules)
    cloud.labels = {mine.id: mine, others.id: others}
    (planned,) = plan(cloud.state("h1"), config()).routers.values()
    assert [meter.label_id for meter in planned.metering] == [mine.id]
