"""Users ask for random things of a simulated cloud while its processes are killed; in the end all services agree.

`CUMULET_TEST_KILL_OPERATIONS=500` walks longer, `CUMULET_TEST_SEEDS=7` another way.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.system.cloud import Cloud, a_cloud, eventually

log = logging.getLogger(__name__)
_OPERATIONS = int(os.environ.get("CUMULET_TEST_KILL_OPERATIONS", "60"))
_SEEDS = [int(one) for one in os.environ.get("CUMULET_TEST_SEEDS", "1").split(",")]
_USERS = 3
_SERVERS = 8  # below the quota of ten, with those that are still being deleted
_SENSIBLE = 0.85  # of all wishes; the rest does not look at what state the server is in
_PAUSE_S = (0.5, 2.0)  # between two kills
_PROCESSES = 4  # two for the API, the engine, the agent
_QUIET_S = 180.0
"""A minute is what a server may take; a machine that does other things too is given more."""
_COMPUTE, _VOLUME, _NETWORK, _IMAGE, _PLACEMENT = 8774, 8776, 9696, 9292, 8778
_VERSIONS = {"OpenStack-API-Version": "compute 2.96"}


_ACTIONS = {
    "ACTIVE": ("os-stop", "reboot", "resize", "migrate", "os-migrateLive", "shelve", "rebuild", "rescue"),
    "SHUTOFF": ("os-start", "resize", "migrate", "shelve", "rebuild"),
    "VERIFY_RESIZE": ("confirmResize", "revertResize"),
    "SHELVED_OFFLOADED": ("unshelve",),
    "RESCUE": ("unrescue",),
    "ERROR": ("rebuild", "reboot"),
}


class Api:
    """An administrator who hears nothing when a process dies over his request: then the answer is None."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._token = cloud.login()
        self.project = self("GET", 5000, "/v3/auth/projects")["projects"][0]["id"]

    def ask(self, method: str, port: int, path: str, body: Any = None) -> urllib3.BaseHTTPResponse | None:
        url = f"http://127.0.0.1:{port + self._cloud.offset}{path}"
        headers = {"X-Auth-Token": self._token}
        headers |= {_COMPUTE: _VERSIONS, _PLACEMENT: {"OpenStack-API-Version": "placement 1.39"}}.get(port, {})
        headers |= {"OpenStack-API-Version": "volume 3.60"} if port == _VOLUME else {}
        with urllib3.PoolManager() as pool, contextlib.suppress(urllib3.exceptions.HTTPError):
            return pool.request(method, url, headers=headers, json=body, retries=False, timeout=60)
        return None

    def __call__(self, method: str, port: int, path: str, body: Any = None) -> Any:
        """The decoded answer; asked again while nobody answers."""
        answer = eventually(lambda: self._answered(method, port, path, body), _QUIET_S)
        assert answer.status < 300, (method, path, answer.data)
        return json.loads(answer.data) if answer.data else None

    def upload(self, image_id: str, data: bytes) -> None:
        url = f"http://127.0.0.1:{_IMAGE + self._cloud.offset}/v2/images/{image_id}/file"
        headers = {"X-Auth-Token": self._token, "Content-Type": "application/octet-stream"}
        with urllib3.PoolManager() as pool:
            assert pool.request("PUT", url, body=data, headers=headers, timeout=60).status == 204

    def _answered(self, method: str, port: int, path: str, body: Any) -> urllib3.BaseHTTPResponse | None:
        answer = self.ask(method, port, path, body)
        return None if answer is None or answer.status in (500, 502, 503, 504) else answer

    def servers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self("GET", _COMPUTE, "/v2.1/servers/detail?all_tenants=1")["servers"]
        return found

    def volume(self, path: str) -> str:
        return f"/v3/{self.project}{path}"


class Things:
    """What servers are made of."""

    def __init__(self, api: Api) -> None:
        self.flavors = [
            api("POST", _COMPUTE, "/v2.1/flavors", {"flavor": {"name": f"f{ram}", "ram": ram, "vcpus": 1, "disk": 1}})[
                "flavor"
            ]["id"]
            for ram in (64, 128)
        ]
        image = {"name": "raw", "disk_format": "raw", "container_format": "bare"}
        self.image = api("POST", _IMAGE, "/v2/images", image)["id"]
        api.upload(self.image, bytes(4096))
        self.network = api("POST", _NETWORK, "/v2.0/networks", {"network": {"name": "many"}})["network"]["id"]
        subnet = {"network_id": self.network, "ip_version": 4, "cidr": "10.1.0.0/16"}
        api("POST", _NETWORK, "/v2.0/subnets", {"subnet": subnet})
        path = api.volume("/volumes")
        self.spare = [api("POST", _VOLUME, path, {"volume": {"size": 1}})["volume"]["id"] for _ in range(3)]


