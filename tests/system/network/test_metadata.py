"""The metadata address, asked by real guests through a router and through a DHCP server's namespace."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import http.server
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cumulet.agents.network import netns
from tests.agents.network.cloud import EGRESS_ALL, Cloud
from tests.system.network.lab import Host, Lab, RunningPing, Space, wait_for

SECRET = "a shared secret"
PORT = 18775


class Echo(http.server.BaseHTTPRequestHandler):
    """A metadata service that answers with what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        told = {"path": self.path, "headers": self.headers.items(), "body": self.rfile.read(length).decode()}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def site(lab: Lab, cloud: Cloud) -> Iterator[Site]:
    site = Site(lab, cloud)
    yield site
    site.server.shutdown()
    site.server.server_close()


class Site:
    """Guest `a` behind a router; guest `c` on an isolated network with DHCP; a service at 127.0.0.1 of the host."""

    def __init__(self, lab: Lab, cloud: Cloud) -> None:
        self.lab, self.cloud = lab, cloud
        self.host: Host = lab.host("h1", metadata_port=PORT, metadata_secret=SECRET, enable_isolated_metadata=True)
        with netns.inside(self.host.space.name):
            self.server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Echo)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        group = cloud.group(*EGRESS_ALL)  # IPv6 too
        self.net1, self.net2 = cloud.network(), cloud.network()
        v4_1 = cloud.subnet(self.net1, "10.1.0.0/24", gateway_ip="10.1.0.1")
        v4_2 = cloud.subnet(self.net2, "10.1.0.0/24")  # the same addresses, another network
        self.a, self.c = lab.space("a"), lab.space("c")
        self.port_a = cloud.guest(self.net1, "h1", {"10.1.0.11": v4_1}, self.a.name, security_groups=(group.id,))
        self.port_c = cloud.guest(self.net2, "h1", {"10.1.0.11": v4_2}, self.c.name, security_groups=(group.id,))
        cloud.dhcp(self.net2, "h1", {"10.1.0.2": v4_2})
        self.router = cloud.router("h1", [(self.net1, {"10.1.0.1": v4_1})])
        self.host.reconcile(cloud)
        self.a.address("10.1.0.11/24", gateway="10.1.0.1")
        self.c.address("10.1.0.11/24")
        self.c.run("ip", "route", "add", "169.254.169.254", "via", "10.1.0.2")

    def ask(self, space: Space, path: str = "/openstack", **headers: str) -> tuple[int, dict[str, str], str]:
        """(status, the headers that the service got, path)."""
        with netns.inside(space.name):
            connection = http.client.HTTPConnection("169.254.169.254", timeout=5)
            connection.connect()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        told = json.loads(body) if answer.status == 200 else {"headers": [], "path": ""}
        return answer.status, dict(told["headers"]), told["path"]


def signed(instance_id: str) -> str:
    return hmac.new(SECRET.encode(), instance_id.encode(), hashlib.sha256).hexdigest()


def test_each_guest_is_told_apart_by_its_network(site: Site) -> None:
    for space, port, about in (
        (site.a, site.port_a, ("X-Neutron-Router-ID", site.router.id)),
        (site.c, site.port_c, ("X-Neutron-Network-ID", site.net2.id)),
    ):
        status, headers, path = site.ask(space, "/openstack/latest/meta_data.json")
        assert (status, path) == (200, "/openstack/latest/meta_data.json")
        assert headers["X-Instance-ID"] == port.device_id
        assert headers["X-Instance-ID-Signature"] == signed(port.device_id)
        assert headers["X-Tenant-ID"] == "project"
        assert headers["X-Forwarded-For"] == "10.1.0.11"
        assert headers[about[0]] == about[1]


def test_over_ipv6_the_address_is_on_the_link(site: Site) -> None:
    for space, port in ((site.a, site.port_a), (site.c, site.port_c)):
        wait_for(lambda s=space: "tentative" not in s.run("ip", "-6", "addr").stdout, 5, "a link-local address")  # type: ignore[misc]

        def answer(space: Space = space) -> dict[str, str] | None:
            site.host.agent.reconcile()
            with netns.inside(space.name):
                try:
                    connection = _dial(socket.if_nametoindex("eth0"))
                except OSError:
                    return None
            with connection:
                connection.sendall(b"GET /openstack HTTP/1.1\r\nHost: x\r\n\r\n")
                data = b"".join(iter(lambda: connection.recv(65536), b""))
            return dict(json.loads(data.split(b"\r\n\r\n", 1)[1])["headers"])

        headers = wait_for(answer, 8, "an answer")
        assert headers["X-Instance-ID"] == port.device_id


