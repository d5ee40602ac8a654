"""What tempest.conf must know of a running cloud: the values of the template's @NAMES@."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import urllib3

from cumulet.agents.network import outside
from cumulet.kernel.paths import Paths
from cumulet.kernel.settings import Settings
from tests.system.cloud import Cloud, eventually, request
from tests.system.compute.real import guest_images, outside_of

SERVICES = ("compute", "image", "network", "volume", "object_store", "placement")


def of(cloud: Cloud, workspace: Path, files_port: int) -> dict[str, str]:
    """Only what there is: a service that the cloud has not got leaves its names out."""
    endpoints = {service["name"]: service["endpoint"] for service in cloud.status()["services"]}
    known = {f"HAS_{name.upper()}": str(name in endpoints).lower() for name in SERVICES}
    known |= {
        "WS": str(workspace),
        "AUTH_URL": f"{endpoints['identity']}/v3",
        "ADMIN_USER": "admin",
        "ADMIN_PROJECT": "admin",
        "ADMIN_PASSWORD": json.loads((cloud.directory / "keys" / "passwords.json").read_text())["admin"],
        "FILES_PORT": str(files_port),
        "RUN_VALIDATION": str(not _simulates(cloud)).lower(),
        # Tempest empties the containers of backups that are kept in an object store.
        "BACKUP_DRIVER": "swift" if known["HAS_OBJECT_STORE"] == "true" else "posix",
    }
    token = cloud.login()
    if "placement" in endpoints:
        known["PLACEMENT_MAX_MV"] = _json("GET", endpoints["placement"])["versions"][0]["max_version"]
    if "image" in endpoints:
        make = _image if _simulates(cloud) else _guest
        known["IMAGE_UUID"] = make(endpoints["image"], token, "tempest")
        known["IMAGE_ALT_UUID"] = make(endpoints["image"], token, "tempest-alt")
        known["IMAGE_REMOTE"] = _second_endpoint(endpoints["identity"], token, "image_remote", endpoints["image"])
    if "compute" in endpoints:
        known |= _flavors(endpoints["compute"], token)
        known |= {"NOVA_MAX_MV": "latest", "GUEST_USER": "cirros"} | _image_file(cloud)
    if "volume" in endpoints:
        known |= {"CINDER_MAX_MV": "latest"} | _pool(cloud, endpoints["volume"])
    if "network" in endpoints:
        known |= _network(cloud, endpoints["network"], token)
    return known


def absent(known: dict[str, str]) -> list[str]:
    """The services that the cloud has not got."""
    return [name for name in SERVICES if known[f"HAS_{name.upper()}"] == "false"]


def _simulates(cloud: Cloud) -> bool:
    settings = Settings.load(Paths.at(cloud.directory))
    return settings is None or settings.simulate


def _guest(url: str, token: str, name: str) -> str:
    """A public image of the small guest, which answers ssh."""
    return _image(url, token, name, "qcow2", _guest_file().read_bytes())


def _guest_file() -> Path:
    folder = guest_images()
    if isinstance(folder, str):
        raise SystemExit(folder)
    return folder / "cumulet-guest.qcow2"


def _image_file(cloud: Cloud) -> dict[str, str]:
    """What the scenarios upload: nothing for simulated guests, which cannot follow them."""
    return {} if _simulates(cloud) else {"IMAGE_FILE": str(_guest_file())}


def _image(url: str, token: str, name: str, disk_format: str = "raw", data: bytes = bytes(1 << 20)) -> str:
    """A public image of 1 MiB of zeros, which the simulated hypervisor starts like any other."""
    body = {"name": name, "disk_format": disk_format, "container_format": "bare", "visibility": "public"}
    image_id: str = _json("POST", f"{url}/v2/images", token=token, json=body)["id"]
    headers = {"X-Auth-Token": token, "Content-Type": "application/octet-stream"}
    with urllib3.PoolManager() as pool:
        answer = pool.request("PUT", f"{url}/v2/images/{image_id}/file", headers=headers, body=data)
    assert answer.status == 204, answer.data
    return image_id


def _second_endpoint(identity: str, token: str, kind: str, url: str) -> str:
    """A service type of its own for an address that is in the catalog already."""
    service = {"name": kind, "type": kind}
    made = _json("POST", f"{identity}/v3/services", token=token, json={"service": service})["service"]
    endpoint = {"service_id": made["id"], "interface": "public", "region_id": "RegionOne", "url": url}
    _json("POST", f"{identity}/v3/endpoints", token=token, json={"endpoint": endpoint})
    return kind


def _flavors(url: str, token: str) -> dict[str, str]:
    """Two small flavors, the second with twice the first's memory."""
    found = {}
    for name, flavor_id, ram in (("FLAVOR_ID", "42", 128), ("FLAVOR_ALT_ID", "84", 256)):
        wanted = {"id": flavor_id, "name": f"tempest-{flavor_id}", "vcpus": 1, "ram": ram, "disk": 1}
        _json("POST", f"{url}/v2.1/flavors", token=token, json={"flavor": wanted})
        found[name] = flavor_id
    return found


