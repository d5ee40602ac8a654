"""What a guest is told about itself (Compute, "Metadata service" and "Config drives"): OpenStack's and EC2's documents.

The metadata service answers single ones; a config drive holds them all. Both come from here, so they agree.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy.engine import Row

from cumulet.compute.domain import servers

EC2_VERSIONS: Final = (
    *("1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01"),
    "2009-04-04",
)
VERSIONS: Final = (
    *("2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06", "2017-02-22", "2018-08-27"),
    "2020-10-14",
)
LATEST: Final = "latest"
_SEED: Final = "2013-04-04"
_PASSWORD: Final = "2013-04-04"  # noqa: S105 - since when a guest may leave its password
_VENDOR: Final = "2013-10-17"
_NETWORK: Final = "2015-10-15"
_DEVICES: Final = "2016-06-30"
_VENDOR2: Final = "2016-10-06"
_TRUSTED: Final = "2018-08-27"
_PINNED: Final = "2020-10-14"

Tree = dict[str, Any]
"""EC2's metadata: leaves are text or lists of it; a directory's `_name` is how it is listed."""


class Facts(msgspec.Struct, frozen=True):
    """A server as it is. `devices` are its rows of block_devices; `subnets` those of its addresses as Network shows
    them, by id; `static` and `dynamic` the operator's vendor data. The admin's password and injected files go onto
    config drives only."""

    row: Row[Any]
    dhcp_domain: str = ""
    devices: Sequence[Row[Any]] = ()
    subnets: Mapping[str, Mapping[str, Any]] = {}
    static: Mapping[str, Any] | None = None
    dynamic: Mapping[str, Any] = {}
    addresses: Mapping[str, Mapping[str, str]] = {}
    admin_password: str | None = None
    with_files: bool = False

    @property
    def hostname(self) -> str:
        return f"{self.row.hostname}.{self.dhcp_domain}" if self.dhcp_domain else str(self.row.hostname)

    @property
    def user_data(self) -> bytes | None:
        text = servers.decode(self.row.user_data)
        return None if text is None else base64.b64decode("".join(text.split()))

    @property
    def vifs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = servers.decode(self.row.addresses)
        return found

    @property
    def key(self) -> dict[str, str] | None:
        """`{"name", "type", "public_key"}`"""
        pairs = servers.decode(self.row.key_pairs)
        return pairs[0] if pairs else None


def known(version: str) -> str | None:
    """A version's date, for `latest` the newest one's; None for one there is not."""
    if version == LATEST:
        return VERSIONS[-1]
    return version if version in VERSIONS else None


def names(facts: Facts, version: str) -> list[str]:
    """What a version's directory lists."""
    found = ["meta_data.json"]
    if facts.row.user_data is not None:
        found.append("user_data")
    since = (
        ("password", _PASSWORD),
        ("vendor_data.json", _VENDOR),
        ("network_data.json", _NETWORK),
        ("vendor_data2.json", _VENDOR2),
    )
    return found + [name for name, first in since if version >= first]


def document(facts: Facts, version: str, name: str) -> bytes | None:
    """One of OpenStack's documents, None where there is no such one. The password is not among them."""
    if name == "meta_data.json":
        return _json(meta_data(facts, version))
    if name == "user_data":
        return facts.user_data
    if name not in names(facts, version):
        return None
    if name == "vendor_data.json":
        return None if facts.static is None else _json(facts.static)
    if name == "vendor_data2.json":
        return _json(({} if facts.static is None else {"static": facts.static}) | dict(facts.dynamic))
    if name == "network_data.json":
        return _json(network_data(facts))
    return None


def documents(facts: Facts) -> dict[str, bytes]:
    """Every file of a config drive by its path."""
    found: dict[str, bytes] = {}
    for version in (*EC2_VERSIONS, LATEST):
        tree = ec2(facts, EC2_VERSIONS[-1] if version == LATEST else version)
        if "user-data" in tree:
            found[f"ec2/{version}/user-data"] = tree["user-data"]
        tree["meta-data"].get("public-keys", {}).get("0", {}).pop("_name", None)
        found[f"ec2/{version}/meta-data.json"] = _json(tree["meta-data"])
    for version in (*VERSIONS, LATEST):
        for name in names(facts, known(version) or version):
            data = document(facts, known(version) or version, name)
            if data is not None:
                found[f"openstack/{version}/{name}"] = data
    for number, file in enumerate(_files(facts)):
        found[f"openstack{_content(number)}"] = base64.b64decode("".join(file["contents"].split()))
    return found


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)