class User(threading.Thread):
    """Asks for what may be had, mostly; a refusal is an answer too, an error of the service's is none."""

    def __init__(self, api: Api, things: Things, chance: random.Random, count: int) -> None:
        super().__init__(daemon=True)
        self._api, self._things, self._chance, self._count = api, things, chance, count
        self.wrong: list[str] = []
        self.asked = 0

    def run(self) -> None:
        while self.asked < self._count:
            self._wish()
            self.asked += 1
            time.sleep(self._chance.uniform(0.0, 0.3))

    def _send(self, method: str, path: str, body: Any = None) -> None:
        answer = self._api.ask(method, _COMPUTE, f"/v2.1/servers{path}", body)
        status = None if answer is None else answer.status
        said = b"" if answer is None or answer.status < 400 else answer.data
        log.info("%s %s %s %s %s", method, path, body, status, said)
        if answer is not None and answer.status >= 500 and answer.status != 503:
            self.wrong.append(f"{method} {path} {body}: {answer.status} {answer.data!r}")

    def _wish(self) -> None:
        servers = self._api.servers()
        if len(servers) < _SERVERS:
            self._send("POST", "", {"server": self._server()})
            return
        idle = [one for one in servers if one["OS-EXT-STS:task_state"] is None and one["status"] != "BUILD"]
        chosen = self._chance.choice(idle if idle and self._chance.random() < _SENSIBLE else servers)
        server, draw = chosen["id"], self._chance.random()
        if draw < 0.12:
            self._send("DELETE", f"/{server}")
        elif draw < 0.34:
            self._plug(server)
        else:
            self._send("POST", f"/{server}/action", self._action(chosen["status"]))

    def _server(self) -> dict[str, Any]:
        things = self._things
        made = {"name": "any", "flavorRef": self._chance.choice(things.flavors), "networks": [{"uuid": things.network}]}
        if self._chance.random() < 0.5:
            return made | {"imageRef": things.image}
        root = {"source_type": "image", "destination_type": "volume", "uuid": things.image, "volume_size": 1}
        return made | {"block_device_mapping_v2": [root | {"boot_index": 0, "delete_on_termination": True}]}

    def _plug(self, server: str) -> None:
        volume = self._chance.choice(self._things.spare)
        path, draw = f"/{server}/os-volume_attachments", self._chance.random()
        if draw < 0.4:
            self._send("POST", path, {"volumeAttachment": {"volumeId": volume}})
        elif draw < 0.75:
            self._send("DELETE", f"{path}/{volume}")
        else:
            self._send("POST", f"/{server}/os-interface", {"interfaceAttachment": {"net_id": self._things.network}})

    def _action(self, status: str) -> dict[str, Any]:
        """Mostly one that the server's status allows."""
        every = [one for some in _ACTIONS.values() for one in some]
        name = self._chance.choice(_ACTIONS.get(status, every) if self._chance.random() < _SENSIBLE else every)
        given = {
            "reboot": {"type": "HARD"},
            "resize": {"flavorRef": self._chance.choice(self._things.flavors)},
            "os-migrateLive": {"host": None, "block_migration": "auto"},
            "rebuild": {"imageRef": self._things.image},
        }
        return {name: given.get(name)}


class Killer(threading.Thread):
    """Kills a process of the cloud or two, whichever, whenever the supervisor has started those before again: where
    nothing lives long enough to do anything, nothing is seen."""

    def __init__(self, cloud: Cloud, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self._state = Path(cloud.directory) / "run" / "state.json"
        self._chance = chance
        self._end = threading.Event()
        self.killed: list[str] = []

    def run(self) -> None:
        while not self._end.wait(self._chance.uniform(*_PAUSE_S)):
            alive = [one for one in json.loads(self._state.read_text())["processes"] if one["ready"]]
            if len(alive) < _PROCESSES:
                continue
            for victim in self._chance.sample(alive, self._chance.choice((1, 1, 2))):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim["pid"], signal.SIGKILL)
                    log.info("killed %s", victim["role"])
                    self.killed.append(victim["role"])

    def end(self) -> None:
        self._end.set()
        self.join()


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    services = "identity,placement,image,network,volume,compute"
    with a_cloud(tmp_path / "state", "--simulate", "--workers", "2", "--services", services) as made:
        made.up()
        yield made


