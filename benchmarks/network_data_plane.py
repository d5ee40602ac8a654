"""From a request to the API to what a host does: `python -m benchmarks.network_data_plane [ports] [rules]` (root).

A cloud whose host is a namespace (tests/system/network/whole.py), with its API, engine and agent as processes. Prints a
table and, as the last line, the same as JSON:

- `ports_wired_s`: `ports` ports in one bulk request, until all are ACTIVE;
- `port_active_ms`: one port more, from the request to ACTIVE (median of 10);
- `rule_in_force_ms`: one rule more until the first packet is let through (median of 5);
- the same two with `rules` rules in the port's group, and with as many members in the group that a rule names.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.system.network.lab import missing_for_root_tests
from tests.system.network.whole import Guest, WholeCloud

from cumulet.agents.network import names

BULK = 100
LOOK_S = 0.005
PATIENCE_S = 120.0


def main(ports: int = 200, rules: int = 1000) -> None:
    reason = missing_for_root_tests()
    if reason is not None:
        sys.exit(reason)
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as directory:
        whole = WholeCloud(Path(directory))
        try:
            whole.start(second=False)
            whole.update(f"quotas/{_project(whole)}", {"quota": dict.fromkeys(_QUOTAS, -1)})
            measure(whole, ports, rules, found)
        finally:
            whole.close()
    for name, value in found.items():
        print(f"{name:34} {value:10.1f}")
    print(json.dumps({"benchmark": "network_data_plane", "ports": ports, "rules": rules, **found}))


_QUOTAS = ("port", "security_group", "security_group_rule", "network", "subnet")


def measure(whole: WholeCloud, ports: int, rules: int, found: dict[str, float]) -> None:
    group = whole.group()
    network, _ = whole.network(cidr="10.200.0.0/16")
    found["ports_wired_s"] = seconds(lambda: wire(whole, network, group, ports))
    found["port_active_ms"] = one_port(whole, network, group)
    a, b = whole.guest(network, "h1", group), whole.guest(network, "h1", group)
    found["rule_in_force_ms"] = one_rule(whole, group, a, b)
    for start in range(0, rules, BULK):
        whole.create_many("security_group_rule", [
            {"security_group_id": group, "direction": "ingress", "protocol": "tcp", "ethertype": "IPv4",
             "port_range_min": 2 * n + 1, "port_range_max": 2 * n + 1, "remote_ip_prefix": f"192.0.{n % 200}.0/24"}
            for n in range(start, start + BULK)
        ])  # fmt: skip
    time.sleep(5)  # until the agent has taken these
    found["port_active_many_rules_ms"] = one_port(whole, network, group)
    found["rule_in_force_many_rules_ms"] = one_rule(whole, group, a, b)

    friends, trusting = whole.group(), whole.group()
    whole.allow(trusting, protocol="tcp", remote_group_id=friends)
    for _ in range(0, rules, BULK):
        whole.create_many("port", [{"network_id": network, "security_groups": [friends]} for _ in range(BULK)])
    c = whole.guest(network, "h1", trusting)
    time.sleep(5)
    found["port_active_many_members_ms"] = one_port(whole, network, trusting)
    found["rule_in_force_many_members_ms"] = one_rule(whole, trusting, a, c)


def wire(whole: WholeCloud, network: str, group: str, count: int) -> None:
    ports = whole.create_many("port", [_port(network, group) for _ in range(count)])
    plug(whole, [port["id"] for port in ports])
    until(lambda: len(whole.get(f"ports?network_id={network}&status=ACTIVE&fields=id")["ports"]) >= count)


def plug(whole: WholeCloud, ports: list[str]) -> None:
    """Taps, as a hypervisor makes them."""
    batch = whole.directory / "taps"
    batch.write_text("".join(f"tuntap add dev {names.tap(port)} mode tap\n" for port in ports))
    whole.spaces["h1"].run("ip", "-batch", str(batch))


def one_port(whole: WholeCloud, network: str, group: str) -> float:
    def once() -> None:
        port = whole.create("port", **_port(network, group))["id"]
        plug(whole, [port])
        until(lambda: whole.get(f"ports/{port}?fields=status")["port"]["status"] == "ACTIVE")

    return statistics.median(seconds(once) for _ in range(10)) * 1000


def one_rule(whole: WholeCloud, group: str, guest: Guest, other: Guest) -> float:
    taken = []
    for _ in range(5):
        ping = guest.space.start("ping", "-i", "0.01", "-c", "1000", "-D", other.address)
        time.sleep(0.3)
        asked = time.time()
        rule = whole.allow(group, protocol="icmp")
        assert ping.stdout is not None
        line = next(line for line in ping.stdout if "bytes from" in line)
        taken.append(float(line[1 : line.index("]")]) - asked)
        ping.kill()
        ping.wait()
        whole.delete(f"security-group-rules/{rule}")
        until(lambda: not guest.space.pings(other.address, seconds=0.2))
    return statistics.median(taken) * 1000


def _port(network: str, group: str) -> dict[str, Any]:
    return {
        "network_id": network, "security_groups": [group], "binding:host_id": "h1", "device_owner": "compute:nova",
        "device_id": "bench",
    }  # fmt: skip


def _project(whole: WholeCloud) -> str:
    return str(whole.get("security-groups")["security_groups"][0]["project_id"])


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(LOOK_S)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ports", type=int, nargs="?", default=200)
    parser.add_argument("rules", type=int, nargs="?", default=1000)
    main(**vars(parser.parse_args()))
