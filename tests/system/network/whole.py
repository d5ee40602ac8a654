"""A whole cloud whose hosts are namespaces: its API and engine as processes, an agent process on each of two hosts.

Host `h1` is the namespace that `cumulet up` runs in, with the agent that it starts there; `h2` has an agent that was
started by itself. Guests are plugged in as a hypervisor does it (docs/network-agent.md, "How a guest is plugged in").
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import urllib3

from cumulet.agents.host import real
from cumulet.agents.network import names, netns, sysctl
from cumulet.kernel.settings import Settings
from tests.system.cloud import TIMEOUT_S, Cloud, environment, left_behind, request
from tests.system.network.lab import Lab, Space, wait_for

PATIENCE_S = 60.0
PATIENCE = float(os.environ.get("CUMULET_TEST_PATIENCE", "3"))
"""How many times slower than asked for things may be on a machine with other work."""
NEUTRON = """\
[DEFAULT]
core_plugin = ml2
service_plugins = router
allow_overlapping_ips = true
host = {host}
"""
LINUX_BRIDGE = """\
[linux_bridge]
physical_interface_mappings = provider:ext0
[vxlan]
enable_vxlan = true
local_ip = {local_ip}
l2_population = true
[securitygroup]
enable_security_group = true
firewall_driver = neutron.agent.linux.iptables_firewall.IptablesFirewallDriver
"""
METADATA = """\
[DEFAULT]
nova_metadata_host = 127.0.0.1
nova_metadata_port = {port}
metadata_proxy_shared_secret = METADATA_SECRET
"""
METADATA_PORT = 8775
END_POINTS = {"h1": "192.168.88.1", "h2": "192.168.88.2"}


def write_configuration(state_dir: Path, host: str, **more: str) -> None:
    """The install guide's files. `more`: text to add to neutron.conf."""
    folder = state_dir / "etc" / "neutron"
    (folder / "plugins" / "ml2").mkdir(parents=True)
    (folder / "neutron.conf").write_text(NEUTRON.format(host=host) + more.get("neutron", ""))
    bridge = LINUX_BRIDGE.format(local_ip=END_POINTS[host])
    (folder / "plugins" / "ml2" / "linuxbridge_agent.ini").write_text(bridge)
    (folder / "metadata_agent.ini").write_text(METADATA.format(port=METADATA_PORT))


class HostedCloud(Cloud):
    """The program, run in a namespace; ports are the standard ones there."""

    space: Space

    def run(
        self, *arguments: str, check: bool = True, timeout_s: float = TIMEOUT_S
    ) -> subprocess.CompletedProcess[str]:
        with netns.inside(self.space.name):
            return super().run(*arguments, check=check, timeout_s=timeout_s)


class Guest:
    """A namespace with one port."""

    def __init__(self, space: Space, host: str, port: dict[str, Any]) -> None:
        self.space = space
        self.host = host
        self.id = str(port["id"])
        self.mac = str(port["mac_address"])
        self.address = str(port["fixed_ips"][0]["ip_address"])


