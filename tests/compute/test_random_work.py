"""Random wishes about servers while engines die at random steps: in the end only what was asked for is there."""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from cumulet.kernel.client import Response
from cumulet.kernel.jobs import LeaseLost
from tests.compute.images import IMAGE_ID
from tests.compute.support import Cloud

log = logging.getLogger(__name__)
_OPERATIONS = int(os.environ.get("CUMULET_TEST_OPERATIONS", "60"))  # for each seed; 500 take minutes
_SEEDS = [int(one) for one in os.environ.get("CUMULET_TEST_SEEDS", "1,2").split(",")]
_SERVERS = 4
_MOST = 8  # below the quota of ten, with those that are still being deleted
RESCUE = "22222222-2222-4222-8222-222222222222"
_STABLE = {"hw_rescue_bus": "virtio", "hw_rescue_device": "disk"}
_DEATH = 0.08  # of each step of a job
_SETTLED_S = 60.0


_BEGAN = time.monotonic()


def _trace(*what: Any) -> None:
    """For whoever has to find out how a walk came to its end: shown with its failure."""
    log.info("%9.3f %s", time.monotonic() - _BEGAN, " ".join(map(str, what)))


class Deaths:
    """Ends the engine's hold on a job after a step of it, now and then."""

    def __init__(self, cloud: Cloud, chance: random.Random) -> None:
        self._chance = chance
        self.count = 0
        bus: Any = cloud.service.bus
        session: Any = cloud.service.session
        bus.call = self._mortal(bus.call)
        session.request = self._mortal(session.request)

    def _mortal(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **rest: Any) -> Any:
            result = function(*args, **rest)
            if threading.current_thread().name == "job-compute":
                dies = self._chance.random() < _DEATH
                _trace(threading.get_ident(), "death after" if dies else "step", *args)
                if dies:
                    self.count += 1
                    raise LeaseLost("the engine was killed")
            return result

        return run


class Users:
    """Ask for things without looking; a refusal is an answer too."""

    def __init__(self, cloud: Cloud, chance: random.Random) -> None:
        self.cloud = cloud
        self.chance = chance
        self.ids: list[str] = []
        self.flavors = [cloud.flavor(ram=ram) for ram in (128, 256, 512)]
        cloud.images.images[RESCUE] = cloud.images.images[IMAGE_ID] | {"id": RESCUE, **_STABLE}
        self.spare = [cloud.volume.add() for _ in range(3)]

    def _call(self, method: str, path: str, token: str = "member", **rest: Any) -> Response:
        answer = self.cloud.call(method, path, token, **rest)
        _trace("wish", method, path, rest.get("json"), answer.status, answer.body if answer.status == 202 else "")
        return answer

    def ask(self) -> None:
        if len(self.ids) < _SERVERS or (len(self.ids) < _MOST and self.chance.random() < 0.1):
            body = {"name": "any", "networks": "auto", "flavorRef": self.chance.choice(self.flavors), **self._disks()}
            answer = self._call("POST", "/v2.1/servers", json={"server": body})
            assert answer.status in (202, 403), answer.body  # the quota counts those that are being deleted
            if answer.status == 202:
                self.ids.append(answer.json()["server"]["id"])
            return
        server_id = self.chance.choice(self.ids)
        if self.chance.random() < 0.12:
            self.ids.remove(server_id)
            answer = self._call("DELETE", f"/v2.1/servers/{server_id}")
            assert answer.status in (204, 404)
            return
        if self.chance.random() < 0.2:
            self._plug(server_id)
            return
        action, given = self.chance.choice(
            [
                ("os-stop", None),
                ("os-start", None),
                ("reboot", {"type": "HARD"}),
                ("pause", None),
                ("unpause", None),
                ("resize", {"flavorRef": self.chance.choice(self.flavors)}),
                ("confirmResize", None),
                ("confirmResize", None),
                ("revertResize", None),
                ("migrate", None),
                ("os-migrateLive", {"host": None, "block_migration": "auto"}),
                ("shelve", None),
                ("unshelve", None),
                ("unshelve", None),
                ("rebuild", {"imageRef": IMAGE_ID}),
                ("rescue", None),
                ("rescue", {"rescue_image_ref": RESCUE}),
                ("unrescue", None),
                ("unrescue", None),
                ("createImage", {"name": "copy"}),
            ]
        )
        answer = self._call("POST", f"/v2.1/servers/{server_id}/action", "admin", json={action: given})
        assert answer.status in (200, 202, 204, 400, 409), (action, answer.status, answer.body)

    def _disks(self) -> dict[str, Any]:
        """A root disk of its own for every second server, or a volume that goes with it."""
        if self.chance.random() < 0.5:
            return {"imageRef": IMAGE_ID}
        root = {"source_type": "image", "destination_type": "volume", "uuid": IMAGE_ID, "volume_size": 1}
        return {"block_device_mapping_v2": [root | {"boot_index": 0, "delete_on_termination": True}]}

    def _plug(self, server_id: str) -> None:
        """A volume in, or out."""
        path = f"/v2.1/servers/{server_id}/os-volume_attachments"
        volume_id = self.chance.choice(self.spare)
        if self.chance.random() < 0.5:
            answer = self._call("POST", path, json={"volumeAttachment": {"volumeId": volume_id}})
        else:
            answer = self._call("DELETE", f"{path}/{volume_id}")
        assert answer.status in (202, 400, 404, 409), answer.body


