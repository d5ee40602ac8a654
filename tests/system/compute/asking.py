"""Users who ask for random things of a cloud whose parts may be away at any moment."""

from __future__ import annotations

import contextlib
import json
import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import urllib3

from tests.system.cloud import Cloud, eventually

log = logging.getLogger(__name__)

COMPUTE, VOLUME, NETWORK, IMAGE, PLACEMENT = 8774, 8776, 9696, 9292, 8778
_VERSIONS: Final = {
    COMPUTE: {"OpenStack-API-Version": "compute 2.96"},
    PLACEMENT: {"OpenStack-API-Version": "placement 1.39"},
    VOLUME: {"OpenStack-API-Version": "volume 3.60"},
}
_PATIENCE_S = 180.0
_SERVERS = 8  # below the quota of ten, with those that are still being deleted
_SENSIBLE = 0.85  # of all wishes; the rest does not look at what state the server is in
_ACTIONS: Final = {
    "ACTIVE": (
        *("os-stop", "reboot", "resize", "migrate", "os-migrateLive", "shelve", "rebuild", "rescue"),
        *("pause", "suspend"),
    ),
    "PAUSED": ("unpause",),
    "SUSPENDED": ("resume",),
    "SHUTOFF": ("os-start", "resize", "migrate", "shelve", "rebuild"),
    "VERIFY_RESIZE": ("confirmResize", "revertResize"),
    "SHELVED_OFFLOADED": ("unshelve",),
    "RESCUE": ("unrescue",),
    "ERROR": ("rebuild", "reboot"),
}


class Api:
    """An administrator who hears nothing when a process dies over his request: then the answer is None.

    503 says that something that is needed is away. Any other error of a service's own is `wrong`, and so is a token
    that is refused, which is good for longer than a test.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._token = cloud.login()
        self.wrong: list[str] = []
        self.project = self("GET", 5000, "/v3/auth/projects")["projects"][0]["id"]

    def ask(self, method: str, port: int, path: str, body: Any = None) -> urllib3.BaseHTTPResponse | None:
        url = f"http://127.0.0.1:{port + self._cloud.offset}{path}"
        headers = {"X-Auth-Token": self._token} | _VERSIONS.get(port, {})
        answer = None
        with urllib3.PoolManager() as pool, contextlib.suppress(urllib3.exceptions.HTTPError):
            answer = pool.request(method, url, headers=headers, json=body, retries=False, timeout=60)
        if answer is not None and answer.status != 503 and (answer.status >= 500 or answer.status == 401):
            self.wrong.append(f"{method} {port} {path} {body}: {answer.status} {answer.data!r}")
        return answer

    def __call__(self, method: str, port: int, path: str, body: Any = None) -> Any:
        """The decoded answer; asked again while nobody answers."""
        answer = eventually(lambda: self._answered(method, port, path, body), _PATIENCE_S)
        assert answer.status < 300, (method, path, answer.data)
        return json.loads(answer.data) if answer.data else None

    def upload(self, image_id: str, data: bytes) -> None:
        url = f"http://127.0.0.1:{IMAGE + self._cloud.offset}/v2/images/{image_id}/file"
        headers = {"X-Auth-Token": self._token, "Content-Type": "application/octet-stream"}
        with urllib3.PoolManager() as pool:
            assert pool.request("PUT", url, body=data, headers=headers, timeout=60).status == 204

    def _answered(self, method: str, port: int, path: str, body: Any) -> urllib3.BaseHTTPResponse | None:
        answer = self.ask(method, port, path, body)
        return None if answer is None or answer.status >= 500 else answer

    def servers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self("GET", COMPUTE, "/v2.1/servers/detail?all_tenants=1")["servers"]
        return found

    def volume(self, path: str) -> str:
        return f"/v3/{self.project}{path}"


class Things:
    """What servers are made of."""

    def __init__(self, api: Api) -> None:
        self.flavors = [
            api("POST", COMPUTE, "/v2.1/flavors", {"flavor": {"name": f"f{ram}", "ram": ram, "vcpus": 1, "disk": 1}})[
                "flavor"
            ]["id"]
            for ram in (64, 128)
        ]
        image = {"name": "raw", "disk_format": "raw", "container_format": "bare"}
        self.image = api("POST", IMAGE, "/v2/images", image)["id"]
        api.upload(self.image, bytes(4096))
        self.network = api("POST", NETWORK, "/v2.0/networks", {"network": {"name": "many"}})["network"]["id"]
        subnet = {"network_id": self.network, "ip_version": 4, "cidr": "10.1.0.0/16"}
        api("POST", NETWORK, "/v2.0/subnets", {"subnet": subnet})
        path = api.volume("/volumes")
        self.spare = [api("POST", VOLUME, path, {"volume": {"size": 1}})["volume"]["id"] for _ in range(3)]


class User(threading.Thread):
    """Asks for what may be had, mostly, until `count` wishes were taken and it is `enough`; a refusal is an answer."""

    def __init__(
        self, api: Api, things: Things, chance: random.Random, count: int, enough: Callable[[], bool] = lambda: True
    ) -> None:
        super().__init__(daemon=True)
        self._api, self._things, self._chance, self._count, self._enough = api, things, chance, count, enough
        self.asked = self.taken = 0

    def run(self) -> None:
        while self.taken < self._count or not self._enough():
            self._wish()
            time.sleep(self._chance.uniform(0.0, 0.3))

    def _send(self, method: str, path: str, body: Any = None) -> None:
        answer = self._api.ask(method, COMPUTE, f"/v2.1/servers{path}", body)
        status = None if answer is None else answer.status
        said = b"" if answer is None or answer.status < 400 else answer.data
        log.info("%s %s %s %s %s", method, path, body, status, said)
        self.asked += 1
        self.taken += status is not None and status < 300

    def _wish(self) -> None:
        servers = self._api.servers()
        if len(servers) < _SERVERS:
            self._send("POST", "", {"server": self._server()})
            return
        idle = [one for one in servers if one["OS-EXT-STS:task_state"] is None and one["status"] != "BUILD"]
        is_sensible = self._chance.random() < _SENSIBLE
        if is_sensible and not idle:
            return
        chosen = self._chance.choice(idle if is_sensible else servers)
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
