"""Nothing stuck: whatever step an engine dies after, another one brings the server to its end and leaves nothing.

A step is what others see: a call to a host, a request to another service, a committed transaction. Each test repeats
its operation and lets the job be taken over after step 1, after step 2, … until a run has no more steps.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cumulet.kernel.jobs import LeaseLost
from tests.compute.support import Cloud

_MOST_STEPS = 60
_END_S = 60.0


class Steps:
    """Counts what jobs do, and ends the engine's hold on them once, after step `deadly`."""

    def __init__(self, cloud: Cloud) -> None:
        self._lock = threading.Lock()
        self.count = 0
        self.deadly = 0
        service = cloud.service
        bus: Any = service.bus
        session: Any = service.session
        db: Any = service.db
        bus.call = self._counted(bus.call)
        session.request = self._counted(session.request)
        write = db.write

        @contextlib.contextmanager
        def counted_write() -> Iterator[Any]:
            with write() as connection:
                yield connection
            self._step()

        db.write = counted_write

    def _counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **rest: Any) -> Any:
            result = function(*args, **rest)
            self._step()
            return result

        return run

    def _step(self) -> None:
        if threading.current_thread().name != "job-compute":
            return
        with self._lock:
            self.count += 1
            dies = self.count == self.deadly
        if dies:
            raise LeaseLost("the engine was killed")

    def each(self) -> Iterator[int]:
        """The steps to die after, as many as the operation between two of them has."""
        for number in range(1, _MOST_STEPS):
            self.count, self.deadly = 0, number
            yield number
            if self.count < number:
                return
            self.deadly = 0
        raise AssertionError(f"more than {_MOST_STEPS} steps")


@pytest.fixture
def steps(running: Cloud) -> Steps:
    running.add_host("node2")
    return Steps(running)


def _settled(cloud: Cloud, server_id: str, *statuses: str) -> Any:
    def look() -> Any:
        server = cloud.show(server_id)
        idle = server["OS-EXT-STS:task_state"] is None
        return server if idle and server["status"] in (*statuses, "ERROR") else None

    return cloud.until(look, _END_S)


def _require_only(cloud: Cloud, servers: dict[str, str]) -> None:
    """Guests, ports and room are those of these servers (id -> host), and of no other."""
    assert {key: host for host, driver in cloud.hosts.items() for key in driver.guests()} == servers
    assert {port["device_id"]: port["binding:host_id"] for port in cloud.network.ports.values()} == servers
    assert len(cloud.network.ports) == len(servers)
    used = {host: sum(1 for at in servers.values() if at == host) for host in cloud.hosts}
    request = cloud.service.session.request
    for host, count in used.items():
        provider = request("GET", "placement", f"/resource_providers?name={host}").json()["resource_providers"][0]
        held = request("GET", "placement", f"/resource_providers/{provider['uuid']}/allocations").json()["allocations"]
        assert len(held) == count, f"{host} holds {sorted(held)} for {servers}"


def _delete(cloud: Cloud, server_id: str) -> None:
    cloud.json("DELETE", f"/v2.1/servers/{server_id}", status=204)
    cloud.until(lambda: cloud.is_gone(server_id), _END_S)


def test_boot(running: Cloud, steps: Steps) -> None:
    flavor = running.flavor()
    for number in steps.each():
        server = _settled(running, running.boot(flavorRef=flavor)["id"], "ACTIVE")
        seen = steps.count
        assert server["status"] == "ACTIVE", f"killed after step {number}: {server['fault']}"
        _require_only(running, {server["id"]: server["OS-EXT-SRV-ATTR:host"]})
        _delete(running, server["id"])
        steps.count = seen
    _require_only(running, {})


def test_delete(running: Cloud, steps: Steps) -> None:
    flavor = running.flavor()
    waiting = running.active(flavorRef=flavor)["id"]
    for _ in steps.each():
        steps.deadly, deadly = 0, steps.deadly
        server_id, waiting = waiting, running.active(flavorRef=flavor)["id"]
        steps.count, steps.deadly = 0, deadly
        _delete(running, server_id)
        _require_only(running, {waiting: running.show(waiting)["OS-EXT-SRV-ATTR:host"]})


def _moves_of(cloud: Cloud, server_id: str) -> set[str]:
    found = cloud.json("GET", f"/v2.1/os-migrations?instance_uuid={server_id}", "admin")["migrations"]
    return {move["status"] for move in found}


def test_resize(running: Cloud, steps: Steps) -> None:
    """Resize and confirmation in one run."""
    flavors = [running.flavor(ram=ram) for ram in (128, 256)]
    server_id = running.active(flavorRef=flavors[0])["id"]
    for number in steps.each():
        running.act(server_id, "resize", {"flavorRef": flavors[number % 2]})
        server = _settled(running, server_id, "VERIFY_RESIZE")
        assert server["status"] == "VERIFY_RESIZE", f"killed after step {number}: {server.get('fault')}"
        running.act(server_id, "confirmResize", status=204)
        server = _settled(running, server_id, "ACTIVE")
        _require_only(running, {server_id: server["OS-EXT-SRV-ATTR:host"]})
        assert _moves_of(running, server_id) == {"confirmed"}


def test_revert(running: Cloud, steps: Steps) -> None:
    flavors = [running.flavor(ram=ram) for ram in (128, 256)]
    server = running.active(flavorRef=flavors[0])
    server_id, home = server["id"], server["OS-EXT-SRV-ATTR:host"]
    for number in steps.each():
        steps.deadly, deadly = 0, steps.deadly
        running.act(server_id, "resize", {"flavorRef": flavors[1]})
        _settled(running, server_id, "VERIFY_RESIZE")
        steps.count, steps.deadly = 0, deadly
        running.act(server_id, "revertResize")
        server = _settled(running, server_id, "ACTIVE")
        assert server["status"] == "ACTIVE", f"killed after step {number}: {server.get('fault')}"
        _require_only(running, {server_id: home})
        assert server["flavor"]["ram"] == 128


def test_live_migration(running: Cloud, steps: Steps) -> None:
    server_id = running.active()["id"]
    for number in steps.each():
        running.act(server_id, "os-migrateLive", {"host": None, "block_migration": "auto"}, token="admin")
        server = _settled(running, server_id, "ACTIVE")
        assert server["status"] == "ACTIVE", f"killed after step {number}: {server.get('fault')}"
        _require_only(running, {server_id: server["OS-EXT-SRV-ATTR:host"]})
        assert _moves_of(running, server_id) == {"completed"}


def test_a_failed_resize_is_taken_back_whatever_dies(running: Cloud, steps: Steps) -> None:
    flavors = [running.flavor(ram=ram) for ram in (128, 256)]
    server = running.active(flavorRef=flavors[0])
    server_id, home = server["id"], server["OS-EXT-SRV-ATTR:host"]
    for host in running.hosts.values():
        host.faults.errors["receive"] = "the disk is full"
    for number in steps.each():
        running.act(server_id, "resize", {"flavorRef": flavors[1]})
        server = _settled(running, server_id, "ACTIVE")
        assert server["status"] == "ACTIVE", f"killed after step {number}: {server.get('fault')}"
        _require_only(running, {server_id: home})
