"""DHCP by a real client in a guest: leases, options, reloads without a restart, releases, IPv6."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cumulet.agents.network.state import DhcpOption, Route
from tests.agents.network.cloud import EGRESS_ALL, Cloud, new_id
from tests.system.network.lab import Host, Lab, Space, wait_for

SCRIPT = """#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
env > "$LEASE_FILE"
"""


class Network:
    """One network with a DHCP server at 10.0.0.2 and a guest at 10.0.0.11."""

    def __init__(self, lab: Lab, cloud: Cloud, **subnet) -> None:  # type: ignore[no-untyped-def]
        self.lab, self.cloud = lab, cloud
        self.host: Host = lab.host("h1", dns_servers=("192.0.2.53",))
        self.network = cloud.network(mtu=1450)
        self.subnet = cloud.subnet(self.network, "10.0.0.0/24", gateway_ip="10.0.0.1", **subnet)
        cloud.dhcp(self.network, "h1", {"10.0.0.2": self.subnet})
        self.group = cloud.group(*EGRESS_ALL)
        self.a: Space = lab.space("a")
        self.port = self.guest("10.0.0.11", self.a)
        self.script = lab.directory / "udhcpc.sh"
        self.script.write_text(SCRIPT)
        self.script.chmod(0o755)

    def guest(self, address: str, space: Space, **attributes):  # type: ignore[no-untyped-def]
        return self.cloud.guest(
            self.network, "h1", {address: self.subnet}, space.name, security_groups=(self.group.id,), **attributes
        )

    @property
    def dnsmasq(self) -> int:
        return int((self.host.config.state_dir / "dhcp" / self.network.id / "pid").read_text())

    def lease(self, space: Space, *extra: str) -> dict[str, str] | None:
        """What busybox's udhcpc gets, as its script's environment; None without a lease."""
        file = self.lab.directory / f"lease-{new_id()}"
        space.run("ip", "link", "set", "eth0", "up")
        done = space.run(
            "env", f"LEASE_FILE={file}", "udhcpc", "-i", "eth0", "-f", "-q", "-n", "-t", "5", "-T", "1",
            "-s", str(self.script), "-O", "121", "-O", "mtu", *extra, check=False,
        )  # fmt: skip
        if not file.exists():
            assert done.returncode != 0
            return None
        return dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line)


def test_a_guest_gets_its_own_address_and_the_subnets_options(lab: Lab, cloud: Cloud) -> None:
    net = Network(
        lab, cloud, dns_nameservers=("192.0.2.1", "192.0.2.2"), host_routes=(Route("203.0.113.0/24", "10.0.0.7"),)
    )
    net.host.reconcile(cloud)
    lease = net.lease(net.a)
    assert lease is not None
    assert lease["ip"] == "10.0.0.11"
    assert lease["subnet"] == "255.255.255.0"
    assert lease["router"] == "10.0.0.1"
    assert lease["dns"] == "192.0.2.1 192.0.2.2"
    assert lease["domain"] == "openstacklocal"
    assert lease["hostname"] == "host-10-0-0-11"
    assert lease["mtu"] == "1450"
    assert lease["lease"] == "86400"
    assert "203.0.113.0/24 10.0.0.7 0.0.0.0/0 10.0.0.1" in lease["staticroutes"]


def test_a_new_port_gets_its_lease_without_a_restart(lab: Lab, cloud: Cloud) -> None:
    net = Network(lab, cloud)
    net.host.reconcile(cloud)
    before = net.dnsmasq
    b = lab.space("b")
    options = (DhcpOption("bootfile-name", "pxelinux.0"), DhcpOption("150", "192.0.2.9"))
    net.guest("10.0.0.12", b, dns_name="web", extra_dhcp_opts=options)
    net.host.reconcile(cloud, verify=False)
    lease = net.lease(b, "-O", "bootfile")
    assert lease is not None
    assert (lease["ip"], lease["hostname"]) == ("10.0.0.12", "web")
    assert lease["bootfile"] == "pxelinux.0", lease
    assert net.dnsmasq == before


def test_a_stranger_gets_no_lease(lab: Lab, cloud: Cloud) -> None:
    net = Network(lab, cloud)
    net.host.reconcile(cloud)
    net.a.run("ip", "link", "set", "eth0", "address", "fa:16:3e:99:99:99")
    assert net.lease(net.a) is None


def test_an_address_that_moves_to_another_port_is_leased_to_it(lab: Lab, cloud: Cloud) -> None:
    """Without a release dnsmasq would keep it for the old MAC until the lease ran out."""
    net = Network(lab, cloud)
    net.host.reconcile(cloud)
    assert net.lease(net.a) is not None
    cloud.remove(net.port)
    net.host.reconcile(cloud, verify=False)
    b = lab.space("b")
    net.guest("10.0.0.11", b)
    net.host.reconcile(cloud, verify=False)
    lease = net.lease(b)
    assert lease is not None
    assert lease["ip"] == "10.0.0.11"


def test_dnsmasq_answers_names_of_the_network(lab: Lab, cloud: Cloud) -> None:
    net = Network(lab, cloud)
    net.guest("10.0.0.12", lab.space("b"), dns_name="web")
    net.host.reconcile(cloud)
    net.a.address("10.0.0.11/24")
    found = net.a.run("busybox", "nslookup", "-type=a", "web.openstacklocal", "10.0.0.2", check=False).stdout
    assert re.search(r"Address:?\s+(\d: )?10\.0\.0\.12", found), found


def test_a_server_that_was_killed_is_back_by_the_next_look(lab: Lab, cloud: Cloud) -> None:
    net = Network(lab, cloud)
    net.host.reconcile(cloud)
    first = net.dnsmasq
    net.host.space.run("kill", "-9", str(first))
    wait_for(
        lambda: not Path(f"/proc/{first}/cmdline").read_bytes() if Path(f"/proc/{first}").exists() else True, 3, ""
    )
    report = net.host.agent.reconcile()
    assert f"dhcp {net.network.id}" in report.repaired
    assert net.dnsmasq != first
    assert net.lease(net.a) is not None


def test_metadata_route_only_where_no_router_is(lab: Lab, cloud: Cloud) -> None:
    net = Network(lab, cloud)
    net.host.config = type(net.host.config)(
        **{f: getattr(net.host.config, f) for f in net.host.config.__struct_fields__}
        | {"enable_isolated_metadata": True}
    )
    net.host.reconcile(cloud)
    lease = net.lease(net.a)
    assert lease is not None
    assert "169.254.169.254/32 10.0.0.2" in lease["staticroutes"]
    cloud.router("h1", [(net.network, {"10.0.0.1": net.subnet})])
    net.host.reconcile(cloud, verify=False)
    lease = net.lease(net.a)
    assert lease is not None
    assert "169.254.169.254" not in lease.get("staticroutes", "")


def test_a_network_that_goes_takes_its_server_along(lab: Lab, cloud: Cloud) -> None:
    net = Network(lab, cloud)
    net.host.reconcile(cloud)
    pid = net.dnsmasq
    for port in list(cloud.ports.values()):
        cloud.remove(port)
    net.host.reconcile(cloud, verify=False)
    wait_for(lambda: not Path(f"/proc/{pid}").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes(), 3, "dnsmasq")
    assert net.host.agent._drivers.switch.observe() == {"bridges": {}, "tunnels": {}, "namespaces": []}


@pytest.mark.parametrize("mode", ["dhcpv6-stateful", "dhcpv6-stateless"])
def test_ipv6(lab: Lab, cloud: Cloud, mode: str) -> None:
    """A fixed address and the DNS server (stateful), or the DNS server alone (stateless)."""
    net = Network(lab, cloud)
    v6 = cloud.subnet(
        net.network, "fd00:10::/64", ipv6_address_mode=mode, ipv6_ra_mode=mode, dns_nameservers=("fd00:53::53",)
    )
    cloud.remove(next(p for p in cloud.ports.values() if p.device_owner == "network:dhcp"))
    cloud.dhcp(net.network, "h1", {"10.0.0.2": net.subnet, "fd00:10::2": v6})
    b = lab.space("b")
    port = cloud.guest(net.network, "h1", {"fd00:10::12": v6}, b.name, security_groups=(net.group.id,))
    net.host.reconcile(cloud)
    lease = _lease6(lab, b, stateless=mode == "dhcpv6-stateless")
    assert lease["new_dhcp6_name_servers"] == "fd00:53::53"
    assert lease.get("new_ip6_address", "") == ("fd00:10::12" if mode == "dhcpv6-stateful" else "")

    if mode == "dhcpv6-stateful":
        # The address goes to another port, whose guest has another identity.
        cloud.remove(port)
        net.host.reconcile(cloud, verify=False)
        c = lab.space("c")
        cloud.guest(net.network, "h1", {"fd00:10::12": v6}, c.name, security_groups=(net.group.id,))
        net.host.reconcile(cloud, verify=False)
        assert _lease6(lab, c, stateless=False)["new_ip6_address"] == "fd00:10::12"


def _lease6(lab: Lab, space: Space, *, stateless: bool) -> dict[str, str]:
    """What ISC's dhclient gets, as its script's environment."""
    mark = new_id()
    found, script = lab.directory / f"{mark}.env", lab.directory / f"{mark}.sh"
    script.write_text(f'#!/bin/sh\ncase "$reason" in BOUND6 | RENEW6) env > {found};; esac\n')
    script.chmod(0o755)
    space.run("ip", "link", "set", "eth0", "up")
    wait_for(
        lambda: (
            "inet6" in (text := space.run("ip", "-6", "addr", "show", "dev", "eth0").stdout) and "tentative" not in text
        ),
        5,
        "a link-local address",
    )
    space.run(
        "dhclient", "-6", *(["-S"] if stateless else []), "-1", "-sf", str(script), "-cf", "/dev/null",
        "-lf", str(lab.directory / f"{mark}.leases"), "-pf", str(lab.directory / f"{mark}.pid"), "eth0",
    )  # fmt: skip
    return dict(line.split("=", 1) for line in found.read_text().splitlines() if "=" in line)