def _content(number: int) -> str:
    return f"/content/{number:04}"


def _files(facts: Facts) -> list[dict[str, str]]:
    return servers.decode(facts.row.personality) if facts.with_files else []


# -- OpenStack's ------------------------------------------------------------------------------------------------------


def meta_data(facts: Facts, version: str) -> dict[str, Any]:
    row, key = facts.row, facts.key
    shown: dict[str, Any] = {"uuid": row.id}
    metadata = servers.decode(row.metadata)
    if metadata:
        shown["meta"] = metadata
    files = _files(facts)
    if files:
        shown["files"] = [{"path": file["path"], "content_path": _content(number)} for number, file in enumerate(files)]
    if facts.admin_password is not None:
        shown["admin_pass"] = facts.admin_password
    if key is not None:
        shown["public_keys"] = {key["name"]: key["public_key"]}
        shown["keys"] = [{"name": key["name"], "type": key["type"], "data": key["public_key"]}]
    shown |= {
        "hostname": facts.hostname,
        "name": row.name,
        "launch_index": row.launch_index,
        "availability_zone": row.availability_zone,
    }
    if version >= _SEED:
        shown["random_seed"] = base64.b64encode(os.urandom(512)).decode()
    if version >= "2015-10-15":
        shown["project_id"] = row.project_id
    if version >= _DEVICES:
        shown["devices"] = _devices(facts, version)
    if version >= _PINNED:
        shown["dedicated_cpus"] = []
    return shown


def has_tags(facts: Facts) -> bool:
    """Whether any device was given one."""
    return any(vif.get("tag") is not None for vif in facts.vifs) or any(one.tag is not None for one in facts.devices)


def _devices(facts: Facts, version: str) -> list[dict[str, Any]]:
    """The devices that were given tags, with their places on the guest's bus as far as they are known."""
    found: list[dict[str, Any]] = []
    for vif in facts.vifs:
        if vif.get("tag") is not None:
            nic = {"type": "nic", "mac": vif["mac"], **_place(facts, vif["id"]), "tags": [vif["tag"]]}
            found.append(nic | ({"vf_trusted": False} if version >= _TRUSTED else {}))
    for device in facts.devices:
        if device.tag is not None:
            disk = {"type": "disk", "path": device.device_name, **_place(facts, device.volume_id)}
            found.append(disk | {"tags": [device.tag]} | ({"serial": device.volume_id} if device.volume_id else {}))
    return found


def _place(facts: Facts, identifier: str | None) -> dict[str, str]:
    known = facts.addresses.get(identifier or "", {})
    return {"bus": known.get("bus", "none"), "address": known.get("address", "none")}


def network_data(facts: Facts) -> dict[str, Any]:
    """`{"links", "networks", "services"}`: what a guest without DHCP configures itself by."""
    links: list[dict[str, Any]] = []
    networks: list[dict[str, Any]] = []
    services: list[dict[str, str]] = []
    for vif in facts.vifs:
        mine = [(ip, facts.subnets[ip["subnet_id"]]) for ip in vif["ips"] if ip["subnet_id"] in facts.subnets]
        if not mine:
            continue
        link = "tap" + vif["id"][:11]
        by_dhcp = any(subnet["enable_dhcp"] for _, subnet in mine)
        links.append(
            {
                "id": link,
                "vif_id": vif["id"],
                "type": "bridge",
                "mtu": None if by_dhcp else vif.get("mtu"),  # DHCP tells it
                "ethernet_mac_address": vif["mac"],
            }
        )
        for ip, subnet in mine:
            network = _network(ip, subnet) | {"link": link, "network_id": vif["network_id"]}
            if not any(one | {"id": ""} == network | {"id": ""} for one in networks):
                networks.append({"id": f"network{len(networks)}", **network})
            services += [entry for entry in _resolvers(subnet) if entry not in services]
    return {"links": links, "networks": networks, "services": services}


