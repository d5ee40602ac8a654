"""A controller and a second host, as namespaces of this machine, configured by the files of the install guides.

The controller keeps everything in MariaDB, and both talk through RabbitMQ. A server on each host, which reach each
other over VXLAN; one moves to the other host while it runs; the second host falls silent and comes back; agent,
engine, broker and database die while a server boots. Each test is a chapter and needs the ones before it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.agents.network import netns
from tests.brokers import RabbitMq
from tests.databases import MariaDb
from tests.system.client import OpenStack, Refused
from tests.system.cloud import environment, eventually
from tests.system.compute.real import guest_images, missing
from tests.system.network.whole import END_POINTS, WholeCloud, write_configuration

pytestmark = [pytest.mark.root, pytest.mark.qemu, pytest.mark.timeout(900)]

BOOT_S = 300.0
CONVERGE_S = 240.0
"""Until everybody is connected again; a host counts as lost after 60 s."""
SECRET = "shared-by-both"
_SSH = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
FILES = {
    "keystone": "keystone.conf",
    "glance": "glance-api.conf",
    "placement": "placement.conf",
    "neutron": "neutron.conf",
    "nova": "nova.conf",
    "cinder": "cinder.conf",
}
NOVA = """\
[DEFAULT]
host = {host}
my_ip = {address}
transport_url = {transport}
[neutron]
service_metadata_proxy = true
metadata_proxy_shared_secret = {secret}
[libvirt]
virt_type = qemu
live_migration_inbound_addr = {address}
"""
SERVICE_USER = """\
[keystone_authtoken]
www_authenticate_uri = http://{controller}:5000/
auth_url = http://{controller}:5000/
auth_type = password
project_domain_name = Default
user_domain_name = Default
project_name = service
username = nova
password = {password}
"""
METADATA = """\
[DEFAULT]
nova_metadata_host = {controller}
metadata_proxy_shared_secret = {secret}
"""


class TwoHosts(WholeCloud):
    """`h1` runs everything, `h2` only agents."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.others: list[RabbitMq | MariaDb] = []

    def begin(self) -> None:
        self.lab.cable(self.spaces["h1"], "ul0", self.spaces["h2"], "ul0")
        for host, address in END_POINTS.items():
            self.spaces[host].address(f"{address}/24", "ul0")
        self.outside = self._outside()
        controller = END_POINTS["h1"]
        with netns.inside(self.spaces["h1"].name):
            self.others.append(broker := RabbitMq(listen="0.0.0.0", host=controller))
            self.others.append(database := MariaDb())
            self.database = database
            connections = {project: database.create(project) for project in FILES}
        self.broker = broker
        for host, address in END_POINTS.items():
            write_configuration(self.directory / host, host, neutron=f"transport_url = {broker.transport_url}\n")
            etc = self.directory / host / "etc"
            (etc / "nova").mkdir()
            (etc / "nova" / "nova.conf").write_text(
                NOVA.format(host=host, address=address, secret=SECRET, transport=broker.transport_url)
            )
            (etc / "cinder").mkdir()
            (etc / "cinder" / "cinder.conf").write_text(f"[DEFAULT]\ntransport_url = {broker.transport_url}\n")
            (etc / "neutron" / "metadata_agent.ini").write_text(METADATA.format(controller=controller, secret=SECRET))
        for project, connection in connections.items():
            folder = self.directory / "h1" / "etc" / project
            folder.mkdir(exist_ok=True)
            with (folder / FILES[project]).open("a") as file:
                file.write(f"[database]\nconnection = {connection}\n")
        self.cloud.up("--host", "0.0.0.0", "--public-host", controller, "--workers", "1")
        passwords = json.loads((self.directory / "h1" / "keys" / "passwords.json").read_text())
        with (self.directory / "h2" / "etc" / "nova" / "nova.conf").open("a") as file:
            file.write(SERVICE_USER.format(controller=controller, password=passwords["nova"]))
        self.start_agent()
        with netns.inside(self.spaces["h1"].name):
            self._token = self.cloud.login()
            self.openstack = OpenStack(self.cloud, "admin")
        self.key = self.directory / "key"

    def start_agent(self) -> None:
        command = [sys.executable, "-m", "cumulet.agents.host", "--state-dir", str(self.directory / "h2")]
        with netns.inside(self.spaces["h2"].name):
            self.agent = subprocess.Popen(command, env=environment())

    def close(self) -> None:
        try:
            if hasattr(self, "openstack"):
                self.openstack.close()
        finally:
            super().close()
            for other in self.others:
                other.stop()

    def all_up(self) -> bool:
        return self.services() == {"h1": "up", "h2": "up"}

    def services(self) -> dict[str, str]:
        """State of nova-compute by host."""
        listed = self.openstack("compute service list --service nova-compute")
        return {one["Host"]: one["State"] for one in listed}

    def server(self, name: str) -> dict[str, Any]:
        shown: dict[str, Any] = self.openstack(f"server show {name}")
        return shown

    def settled(self, name: str) -> dict[str, Any] | None:
        try:
            shown = self.server(name)
        except Refused:  # a connection that a database broke is only found out by the request that uses it next
            return None
        return None if shown["status"] in ("BUILD", "MIGRATING") else shown

    def boot(self, name: str, host: str = "") -> None:
        """Ask for a server without a network, and look no further."""
        where = f"--availability-zone nova:{host}" if host else ""
        self.openstack(f"server create --flavor m1.nano --image guest --nic none {where} {name}")

    def runs_then_goes(self, name: str) -> None:
        """Whatever died meanwhile, a server that was asked for comes to run, and can be deleted."""
        shown = eventually(lambda: self.settled(name), within_s=BOOT_S)
        assert shown["status"] == "ACTIVE", shown
        self.openstack.text(f"server delete {name}")
        assert eventually(lambda: name not in {one["Name"] for one in self.openstack("server list")}, within_s=BOOT_S)

    def ssh(self, address: str, command: str) -> str:
        options = [word for option in _SSH for word in ("-o", option)]
        words = ["ssh", "-o", "ConnectTimeout=10", *options, "-i", str(self.key), f"cirros@{address}", command]

        def once() -> subprocess.CompletedProcess[str] | None:
            done = self.outside.run(*words, timeout=120, check=False)
            return None if done.returncode == 255 else done

        done = eventually(once, within_s=BOOT_S)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return str(done.stdout)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoHosts]:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    made = TwoHosts(tmp_path_factory.mktemp("two"))
    try:
        made.begin()
        yield made
    finally:
        made.close()