def _dial(index: int) -> socket.socket:
    connection = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    connection.settimeout(2)
    connection.connect(("fe80::a9fe:a9fe", 80, 0, index))
    return connection


def test_forged_headers_do_not_get_through(site: Site) -> None:
    forged = {
        "X-Instance-ID": "somebody-else",
        "X_Instance_ID": "somebody-else",
        "x-instance-id-signature": signed("somebody-else"),
        "X-Tenant-ID": "another-project",
        "X-Forwarded-For": "10.1.0.99",
        "X-Neutron-Network-ID": "another-network",
        "X-Metadata-Provider": "x",
        "Forwarded": "for=10.1.0.99",
        "Accept": "text/plain",
    }
    status, headers, _ = site.ask(site.a, **forged)
    assert status == 200
    assert headers["Accept"] == "text/plain", "an honest header stays"
    values = " ".join(f"{name}={value}" for name, value in headers.items())
    assert "somebody" not in values and "another" not in values and "10.1.0.99" not in values
    assert headers["X-Instance-ID"] == site.port_a.device_id


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", b"400"),
        (b"GET / HTTP/1.1\r\nX: a\r\n X-Instance-ID: b\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nA: b\rX-Instance-ID: c\r\n\r\n", b"400"),
        (b"GET http://other/ HTTP/1.1\r\n\r\n", b"400"),
        (b"CONNECT /x HTTP/1.1\r\n\r\n", b"405"),
        (b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n\r\n", b"431"),
        (b"nonsense\r\n\r\n", b"400"),
    ],
)
def test_what_is_not_a_plain_request_is_refused(site: Site, request_: bytes, status: bytes) -> None:
    with netns.inside(site.a.name):
        connection = socket.create_connection(("169.254.169.254", 80), timeout=5)
    with connection:
        connection.sendall(request_)
        assert connection.recv(100).split()[1] == status


def test_a_stranger_gets_nothing(site: Site) -> None:
    site.cloud.change(site.port_a, port_security_enabled=False, security_groups=())
    site.host.reconcile(site.cloud)
    site.a.run("ip", "addr", "flush", "dev", "eth0")
    site.a.address("10.1.0.99/24", gateway="10.1.0.1")
    assert site.ask(site.a)[0] == 404


def test_a_service_that_is_down_is_a_bad_gateway(site: Site) -> None:
    site.server.shutdown()
    site.server.server_close()
    assert site.ask(site.a)[0] == 502


def test_it_goes_on_while_the_agent_is_replaced_and_when_the_proxy_is_killed(site: Site) -> None:
    pid = _proxy(site)
    assert Path(f"/proc/{pid}/status").read_text().split("Uid:")[1].split()[0] == "65534", "it runs as nobody"
    site.host._agent = None  # another agent takes over
    site.host.reconcile(site.cloud)
    assert _proxy(site) == pid
    assert site.ask(site.a)[0] == 200

    site.host.space.run("kill", "-9", str(pid))
    time.sleep(0.1)
    ping = RunningPing(site.a, "10.1.0.1")
    report = site.host.agent.reconcile()
    assert report.errors == {}
    wait_for(lambda: site.ask(site.a)[0] == 200, 5, "the metadata is back")
    assert site.ask(site.c)[0] == 200
    assert ping.losses()[1] == 0


def test_many_instances(site: Site) -> None:
    """More than fit one message to the proxy."""
    subnet = next(s for s in site.cloud.subnets.values() if s.network_id == site.net1.id)
    site.cloud.change(subnet, cidr="10.1.0.0/16")
    for number in range(2500):
        site.cloud.port(site.net1, "h9", {f"10.1.{10 + number // 250}.{number % 250}": subnet})
    site.host.reconcile(site.cloud, verify=False)
    known = site.host.agent._drivers.metadata.observe()[site.host.qrouter(site.router.id)]
    assert len([address for address in known if "." in address]) == 2501
    assert site.ask(site.a)[0] == 200


def _proxy(site: Site) -> int:
    return int((site.host.config.state_dir / "metadata" / "pid").read_text())
