"""How fast the network agent does its work: `python -m benchmarks.network_agent [ports] [rules]` (root).

Prints, one line each, the seconds or milliseconds for: wiring 200 ports at once; one port's update on a host whose
group has 1,000 rules, or 1,000 members, with all of its parts (plan, filter, DHCP reload, devices); a whole look at
everything; and the cost of a packet through a group with 1 and with 1,000 rules.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.agents.network.cloud import EGRESS_ALL, Cloud, new_id, rule
from tests.system.network.lab import Lab, missing_for_root_tests

from cumulet.agents.network.deltas import Delta, encode
from cumulet.agents.network.state import AddressSet, Port

CIDR = "10.0.0.0/16"


def main(ports: int = 200, rules: int = 1000) -> None:
    reason = missing_for_root_tests()
    if reason is not None:
        sys.exit(reason)
    for bench in (wiring, rules_update, members_update, packets):
        with tempfile.TemporaryDirectory() as directory:
            lab = Lab(Path(directory))
            try:
                bench(lab, ports, rules)
            finally:
                lab.close()


def wiring(lab: Lab, ports: int, rules: int) -> None:
    """Taps of as many servers with port security, DHCP for all of them."""
    cloud = Cloud()
    host = lab.host("h1")
    _fill(cloud, ports, EGRESS_ALL, plug="tap")
    wanted = cloud.state("h1")
    agent = host.agent
    started = time.perf_counter()
    agent.want(wanted)
    report = agent.reconcile()
    say(f"{ports} ports wired", time.perf_counter() - started, "s")
    assert not report.errors, report.errors
    say("a look at everything afterwards", _best(agent.reconcile, 5), "s")


def rules_update(lab: Lab, ports: int, rules: int) -> None:
    """One rule more and one less in a group of `rules` rules that every port has, and one new port of that group."""
    cloud = Cloud()
    host = lab.host("h1")
    mixed = [
        rule(
            protocol="tcp",
            port_range_min=1000 + i,
            port_range_max=1000 + i + i % 3,
            remote_ip_prefix=f"10.{i % 250}.0.0/16",
        )
        for i in range(rules)
    ]
    group = _fill(cloud, ports, (*EGRESS_ALL, *mixed), plug="tap")
    host.reconcile(cloud)
    numbers = iter(range(10_000))

    def one_rule_more() -> None:
        nonlocal group
        fresh = rule(protocol="udp", port_range_min=2000 + next(numbers))
        group = cloud.change(group, rules=(*group.rules, fresh))
        _send(host, cloud, {"security_groups": (group,)})

    def one_rule_less() -> None:
        nonlocal group
        group = cloud.change(group, rules=group.rules[:-1])
        _send(host, cloud, {"security_groups": (group,)})

    say(f"a rule more in a group of {rules} rules", _median(one_rule_more, 20), "ms")
    say(f"a rule less in a group of {rules} rules", _median(one_rule_less, 10), "ms")
    say(f"a port more in a group of {rules} rules", _median(lambda: _new_port(host, cloud, group.id), 20), "ms")


def members_update(lab: Lab, ports: int, rules: int) -> None:
    """A new port that joins a group of `rules` members, which is also its own remote group."""
    cloud = Cloud()
    host = lab.host("h1")
    friends = new_id()
    everybody = rule(remote_group_id=friends)
    cloud.members(friends, *(f"10.9.{i // 250}.{i % 250}" for i in range(rules)))
    group = _fill(cloud, ports, (*EGRESS_ALL, everybody), plug="tap")
    host.reconcile(cloud)

    def join() -> None:
        _new_port(host, cloud, group.id, friends)

    def leave() -> None:
        members = cloud.address_sets[friends]
        gone = next(iter(members.addresses))
        cloud.members(friends, *(members.addresses - {gone}))
        _send(host, cloud, {"address_sets": (cloud.address_sets[friends],)})

    say(f"a port joins a group of {rules} members", _median(join, 20), "ms")
    say(f"a member leaves a group of {rules} members", _median(leave, 20), "ms")


def packets(lab: Lab, ports: int, rules: int) -> None:
    """Ping's round trip, every packet a new connection, where one rule and where `rules` rules allow it."""
    cloud = Cloud()
    host = lab.host("h1")
    network = cloud.network()
    subnet = cloud.subnet(network, CIDR)
    group = cloud.group(*EGRESS_ALL, rule(protocol="icmp", remote_ip_prefix=CIDR))
    spaces = []
    for number in (1, 2):
        space = lab.space(f"g{number}")
        cloud.guest(network, "h1", {f"10.0.0.{number}": subnet}, space.name, security_groups=(group.id,))
        spaces.append(space)
    for count in (1, rules):
        many = [
            rule(protocol="tcp", port_range_min=1000 + i, remote_ip_prefix=f"10.{i % 250}.0.0/16") for i in range(count)
        ]
        group = cloud.change(group, rules=(*EGRESS_ALL, *many, rule(protocol="icmp", remote_ip_prefix=CIDR)))
        host.reconcile(cloud)
        for number, space in enumerate(spaces, start=1):
            space.address(f"10.0.0.{number}/16")
        spaces[0].ping_until("10.0.0.2")
        text = spaces[0].run("ping", "-q", "-f", "-c", "5000", "10.0.0.2").stdout
        average = re.search(r"= [\d.]+/([\d.]+)/", text)
        assert average is not None, text
        say(f"a ping through {count} rules", float(average.group(1)) / 1000, "ms")