def why_not() -> str | None:
    """Why two hosts cannot be played here."""
    return missing(client=True) or _no_servers()


def _no_servers() -> str | None:
    wanted = {"rabbitmq-server": "rabbitmq-server", "mariadb-install-db": "mariadb-server"}
    packages = [package for program, package in wanted.items() if shutil.which(program) is None]
    return f"not installed: {', '.join(packages)}" if packages else None


@pytest.fixture(scope="module")
def images() -> Path:
    found = guest_images()
    if isinstance(found, str):
        pytest.skip(found)
    return found


def test_both_hosts_are_in_the_service_list(hosts: TwoHosts) -> None:
    assert eventually(hosts.all_up, within_s=CONVERGE_S)


def test_a_server_on_each_host(hosts: TwoHosts, images: Path) -> None:
    openstack = hosts.openstack
    image = images / "cumulet-guest.qcow2"
    openstack(f"image create --disk-format qcow2 --container-format bare --file {image} guest")
    openstack("flavor create --vcpus 1 --ram 128 --disk 1 m1.nano")
    hosts.key.write_text(openstack.text("keypair create mykey"))
    hosts.key.chmod(0o600)
    openstack("network create --external --provider-network-type flat --provider-physical-network provider public")
    openstack(
        "subnet create --network public --subnet-range 172.24.4.0/24 --gateway 172.24.4.1 --no-dhcp "
        "--allocation-pool start=172.24.4.100,end=172.24.4.200 public-subnet"
    )
    openstack("network create private")
    openstack("subnet create --network private --subnet-range 10.0.0.0/24 private-subnet")
    openstack("router create router1")
    openstack.text("router set --external-gateway public router1")
    openstack.text("router add subnet router1 private-subnet")
    openstack("security group create open")
    openstack("security group rule create --protocol icmp open")
    openstack("security group rule create --protocol tcp --dst-port 22 open")
    for host in END_POINTS:
        openstack(
            f"server create --flavor m1.nano --image guest --network private --security-group open --key-name mykey "
            f"--availability-zone nova:{host} on-{host}"
        )
    for host in END_POINTS:
        shown = eventually(lambda name=f"on-{host}": hosts.settled(name), within_s=BOOT_S)
        assert (shown["status"], shown["OS-EXT-SRV-ATTR:host"]) == ("ACTIVE", host), shown


