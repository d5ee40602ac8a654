"""Hosts, guests and an outside world made of network namespaces on this machine.

Every namespace of a lab begins with a prefix of its own, all traffic stays inside them, and `close` takes everything
away again. The machine's own interfaces are never touched.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from cumulet.agents.network import netns, processes, sysctl
from cumulet.agents.network.agent import NetworkAgent
from cumulet.agents.network.config import AgentConfig
from cumulet.agents.network.linux import linux_drivers
from cumulet.agents.network.netlink import Netlink
from cumulet.agents.network.nft import library
from cumulet.agents.network.report import Report
from tests.agents.network.cloud import Cloud

PACKAGES = (
    "busybox", "dnsmasq-base", "iproute2", "iputils-ping", "isc-dhcp-client", "keepalived", "libnftables1",
    "nftables", "radvd", "tcpdump", "udhcpc",
)  # fmt: skip
TOOLS = ("busybox", "dhclient", "dnsmasq", "keepalived", "nft", "ping", "radvd", "tcpdump", "udhcpc")


def missing_for_root_tests() -> str | None:
    """Why tests with namespaces cannot run here, or None."""
    if os.geteuid() != 0:
        return "needs root: it makes network namespaces"
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if absent:
        return f"needs {', '.join(absent)} (Debian: {' '.join(PACKAGES)})"
    if not library.available():
        return "needs libnftables.so.1 (Debian: libnftables1)"
    return None


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true value of `condition`; AssertionError with `what` if there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


class Space:
    """A namespace to run things in."""

    def __init__(self, name: str) -> None:
        self.name = name
        netns.create(name)
        self.netlink = Netlink(name)
        batch = self.netlink.batch()
        batch.link("lo", "set", index=1, state="up")
        batch.do()

    def run(self, *argv: str, timeout: float = 20, check: bool = True) -> subprocess.CompletedProcess[str]:
        with netns.inside(self.name):
            done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)
        assert not check or done.returncode == 0, f"{' '.join(argv)}: {done.stdout}{done.stderr}"
        return done

    def start(self, *argv: str) -> subprocess.Popen[str]:
        with netns.inside(self.name):
            return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def index(self, device: str) -> int:
        link = self.netlink.link(device)
        assert link is not None, f"no {device} in {self.name}"
        return link.index

    def address(self, cidr: str, device: str = "eth0", gateway: str | None = None) -> None:
        """Set a static address, bring the device up and, with a gateway, the default route."""
        ip, length = cidr.split("/")
        batch = self.netlink.batch()
        index = self.index(device)
        batch.link(device, "set", index=index, state="up")
        extra = {"flags": 2} if ":" in ip else {}
        batch.address(cidr, "replace", index=index, address=ip, prefixlen=int(length), **extra)
        if gateway is not None:
            batch.route("default", "replace", dst="default", gateway=gateway, family=10 if ":" in gateway else 2)
        batch.do()

    def pings(self, target: str, *, seconds: float = 1) -> bool:
        return self.run("ping", "-c", "1", "-W", str(seconds), target, check=False).returncode == 0

    def ping_until(self, target: str, seconds: float = 5) -> None:
        wait_for(lambda: self.pings(target, seconds=0.3), seconds, f"{self.name} reaches {target}")

    def close(self) -> None:
        self.netlink.close()
        netns.delete(self.name)


class RunningPing:
    """A ping every 50 ms in the background; `losses` ends it and counts requests without an answer."""

    def __init__(self, space: Space, target: str) -> None:
        self._process = space.start("ping", "-i", "0.05", target)
        time.sleep(0.3)

    def losses(self) -> tuple[int, int]:
        """(sent, lost); a request still under way when it ends is not counted as lost."""
        time.sleep(0.3)
        self._process.send_signal(2)
        text = self._process.communicate(timeout=10)[0]
        sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", text).groups())  # type: ignore[union-attr]
        answered = {int(n) for n in re.findall(r"icmp_seq=(\d+) ttl", text)}
        pending = 0 if sent in answered else 1
        return sent, max(0, sent - received - pending)


class Host:
    """A namespace that plays a host, with the agent that is to look after it."""

    def __init__(self, lab: Lab, name: str, **settings: Any) -> None:
        self.lab = lab
        self.name = name
        self.space = lab.space(name)
        self.config = AgentConfig(
            host=name,
            state_dir=lab.directory / name,
            prefix=f"{lab.prefix}{name}-",
            host_namespace=self.space.name,
            **settings,
        )
        self._agent: NetworkAgent | None = None

    @property
    def agent(self) -> NetworkAgent:
        if self._agent is None:
            self._agent = NetworkAgent(self.config, linux_drivers(self.config))
        return self._agent

    def reconcile(self, cloud: Cloud, *, verify: bool = True, errors: bool = False) -> Report:
        self.agent.want(cloud.state(self.name))
        report = self.agent.reconcile(verify=verify)
        assert errors or not report.errors, report.errors
        return report

    def process(self, *, inside: bool = False) -> subprocess.Popen[bytes]:
        """The agent as a process of its own, to be killed; with `inside` it is started where it is to work."""
        file = self.lab.directory / f"{self.name}.json"
        config = msgspec.structs.replace(self.config, host_namespace=None) if inside else self.config
        file.write_bytes(config.to_json())
        with (
            (self.lab.directory / f"{self.name}.log").open("ab") as log,
            netns.inside(self.space.name if inside else None),
        ):
            process = subprocess.Popen(
                [sys.executable, "-m", "cumulet.agents.network", str(file)],
                stdout=log,
                stderr=log,
            )
        self.lab.processes.append(process)
        return process

    def qdhcp(self, network_id: str) -> str:
        return f"{self.config.prefix}qdhcp-{network_id}"

    def qrouter(self, router_id: str) -> str:
        return f"{self.config.prefix}qrouter-{router_id}"


class Lab:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.prefix = f"t{secrets.token_hex(2)}-"
        self.spaces: list[Space] = []
        self.hosts: list[Host] = []
        self.processes: list[subprocess.Popen[Any]] = []

    def space(self, name: str) -> Space:
        space = Space(self.prefix + name)
        self.spaces.append(space)
        return space

    def host(self, name: str, **settings: Any) -> Host:
        host = Host(self, name, **settings)
        self.hosts.append(host)
        return host

    def cable(self, a: Space, device_a: str, b: Space, device_b: str) -> None:
        """A veth between two namespaces, up at both ends."""
        batch = a.netlink.batch()
        with (netns.RUN_DIR / b.name).open() as target:
            batch.link(
                device_a, "add", ifname=device_a, kind="veth", state="up",
                peer={"ifname": device_b, "net_ns_fd": target.fileno()},
            )  # fmt: skip
            batch.do()
        other = b.netlink.batch()
        other.link(device_b, "set", index=b.index(device_b), state="up")
        other.do()

    def outside(self, *hosts: Host, device: str = "ext0", address: str = "172.24.4.1/24") -> Space:
        """A world outside with one switch that every host has `device` on, and one inhabitant at `address`."""
        outside = self.space("outside")
        batch = outside.netlink.batch()
        batch.link("eth0", "add", ifname="eth0", kind="bridge", br_stp_state=0, br_forward_delay=0, state="up")
        batch.do()
        for number, host in enumerate(hosts):
            self.cable(host.space, device, outside, f"p{number}")
            batch = outside.netlink.batch()
            batch.link("p", "set", index=outside.index(f"p{number}"), master=outside.index("eth0"))
            batch.do()
        sysctl.ensure(outside.name, {"bridge/bridge-nf-call-iptables": 0, "bridge/bridge-nf-call-ip6tables": 0})
        outside.address(address)
        return outside

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        for host in self.hosts:
            NetworkAgent(host.config, linux_drivers(host.config)).purge()
        for space in self.spaces:
            for pid in inhabitants(space.name):
                processes.end(pid)
            space.close()
        left = netns.names(self.prefix)
        for name in left:
            netns.delete(name)
        assert not left, f"the agents have left namespaces behind: {left}"


def inhabitants(namespace: str) -> list[int]:
    number = netns.identity(namespace)
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "ns" / "net").stat().st_ino == number:
                found.append(int(entry.name))
        except OSError:
            continue
    return found