class WholeCloud:
    def __init__(self, directory: Path) -> None:
        self.lab = Lab(directory)
        self.directory = directory
        self.spaces = {host: self.lab.space(host) for host in END_POINTS}
        self.outside: Space
        self.cloud = HostedCloud(directory / "h1", offset=0)
        self.cloud.space = self.spaces["h1"]
        self.agent: subprocess.Popen[bytes] | None = None
        self._token = ""
        self._numbers = iter(range(1, 1000))

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self, *, second: bool = True) -> None:
        """`second`: with an agent on the second host."""
        self.lab.cable(self.spaces["h1"], "ul0", self.spaces["h2"], "ul0")
        for host, address in END_POINTS.items():
            self.spaces[host].address(f"{address}/24", "ul0")
        self.outside = self._outside()
        write_configuration(self.directory / "h1", "h1")
        write_configuration(self.directory / "h2", "h2")
        self.cloud.up("--services", "identity,network", "--workers", "1")
        with netns.inside(self.spaces["h1"].name):
            self._token = self.cloud.login()
        if second:
            self.start_agent()
        expected = 8 if second else 4
        wait_for(lambda: len(self.alive()) == expected, PATIENCE_S, "each host reports its four agents")

    def _outside(self) -> Space:
        """A world outside that both hosts have `ext0` in, with one inhabitant."""
        outside = self.lab.space("outside")
        outside.run("ip", "link", "add", "eth0", "type", "bridge")
        outside.run("ip", "link", "set", "eth0", "up")
        for number, space in enumerate(self.spaces.values()):
            self.lab.cable(space, "ext0", outside, f"p{number}")
            outside.run("ip", "link", "set", f"p{number}", "master", "eth0")
        sysctl.ensure(outside.name, {"bridge/bridge-nf-call-iptables": 0, "bridge/bridge-nf-call-ip6tables": 0})
        outside.address("172.24.4.1/24")
        return outside

    def start_agent(self) -> None:
        """The second host's."""
        command = [sys.executable, "-m", "cumulet.agents.host", "--state-dir", str(self.directory / "h2")]
        command += ["--services", "network", "--bus", str(self.directory / "h1" / "run" / "bus")]
        with netns.inside(self.spaces["h2"].name):
            self.agent = subprocess.Popen(command, env=environment())

    def kill_agent(self) -> None:
        assert self.agent is not None
        self.agent.kill()
        self.agent.wait()

    def leave(self) -> None:
        """Take the second host's agent away, with all that it made."""
        assert self.agent is not None
        self.agent.terminate()
        self.agent.wait(TIMEOUT_S)
        command = [sys.executable, "-m", "cumulet.agents.host", "--state-dir", str(self.directory / "h2"), "--leave"]
        self.spaces["h2"].run(*command, timeout=TIMEOUT_S)

    def close(self) -> None:
        try:
            if self.agent is not None:
                self.leave()
                self.cloud.run("down", check=False)
            for pid in left_behind(self.directory / "h1"):
                os.kill(pid, signal.SIGKILL)
        finally:
            self.lab.close()

    def traces(self, host: str) -> list[str]:
        """What a host's agents have there: namespaces, devices, tables, processes."""
        prefix = real.prefix_of(Settings(state_dir=str(self.directory / host)))
        space = self.spaces[host]
        devices = [link for link in space.netlink.links() if link.startswith(("brq", "vxlan-"))]
        tables = space.run("nft", "list", "tables").stdout.splitlines()
        folder = str(self.directory / host / "agents").encode()
        daemons = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes()
                if folder in line:
                    daemons.append(line.split(b"\0")[0].decode())
        return [*netns.names(prefix), *devices, *tables, *sorted(daemons)]

    # -- the API ------------------------------------------------------------------------------------------------------

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and decoded body of a request of the administrator's to Network."""
        with netns.inside(self.spaces["h1"].name):
            given = {} if body is None else {"json": body}
            answer = request(method, f"http://127.0.0.1:9696/v2.0/{path}", token=self._token, **given)
        return answer.status, json.loads(answer.data) if answer.data else None

    def create(self, kind: str, **attributes: Any) -> dict[str, Any]:
        path = {"policy": "policies"}.get(kind, f"{kind}s").replace("_", "-")
        status, body = self.call("POST", path, {kind: attributes})
        assert status == 201, body
        made: dict[str, Any] = body[kind]
        return made

    def create_many(self, kind: str, values: list[dict[str, Any]]) -> list[dict[str, Any]]:
        status, body = self.call("POST", f"{kind}s".replace("_", "-"), {f"{kind}s": values})
        assert status == 201, body
        made: list[dict[str, Any]] = body[f"{kind}s"]
        return made

    def update(self, path: str, body: Any) -> Any:
        status, answer = self.call("PUT", path, body)
        assert status == 200, answer
        return answer

    def delete(self, path: str) -> None:
        status, answer = self.call("DELETE", path)
        assert status == 204, answer

    def get(self, path: str) -> Any:
        status, body = self.call("GET", path)
        assert status == 200, body
        return body

    def alive(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("agents")["agents"]
        return [agent for agent in found if agent["alive"]]

    # -- what tests need often ----------------------------------------------------------------------------------------

    def network(self, **subnet: Any) -> tuple[str, str]:
        """Ids of a tenant network and its one subnet, 10.<n>.0.0/24."""
        number = next(self._numbers)
        network = self.create("network", name=f"net{number}")
        given = {"cidr": f"10.{number}.0.0/24", "ip_version": 4, **subnet}
        return network["id"], self.create("subnet", network_id=network["id"], **given)["id"]

    def external(self) -> str:
        """The network of the world outside; made once."""
        for known in self.get("networks?router:external=true")["networks"]:
            return str(known["id"])
        provider = {"provider:network_type": "flat", "provider:physical_network": "provider"}
        network = self.create("network", name="outside", **{"router:external": True}, **provider)
        pool = [{"start": "172.24.4.100", "end": "172.24.4.200"}]
        self.create(
            "subnet", network_id=network["id"], cidr="172.24.4.0/24", ip_version=4, gateway_ip="172.24.4.1",
            enable_dhcp=False, allocation_pools=pool,
        )  # fmt: skip
        return str(network["id"])

    def router(self, *subnets: str, **attributes: Any) -> str:
        router = str(self.create("router", **attributes)["id"])
        for subnet in subnets:
            self.update(f"routers/{router}/add_router_interface", {"subnet_id": subnet})
        return router

    def group(self, *rules: dict[str, Any]) -> str:
        """A group that lets everything out, and in what `rules` say."""
        group = self.create("security_group", name=f"group{next(self._numbers)}")["id"]
        for rule in rules:
            self.allow(group, **rule)
        return str(group)

    def allow(self, group: str, **rule: Any) -> str:
        given = {"security_group_id": group, "direction": "ingress", "ethertype": "IPv4", **rule}
        return str(self.create("security_group_rule", **given)["id"])

    def guest(self, network: str, host: str, *groups: str, lease: bool = True, **attributes: Any) -> Guest:
        """A guest on a host, plugged in, with its port active; with `lease` its address is that of its lease."""
        space = self.lab.space(f"g{next(self._numbers)}")
        port = self.create(
            "port", network_id=network, device_owner="compute:nova", device_id=attributes.pop("device_id", space.name),
            security_groups=list(groups), **{"binding:host_id": host}, **attributes,
        )  # fmt: skip
        assert port["binding:vif_type"] == "bridge", port
        guest = Guest(space, host, port)
        self.plug(guest)
        self.until_active(guest.id)
        if lease:
            self.lease(guest)
        return guest

    def plug(self, guest: Guest) -> None:
        """What a hypervisor does: a device with the port's name on its host, the other end the guest's."""
        space = guest.space
        self.lab.cable(self.spaces[guest.host], names.tap(guest.id), space, "eth0")
        space.run("ip", "link", "set", "eth0", "down", "address", guest.mac, "mtu", "1450")
        space.run("ip", "link", "set", "eth0", "up")

    def until_active(self, port: str, status: str = "ACTIVE") -> None:
        wait_for(lambda: self.get(f"ports/{port}")["port"]["status"] == status, PATIENCE_S, f"port {port} is {status}")

    def lease(self, guest: Guest) -> str:
        """Ask DHCP until it answers, and configure what it says; what it said."""
        script = self.directory / "udhcpc.sh"
        if not script.exists():
            script.write_text(
                "#!/bin/sh\n[ \"$1\" = bound ] || exit 0\n"
                "ip address replace $ip/$mask dev $interface\n"
                "[ -z \"$router\" ] || ip route replace default via $router\n"
                "echo leased $ip router $router dns $dns mtu $mtu\n"
            )  # fmt: skip
            script.chmod(0o755)
        command = ("udhcpc", "-i", "eth0", "-f", "-q", "-n", "-t", "20", "-T", "1", "-s", str(script))
        said = guest.space.run(*command, timeout=PATIENCE_S).stdout
        assert f"leased {guest.address} " in said, said
        return said

    def echoes(self, client: Guest, address: str) -> bool:
        """Whether the echo server at an address is reached."""
        with self.conversation(client, address) as talk:
            return talk("there?") == "there?"

    @contextlib.contextmanager
    def conversation(self, client: Guest, address: str) -> Iterator[Callable[[str], str | None]]:
        """A TCP connection of a guest's to an echo server: says a line, and returns the answer if one comes."""
        with netns.inside(client.space.name):
            connection = socket.socket()
        connection.settimeout(1)

        def talk(line: str) -> str | None:
            try:
                connection.sendall(line.encode() + b"\n")
                return connection.recv(4096).decode().strip().rpartition("\n")[2]
            except OSError:
                return None

        with connection:
            with contextlib.suppress(OSError):
                connection.connect((address, 7))
            yield talk

    @contextlib.contextmanager
    def metadata_service(self) -> Iterator[set[str]]:
        """Compute's metadata service in its place, on both hosts; the instances that it was truly asked for."""
        asked: set[str] = set()
        servers = []
        for space in self.spaces.values():
            with netns.inside(space.name):
                servers.append(ThreadingHTTPServer(("127.0.0.1", METADATA_PORT), _metadata_handler(asked)))
            threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        try:
            yield asked
        finally:
            for server in servers:
                server.shutdown()
                server.server_close()

    def metadata_of(self, guest: Guest, **headers: str) -> str | None:
        """The id that the metadata service tells a guest; None when it tells nothing."""
        url = "http://169.254.169.254/latest/meta-data/instance-id"
        with netns.inside(guest.space.name), urllib3.PoolManager() as pool:
            try:
                answer = pool.request("GET", url, headers=headers, retries=False, timeout=3)
            except urllib3.exceptions.HTTPError:
                return None
        return answer.data.decode() if answer.status == 200 else None

    def active_host(self, router: str) -> str | None:
        """The host whose agent reports an HA router as active."""
        agents = self.get(f"routers/{router}/l3-agents")["agents"]
        active = [str(agent["host"]) for agent in agents if agent["ha_state"] == "active"]
        return active[0] if len(agents) == 2 and len(active) == 1 else None

    @contextlib.contextmanager
    def cut_off(self, host: str) -> Iterator[None]:
        """A host whose cables are pulled."""
        for device in ("ul0", "ext0"):
            self.spaces[host].run("ip", "link", "set", device, "down")
        try:
            yield
        finally:
            for device in ("ul0", "ext0"):
                self.spaces[host].run("ip", "link", "set", device, "up")


def _metadata_handler(asked: set[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            instance = self.headers.get("X-Instance-ID", "")
            wanted = hmac.new(b"METADATA_SECRET", instance.encode(), hashlib.sha256).hexdigest()
            true = hmac.compare_digest(wanted, self.headers.get("X-Instance-ID-Signature", ""))
            if true:
                asked.add(instance)
            body = instance.encode() if true else b""
            self.send_response(200 if true else 403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the tests' output."""

    return Handler