# -- parts ------------------------------------------------------------------------------------------------------------


def _fill(cloud: Cloud, ports: int, rules: tuple, **attributes: object):  # type: ignore[type-arg, no-untyped-def]
    network = cloud.network()
    subnet = cloud.subnet(network, CIDR, gateway_ip="10.0.255.254")
    cloud.dhcp(network, "h1", {"10.0.255.253": subnet})
    group = cloud.group(*rules)
    for number in range(ports):
        address = f"10.0.{number // 250}.{number % 250 + 1}"
        cloud.port(network, "h1", {address: subnet}, security_groups=(group.id,), **attributes)
    return group


def _new_port(host, cloud: Cloud, group: str, friends: str | None = None) -> Port:  # type: ignore[no-untyped-def]
    network = next(iter(cloud.networks.values()))
    subnet = next(iter(cloud.subnets.values()))
    number = len(cloud.ports)
    address = f"10.0.{100 + number // 250}.{number % 250 + 1}"
    port = cloud.port(network, "h1", {address: subnet}, security_groups=(group,), plug="tap")
    changed: dict[str, tuple[object, ...]] = {"ports": (port,), "endpoints": (cloud._endpoint(port),)}
    if friends is not None:
        members = cloud.address_sets[friends]
        cloud.address_sets[friends] = AddressSet(id=friends, addresses=members.addresses | {address})
        changed["address_sets"] = (cloud.address_sets[friends],)
    _send(host, cloud, changed)
    return port


def _send(host, cloud: Cloud, changed: dict[str, tuple[object, ...]]) -> None:  # type: ignore[no-untyped-def]
    """What the control plane does: a delta, received, decoded and applied."""
    base = host.agent.generation
    host.agent.accept(encode(Delta(host="h1", base_generation=base, generation=base + 1, changed=changed)))
    report = host.agent.reconcile(verify=False)
    assert not report.errors, report.errors


def _median(act: Callable[[], object], times: int) -> float:
    return statistics.median(_time(act) for _ in range(times))


def _best(act: Callable[[], object], times: int) -> float:
    return min(_time(act) for _ in range(times))


def _time(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def say(what: str, seconds: float, unit: str) -> None:
    value = seconds if unit == "s" else seconds * 1000
    print(f"{what:55s} {value:8.2f} {unit}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ports", type=int, nargs="?", default=200)
    parser.add_argument("rules", type=int, nargs="?", default=1000)
    main(**vars(parser.parse_args()))