@pytest.mark.parametrize("seed", _SEEDS)
def test_nothing_is_left_behind(running: Cloud, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, __name__)
    running.add_host("node2")
    running.add_host("node3")
    users = Users(running, random.Random(seed))
    deaths = Deaths(running, random.Random(seed + 1000))
    for _ in range(_OPERATIONS):
        users.ask()
        running.until(lambda: _is_calm(running, users.chance.random() < 0.5), _SETTLED_S)
    running.until(lambda: _is_calm(running, True), _SETTLED_S)
    assert deaths.count > 0
    _wait_for_volumes(running, users.ids)
    _require_order(running, users.ids)
    for server_id in users.ids:
        running.json("DELETE", f"/v2.1/servers/{server_id}", status=204)
    for server_id in users.ids:
        running.until(lambda server_id=server_id: running.is_gone(server_id), _SETTLED_S)  # type: ignore[misc]
    _require_order(running, [])
    running.until(lambda: running.volume.attachments == {}, _SETTLED_S)
    left = {key: one["status"] for key, one in running.volume.volumes.items() if one["size"] == 1}
    assert left == dict.fromkeys(users.spare, "available")


def _is_calm(cloud: Cloud, wanted: bool) -> bool:
    """Whether nothing is being done to any server; without `wanted` nobody waits for that."""
    if not wanted:
        return True
    shown = cloud.json("GET", "/v2.1/servers/detail?all_tenants=1", "admin")["servers"]
    return all(one["OS-EXT-STS:task_state"] is None and one["status"] != "BUILD" for one in shown)


def _wait_for_volumes(cloud: Cloud, ids: list[str]) -> None:
    """What is plugged in and out is no task of the server's, so nothing else says when it is done."""
    try:
        cloud.until(lambda: _attached(cloud, ids) == _listed(cloud, ids), _SETTLED_S)
    except AssertionError:
        assert _attached(cloud, ids) == _listed(cloud, ids)


def _attached(cloud: Cloud, ids: list[str]) -> list[tuple[str, str, bool]]:
    """(server, volume, whether a guest has it); of a server without a host Volume may say either."""
    hosts = {one: cloud.show(one)["OS-EXT-SRV-ATTR:host"] for one in ids}
    return sorted(
        (one["instance"], one["volume_id"], one["status"] == "attached" and bool(hosts.get(one["instance"])))
        for one in cloud.volume.attachments.values()
    )


def _listed(cloud: Cloud, ids: list[str]) -> list[tuple[str, str, bool]]:
    """The same as the servers and their hosts have it."""
    found = []
    for server_id in ids:
        host = cloud.show(server_id)["OS-EXT-SRV-ATTR:host"]
        plugged = cloud.hosts[host].volumes(server_id) if host else {}
        path = f"/v2.1/servers/{server_id}/os-volume_attachments"
        for one in cloud.json("GET", path, version="2.88")["volumeAttachments"]:
            found.append((server_id, one["volumeId"], one["volumeId"] in plugged))
    return sorted(found)


def _require_order(cloud: Cloud, ids: list[str]) -> None:
    """Guests, ports and room are those of the servers that there are."""
    shown = {one: cloud.show(one) for one in ids}
    placed = {one: server["OS-EXT-SRV-ATTR:host"] for one, server in shown.items() if server["OS-EXT-SRV-ATTR:host"]}
    found = {key: host for host, driver in cloud.hosts.items() for key in driver.guests()}
    assert found == placed
    assert {port["device_id"] for port in cloud.network.ports.values()} == set(ids)
    assert len(cloud.network.ports) == len(ids)
    resized = {one for one, server in shown.items() if server["status"] == "VERIFY_RESIZE"}
    held = 0
    for host in cloud.hosts:
        request = cloud.service.session.request
        provider = request("GET", "placement", f"/resource_providers?name={host}").json()["resource_providers"][0]
        held += len(
            request("GET", "placement", f"/resource_providers/{provider['uuid']}/allocations").json()["allocations"]
        )
    assert held == len(placed) + len(resized)
    kept = {one for driver in cloud.hosts.values() for one in driver._kept.old}
    assert kept == resized