def test_they_reach_each_other_over_vxlan(hosts: TwoHosts) -> None:
    other = hosts.server("on-h2")["addresses"]["private"][0]
    for host in END_POINTS:
        address = hosts.openstack("floating ip create public")["floating_ip_address"]
        hosts.openstack.text(f"server add floating ip on-{host} {address}")
        setattr(hosts, f"address_{host}", address)
    said = hosts.ssh(hosts.address_h1, f"ping -c 3 -W 5 {other}")  # type: ignore[attr-defined]
    assert ", 0% packet loss" in said
    assert "on-h2" in hosts.ssh(hosts.address_h2, "hostname")  # type: ignore[attr-defined]


def test_a_server_moves_while_it_runs(hosts: TwoHosts) -> None:
    address = hosts.address_h1  # type: ignore[attr-defined]
    before = hosts.ssh(address, "cat /proc/sys/kernel/random/boot_id")
    hosts.openstack.text("--os-compute-api-version 2.30 server migrate --live-migration --host h2 on-h1")

    def moved() -> dict[str, Any] | None:
        shown = hosts.settled("on-h1")
        return shown if shown is not None and shown["OS-EXT-SRV-ATTR:host"] == "h2" else None

    shown = eventually(moved, within_s=BOOT_S)
    assert shown["status"] == "ACTIVE", shown
    assert hosts.ssh(address, "cat /proc/sys/kernel/random/boot_id") == before, "it was not started anew"


def test_a_silent_host_is_seen_and_comes_back(hosts: TwoHosts) -> None:
    hosts.kill_agent()
    assert eventually(lambda: hosts.services()["h2"] == "down", within_s=CONVERGE_S)
    address = hosts.address_h2  # type: ignore[attr-defined]
    assert "on-h2" in hosts.ssh(address, "hostname"), "its guests run on"
    hosts.start_agent()
    assert eventually(hosts.all_up, within_s=CONVERGE_S)


def test_a_host_whose_agent_dies_during_a_boot_ends_it(hosts: TwoHosts) -> None:
    hosts.boot("interrupted", host="h2")
    hosts.kill_agent()
    hosts.start_agent()
    hosts.runs_then_goes("interrupted")


def test_the_engine_dies_during_a_boot(hosts: TwoHosts) -> None:
    hosts.boot("orphaned", host="h2")
    os.kill(hosts.cloud.pid("engine"), signal.SIGKILL)
    hosts.runs_then_goes("orphaned")


def test_the_broker_dies_and_comes_back(hosts: TwoHosts) -> None:
    hosts.broker.kill()
    hosts.boot("patient")
    with netns.inside(hosts.spaces["h1"].name):
        hosts.broker.start()
    hosts.runs_then_goes("patient")
    assert eventually(hosts.all_up, within_s=CONVERGE_S)


def test_the_database_dies_during_a_boot_and_comes_back(hosts: TwoHosts) -> None:
    hosts.boot("kept", host="h2")
    hosts.database.kill()
    with pytest.raises(Refused):
        hosts.openstack("server list")
    with netns.inside(hosts.spaces["h1"].name):
        hosts.database.start()
    hosts.runs_then_goes("kept")
    assert eventually(hosts.all_up, within_s=CONVERGE_S)


def test_nothing_is_left_of_the_servers(hosts: TwoHosts) -> None:
    hosts.openstack.text("server delete on-h1 on-h2")
    assert eventually(lambda: hosts.openstack("server list") == [], within_s=CONVERGE_S)
    for space in hosts.spaces.values():
        assert not [name for name in space.netlink.links() if name.startswith("tap") and _is_servers(hosts, name)]


def _is_servers(hosts: TwoHosts, device: str) -> bool:
    ports = hosts.get("ports?device_owner=compute:nova")["ports"]
    return any(device == f"tap{port['id'][:11]}" for port in ports)
