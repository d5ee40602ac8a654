"""The steps. Each looks first for what it would make, so that walking again changes nothing."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from cumulet.demo import images
from cumulet.demo.login import DemoError, Login, wait_for
from cumulet.kernel.settings import write_private

PUBLIC, PRIVATE, SUBNET, ROUTER, GROUP, KEY, SERVER = (
    "public",
    "private",
    "private-subnet",
    "router1",
    "demo",
    "demo",
    "demo-server",
)
USER: Final = "cirros"
"""Who logs in to the small guest."""
_MULTI: Final = {"OpenStack-API-Version": "compute 2.67", "X-OpenStack-Nova-API-Version": "2.67"}
_BOOT_S: Final = 180.0
# name, id, VCPUs, MB, GB: the field's usual ones, and two for guests as small as ours.
FLAVORS: Final = (
    ("m1.nano", "42", 1, 128, 1),
    ("m1.micro", "84", 1, 192, 1),
    ("m1.tiny", "1", 1, 512, 1),
    ("m1.small", "2", 1, 2048, 20),
    ("m1.medium", "3", 2, 4096, 40),
    ("m1.large", "4", 4, 8192, 80),
    ("m1.xlarge", "5", 8, 16384, 160),
)


class Plan(NamedTuple):
    """What is different from cloud to cloud.

    `public_cidr`: the outside network's subnet, whose first address is the outside gateway. `physical_network`: what
    it lies on. `guest`: the directory of the guest's files, None for simulated hosts.
    """

    public_cidr: str
    physical_network: str
    guest: Path | None
    key_file: Path


class Result(NamedTuple):
    server_id: str
    fixed_ip: str
    floating_ip: str


Say = Callable[[str], None]


def walk(admin: Login, demo: Login, plan: Plan, say: Say) -> Result:
    """Make everything that is not there, and wait until the server can be logged in to. DemoError says what failed."""
    say("flavors m1.nano … m1.xlarge")
    for flavor in FLAVORS:
        _flavor(admin, *flavor)
    say("image cumulet-guest")
    image = images.ensure(admin, plan.guest)
    say(f"network public, {plan.public_cidr}")
    public = _public(admin, plan)
    say("network private, 10.0.0.0/24, behind router1")
    private = _private(demo, public)
    say("security group demo: ICMP and SSH from anywhere")
    group = _group(demo)
    say(f"key pair demo, {plan.key_file}")
    _key(demo, plan.key_file)
    say("server demo-server")
    server = _server(demo, image, private, group)
    say("floating IP")
    port = demo.show("network", "/v2.0/ports", device_id=server["id"])[0]
    address = _floating_ip(demo, public, port)
    if plan.guest is not None:
        say(f"waiting for ssh at {address}")
        wait_for(f"ssh at {address}", _BOOT_S, lambda: _answers(address))
    return Result(server["id"], port["fixed_ips"][0]["ip_address"], address)


def _flavor(admin: Login, name: str, flavor_id: str, vcpus: int, ram: int, disk: int) -> None:
    document = {"flavor": {"name": name, "id": flavor_id, "vcpus": vcpus, "ram": ram, "disk": disk}}
    admin.call("POST", "compute", "/flavors", json=document, expect=(409,))


def _public(admin: Login, plan: Plan) -> dict[str, Any]:
    network: dict[str, Any] | None = admin.named("network", "/v2.0/networks", PUBLIC)
    if network is None:
        provider = {"provider:network_type": "flat", "provider:physical_network": plan.physical_network}
        document = {"network": {"name": PUBLIC, "router:external": True, **provider}}
        network = admin.create("network", "/v2.0/networks", document)
    if not network["subnets"]:
        cidr = ipaddress.ip_network(plan.public_cidr)
        pool = {"start": str(cidr[10]), "end": str(cidr[-6])}
        subnet = {
            "name": "public-subnet",
            "network_id": network["id"],
            "ip_version": 4,
            "cidr": plan.public_cidr,
            "gateway_ip": str(cidr[1]),
            "enable_dhcp": False,
            "allocation_pools": [pool],
        }
        admin.create("network", "/v2.0/subnets", {"subnet": subnet})
    return network


def _private(demo: Login, public: dict[str, Any]) -> dict[str, Any]:
    network: dict[str, Any] | None = demo.named("network", "/v2.0/networks", PRIVATE)
    if network is None:
        network = demo.create("network", "/v2.0/networks", {"network": {"name": PRIVATE}})
    subnet = demo.named("network", "/v2.0/subnets", SUBNET)
    if subnet is None:
        wanted = {"name": SUBNET, "network_id": network["id"], "ip_version": 4, "cidr": "10.0.0.0/24"}
        subnet = demo.create("network", "/v2.0/subnets", {"subnet": wanted})
    router = demo.named("network", "/v2.0/routers", ROUTER)
    if router is None:
        gateway = {"network_id": public["id"]}
        router = demo.create("network", "/v2.0/routers", {"router": {"name": ROUTER, "external_gateway_info": gateway}})
    joined = demo.show("network", "/v2.0/ports", device_id=router["id"], network_id=network["id"])
    if not joined:
        path = f"/v2.0/routers/{router['id']}/add_router_interface"
        demo.call("PUT", "network", path, json={"subnet_id": subnet["id"]})
    return network


def _group(demo: Login) -> dict[str, Any]:
    group: dict[str, Any] | None = demo.named("network", "/v2.0/security-groups", GROUP)
    if group is None:
        group = demo.create("network", "/v2.0/security-groups", {"security_group": {"name": GROUP}})
    for match in ({"protocol": "icmp"}, {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}):
        rule = {"security_group_id": group["id"], "direction": "ingress", "ethertype": "IPv4", **match}
        demo.call("POST", "network", "/v2.0/security-group-rules", json={"security_group_rule": rule}, expect=(409,))
    return group


def _key(demo: Login, file: Path) -> None:
    """An Ed25519 key pair, whose private half is made here and stays in `file`."""
    if not file.exists():
        encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        private = ed25519.Ed25519PrivateKey.generate()
        write_private(file, private.private_bytes(encoding, serialization.PrivateFormat.OpenSSH, plain))
    private_key = serialization.load_ssh_private_key(file.read_bytes(), password=None)
    line = private_key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    document = {"keypair": {"name": KEY, "public_key": line.decode()}}
    demo.call("POST", "compute", "/os-keypairs", json=document, expect=(409,))


def _server(demo: Login, image: dict[str, Any], network: dict[str, Any], group: dict[str, Any]) -> dict[str, Any]:
    found = demo.named("compute", "/servers", SERVER)
    if found is None:
        wanted = {
            "name": SERVER,
            "flavorRef": FLAVORS[0][1],
            "imageRef": image["id"],
            "networks": [{"uuid": network["id"]}],
            "security_groups": [{"name": group["name"]}],
            "key_name": KEY,
        }
        found = demo.create("compute", "/servers", {"server": wanted}, headers=_MULTI)
    server_id = found["id"]

    def ended() -> dict[str, Any] | None:
        server: dict[str, Any] = demo.show("compute", f"/servers/{server_id}")
        return None if server["status"] == "BUILD" else server

    server: dict[str, Any] = wait_for(f"server {SERVER}", _BOOT_S, ended)
    if server["status"] == "ERROR":
        raise DemoError(f"Server {SERVER} is in ERROR: {server.get('fault', {}).get('message', 'no reason is told')}")
    return server


def _floating_ip(demo: Login, public: dict[str, Any], port: dict[str, Any]) -> str:
    known = demo.show("network", "/v2.0/floatingips", port_id=port["id"])
    if known:
        return str(known[0]["floating_ip_address"])
    document = {"floatingip": {"floating_network_id": public["id"], "port_id": port["id"]}}
    return str(demo.create("network", "/v2.0/floatingips", document)["floating_ip_address"])


def _answers(address: str) -> bool:
    """Whether an SSH server greets there."""
    try:
        with socket.create_connection((address, 22), timeout=2) as connection:
            connection.settimeout(5)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