def _network(ip: Mapping[str, Any], subnet: Mapping[str, Any]) -> dict[str, Any]:
    version, mode = ip["version"], subnet.get("ipv6_address_mode")
    if subnet["enable_dhcp"] and not mode:
        return {"type": f"ipv{version}_dhcp"}
    netmask = str(ipaddress.ip_network(subnet["cidr"]).netmask)
    routes = []
    if subnet.get("gateway_ip"):
        everywhere = "0.0.0.0" if version == 4 else "::"  # noqa: S104 - a route, nothing listens there
        routes.append({"network": everywhere, "netmask": everywhere, "gateway": subnet["gateway_ip"]})
    for route in subnet.get("host_routes", ()):
        target = ipaddress.ip_network(route["destination"])
        routes.append(
            {"network": str(target.network_address), "netmask": str(target.netmask), "gateway": route["nexthop"]}
        )
    return {
        "type": f"ipv{version}" + (f"_{mode}" if mode else ""),
        "ip_address": ip["address"],
        "netmask": netmask,
        "routes": routes,
        "services": _resolvers(subnet),
    }


def _resolvers(subnet: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"type": "dns", "address": address} for address in subnet.get("dns_nameservers", ())]


# -- EC2's ------------------------------------------------------------------------------------------------------------


def ec2(facts: Facts, version: str) -> Tree:
    """`{"meta-data": …, "user-data": bytes}`; without user data there is none."""
    row, key = facts.row, facts.key
    image = servers.decode(row.image_properties)
    fixed = [ip["address"] for vif in facts.vifs for ip in vif["ips"] if ip["version"] == 4]
    floating = [one for vif in facts.vifs for ip in vif["ips"] for one in ip.get("floating", ())]
    shown: Tree = {
        "ami-id": _id("ami", row.image_id),
        "ami-launch-index": str(row.launch_index),
        "ami-manifest-path": "FIXME",  # what every cloud of this kind says
        "instance-id": f"i-{row.number:08x}",
        "hostname": facts.hostname,
        "local-ipv4": fixed[0] if fixed else "",
        "reservation-id": row.reservation_id or "",
        "security-groups": servers.decode(row.security_groups),
    }
    if key is not None:
        shown["public-keys"] = {"0": {"_name": f"0={key['name']}", "openssh-key": key["public_key"]}}
    if version >= "2007-01-19":
        shown |= {
            "local-hostname": facts.hostname,
            "public-hostname": facts.hostname,
            "public-ipv4": floating[0] if floating else "",
        }
    if version >= "2007-08-29":
        shown["instance-type"] = servers.decode(row.flavor)["name"]
    if version >= "2007-12-15":
        shown["block-device-mapping"] = _mapping(facts)
        for name, prefix in (("kernel", "aki"), ("ramdisk", "ari")):
            if image.get(f"{name}_id"):
                shown[f"{name}-id"] = _id(prefix, image[f"{name}_id"])
    if version >= "2008-02-01":
        shown["placement"] = {"availability-zone": row.availability_zone or ""}
    if version >= "2008-09-01":
        shown["instance-action"] = "none"
    user_data = facts.user_data
    return {"meta-data": shown} | ({} if user_data is None else {"user-data": user_data})


def _id(prefix: str, image_id: str | None) -> str:
    """EC2 has 32 bits for an image's id; the same image gets the same ones everywhere."""
    number = 0 if image_id is None else int.from_bytes(hashlib.sha256(image_id.encode()).digest()[:4], "big")
    return f"{prefix}-{number:08x}"


def _mapping(facts: Facts) -> dict[str, str]:
    root = facts.row.root_device_name or "/dev/vda"
    found = {"ami": root.removeprefix("/dev/"), "root": root}
    volumes = ephemerals = 0
    for device in facts.devices:
        if not device.device_name or device.boot_index == 0:
            continue
        if device.destination_type == "volume":
            found[f"ebs{volumes}"] = device.device_name
            volumes += 1
        elif device.guest_format == "swap":
            found["swap"] = device.device_name
        else:
            found[f"ephemeral{ephemerals}"] = device.device_name
            ephemerals += 1
    return found