@pytest.mark.timeout(300 + 5 * _OPERATIONS)
@pytest.mark.parametrize("seed", _SEEDS)
def test_all_services_agree_after_random_kills(cloud: Cloud, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, __name__)
    api = Api(cloud)
    things = Things(api)
    users = [User(api, things, random.Random(seed * 100 + one), _OPERATIONS // _USERS) for one in range(_USERS)]
    killer = Killer(cloud, random.Random(seed))
    for thread in (*users, killer):
        thread.start()
    try:
        for user in users:
            user.join()
    finally:
        killer.end()
    assert [wrong for user in users for wrong in user.wrong] == []
    assert sum(user.asked for user in users) >= _OPERATIONS // _USERS * _USERS and killer.killed
    began = time.monotonic()
    _agree(lambda: _unsettled(api), _QUIET_S)
    for server in api.servers():
        log.info("%s is %s %s", server["id"], server["status"], server.get("fault"))
    log.info("quiet after %.1f s; %d kills", time.monotonic() - began, len(killer.killed))
    _agree(lambda: _differences(api, cloud, things))
    for server in api.servers():
        api("DELETE", _COMPUTE, f"/v2.1/servers/{server['id']}")
    _agree(lambda: [one["id"] for one in api.servers()], _QUIET_S)
    _agree(lambda: _differences(api, cloud, things))


def _agree(look: Callable[[], Any], within_s: float = 90.0) -> None:
    """Until there is nothing to see; what there is still is told."""
    end = time.monotonic() + within_s
    while found := look():
        assert time.monotonic() < end, found
        time.sleep(0.3)


def _unsettled(api: Api) -> list[Any]:
    """Servers that something is done to, or that are in ERROR without a reason."""
    return [
        (one["id"], one["status"], one["OS-EXT-STS:task_state"])
        for one in api.servers()
        if one["OS-EXT-STS:task_state"] is not None
        or one["status"] == "BUILD"
        or (one["status"] == "ERROR" and not one.get("fault"))
    ]


def _differences(api: Api, cloud: Cloud, things: Things) -> dict[str, Any]:
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
    files = (Path(cloud.directory) / "simulated").glob("simulated-?.json")
    return sorted((file.stem, key) for file in files for key in json.loads(file.read_text())["guests"])


def _consumers(api: Api, servers: dict[str, Any]) -> list[tuple[str, str]]:
    """(host, consumer): servers where they are, and resizes to be confirmed where they began."""
    moves = api("GET", _COMPUTE, "/v2.1/os-migrations?status=finished")["migrations"]
    waiting = {key for key, one in servers.items() if one["status"] == "VERIFY_RESIZE"}
    kept = [(one["source_compute"], one["uuid"]) for one in moves if one["instance_uuid"] in waiting]
    return sorted([*_placed(servers), *kept])


def _allocations(api: Api) -> list[tuple[str, str]]:
    found = []
    for one in api("GET", _PLACEMENT, "/resource_providers")["resource_providers"]:
        held = api("GET", _PLACEMENT, f"/resource_providers/{one['uuid']}/allocations")["allocations"]
        found += [(one["name"], consumer) for consumer in held]
    return sorted(found)


def _ports(api: Api) -> list[tuple[str, str]]:
    """(server, port) of all that are not the network's own."""
    ports = api("GET", _NETWORK, "/v2.0/ports")["ports"]
    return sorted((one["device_id"], one["id"]) for one in ports if not one["device_owner"].startswith("network:"))


def _interfaces(api: Api, servers: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted(
        (server, one["port_id"])
        for server in servers
        for one in api("GET", _COMPUTE, f"/v2.1/servers/{server}/os-interface")["interfaceAttachments"]
    )


def _attachments(api: Api) -> list[tuple[str, str, str]]:
    found = api("GET", _VOLUME, api.volume("/attachments/detail?all_tenants=1"))["attachments"]
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
    found = api("GET", _COMPUTE, f"/v2.1/servers/{server}/os-volume_attachments")["volumeAttachments"]
    return [one["volumeId"] for one in found]


def _volumes(api: Api) -> dict[str, bool]:
    """By id whether somebody has it. One in another state than these two is told as it is."""
    found = api("GET", _VOLUME, api.volume("/volumes/detail?all_tenants=1"))["volumes"]
    states = {"available": False, "in-use": True, "reserved": True}
    return {one["id"]: states.get(one["status"], one["status"]) for one in found}


def _wanted_volumes(things: Things, api: Api, servers: dict[str, Any]) -> dict[str, bool]:
    return dict.fromkeys(things.spare, False) | {volume: True for server in servers for volume in _listed(api, server)}