def _pool(cloud: Cloud, url: str) -> dict[str, str]:
    """What the volume back end says of itself; its agent reports a moment after the start."""
    project = _project(cloud)

    def pools() -> Any:
        path = f"{url}/v3/{project}/scheduler-stats/get_pools?detail=true"
        return _json("GET", path, token=cloud.login())["pools"]

    facts: dict[str, Any] = eventually(pools, within_s=60)[0]["capabilities"]
    return {"STORAGE_PROTOCOL": facts["storage_protocol"], "VENDOR": facts["vendor_name"]}


def _project(cloud: Cloud) -> str:
    """The id of the administrator's project."""
    url = f"{cloud.url()}/v3/projects?name=admin"
    return str(_json("GET", url, token=cloud.login())["projects"][0]["id"])


def _network(cloud: Cloud, url: str, token: str) -> dict[str, str]:
    """An external network called `public`, a pool of subnets, both for networks that projects get by themselves, and
    the extensions this cloud reports."""
    listed = _json("GET", f"{url}/v2.0/extensions", token=token)["extensions"]
    wanted = {"name": "public", "router:external": True, "is_default": True, "admin_state_up": True}
    subnet = {"ip_version": 4, "cidr": "172.24.4.0/24", "enable_dhcp": False}
    if not _simulates(cloud):
        cidr, address = outside_of(cloud)
        wanted |= {"provider:network_type": "flat", "provider:physical_network": outside.PHYSICAL_NETWORK}
        subnet |= {"cidr": cidr, "gateway_ip": address}
    network_id = _json("POST", f"{url}/v2.0/networks", token=token, json={"network": wanted})["network"]["id"]
    _json("POST", f"{url}/v2.0/subnets", token=token, json={"subnet": subnet | {"network_id": network_id}})
    pool = {"name": "pool", "prefixes": ["10.64.0.0/16"], "default_prefixlen": 26, "shared": True, "is_default": True}
    _json("POST", f"{url}/v2.0/subnetpools", token=token, json={"subnetpool": pool})
    return {
        "PUBLIC_NET_UUID": network_id,
        "NEUTRON_EXTENSIONS": ",".join(sorted(extension["alias"] for extension in listed)),
    }


def share_a_network(cloud: Cloud) -> None:
    """`private`, which every project sees. Tests of networks that projects get by themselves want none like it."""
    url, token = cloud.url("network"), cloud.login()
    wanted = {"name": "private", "shared": True}
    network = _json("POST", f"{url}/v2.0/networks", token=token, json={"network": wanted})["network"]
    subnet = {"network_id": network["id"], "ip_version": 4, "cidr": "10.80.0.0/20"}
    _json("POST", f"{url}/v2.0/subnets", token=token, json={"subnet": subnet})


def _json(method: str, url: str, **rest: Any) -> Any:
    answer = request(method, url, **rest)
    assert answer.status < 300, f"{method} {url}: {answer.status} {answer.data!r}"
    return json.loads(answer.data)
