"""Whether all services of a simulated cloud tell the same about its servers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.system.cloud import Cloud
from tests.system.compute.asking import COMPUTE, NETWORK, PLACEMENT, VOLUME, Api, Things


def agree(look: Callable[[], Any], within_s: float = 90.0) -> float:
    """Until there is nothing to see, and how long that took; what there is still is told."""
    began = time.monotonic()
    while found := look():
        assert time.monotonic() < began + within_s, found
        time.sleep(0.3)
    return time.monotonic() - began


def unsettled(api: Api) -> list[Any]:
    """Servers that something is done to, or that are in ERROR without a reason."""
    return [
        (one["id"], one["status"], one["OS-EXT-STS:task_state"])
        for one in api.servers()
        if one["OS-EXT-STS:task_state"] is not None
        or one["status"] == "BUILD"
        or (one["status"] == "ERROR" and not one.get("fault"))
    ]


def differences(api: Api, cloud: Cloud, things: Things) -> dict[str, Any]:
    """Where another service has something else than the servers that there are."""
    servers = {one["id"]: one for one in api.servers()}
    found = {
        "guests": (_guests(cloud), _placed(servers)),
        "allocations": (_allocations(api), _consumers(api, servers)),
        "ports": (_ports(api), _interfaces(api, servers)),
        "attachments": (_attachments(api), _attached(api, servers)),
        "volumes": (_volumes(api), _wanted_volumes(things, api, servers)),
    }
    return {name: {"is": is_, "should be": should} for name, (is_, should) in found.items() if is_ != should}


def _placed(servers: dict[str, Any]) -> list[tuple[str, str]]:
    hosts = {key: one["OS-EXT-SRV-ATTR:host"] for key, one in servers.items()}
    return sorted((host, key) for key, host in hosts.items() if host)


def _guests(cloud: Cloud) -> list[tuple[str, str]]:
    """(host, server) as the simulated hosts keep them."""
    kept = Path(cloud.directory) / "simulated"
    files = [*kept.glob("simulated-?.json"), *kept.glob("fleet/*.json")]
    return sorted((file.stem, key) for file in files for key in json.loads(file.read_text())["guests"])


def _consumers(api: Api, servers: dict[str, Any]) -> list[tuple[str, str]]:
    """(host, consumer): servers where they are, and resizes to be confirmed where they began."""
    moves = api("GET", COMPUTE, "/v2.1/os-migrations?status=finished")["migrations"]
    waiting = {key for key, one in servers.items() if one["status"] == "VERIFY_RESIZE"}
    kept = [(one["source_compute"], one["uuid"]) for one in moves if one["instance_uuid"] in waiting]
    return sorted([*_placed(servers), *kept])


def _allocations(api: Api) -> list[tuple[str, str]]:
    found = []
    for one in api("GET", PLACEMENT, "/resource_providers")["resource_providers"]:
        held = api("GET", PLACEMENT, f"/resource_providers/{one['uuid']}/allocations")["allocations"]
        found += [(one["name"], consumer) for consumer in held]
    return sorted(found)


def _ports(api: Api) -> list[tuple[str, str]]:
    """(server, port) of all that are not the network's own."""
    ports = api("GET", NETWORK, "/v2.0/ports")["ports"]
    return sorted((one["device_id"], one["id"]) for one in ports if not one["device_owner"].startswith("network:"))


def _interfaces(api: Api, servers: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted(
        (server, one["port_id"])
        for server in servers
        for one in api("GET", COMPUTE, f"/v2.1/servers/{server}/os-interface")["interfaceAttachments"]
    )


def _attachments(api: Api) -> list[tuple[str, str, str]]:
    found = api("GET", VOLUME, api.volume("/attachments/detail?all_tenants=1"))["attachments"]
    return sorted((one["instance"], one["volume_id"], one["status"]) for one in found)


def _attached(api: Api, servers: dict[str, Any]) -> list[tuple[str, str, str]]:
    """As servers list them: attached where there is a host; of a shelved one Volume may say either."""
    known = {(server, volume): status for server, volume, status in _attachments(api)}
    return sorted(
        (server, volume, "attached" if one["OS-EXT-SRV-ATTR:host"] else known.get((server, volume), "none"))
        for server, one in servers.items()
        for volume in _listed(api, server)
    )


def _listed(api: Api, server: str) -> list[str]:
    found = api("GET", COMPUTE, f"/v2.1/servers/{server}/os-volume_attachments")["volumeAttachments"]
    return [one["volumeId"] for one in found]


def _volumes(api: Api) -> dict[str, bool]:
    """By id whether somebody has it. One in another state than these two is told as it is."""
    found = api("GET", VOLUME, api.volume("/volumes/detail?all_tenants=1"))["volumes"]
    states = {"available": False, "in-use": True, "reserved": True}
    return {one["id"]: states.get(one["status"], one["status"]) for one in found}


def _wanted_volumes(things: Things, api: Api, servers: dict[str, Any]) -> dict[str, bool]:
    return dict.fromkeys(things.spare, False) | {volume: True for server in servers for volume in _listed(api, server)}
