"""Work that dies between any two of its steps, and is done again: nothing is lost, nothing hangs.

Before the n-th effect of a job (a transaction, or a call to a back end) it dies, for every n there is. That is on
SQLite; on PostgreSQL and MariaDB, whose transactions are other ones, at every third effect, each beginning elsewhere.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.databases import BACKENDS
from tests.volume.support import IMAGE_ID, Cloud

_STRIDE = 3


@pytest.fixture(params=BACKENDS)
def database_backend(request: pytest.FixtureRequest) -> str:
    """All of them, whatever else the tests run on."""
    return str(request.param)


def _effects(backend: str, work: int, most: int) -> range:
    """Which effects to die before: all, or every third, beginning at another one for each backend and work."""
    if backend == BACKENDS[0]:
        return range(1, most)
    return range(1 + (BACKENDS.index(backend) + work) % _STRIDE, most, _STRIDE)


class Died(BaseException):
    """As if the process were gone: nothing of ours catches it, the engine takes the job up again."""


class Deaths:
    """Lets work die before its n-th effect, once. Only the engine's workers are counted."""

    def __init__(self, cloud: Cloud) -> None:
        self._left = -1
        self._lock = threading.Lock()
        self.died = False
        write, call = cloud.service.db.write, cloud.bus.call

        @contextlib.contextmanager
        def dying_write() -> Iterator[Any]:
            self._step()
            with write() as connection:
                yield connection

        def dying_call(host: str, method: str, *args: Any, **rest: Any) -> Any:
            self._step()
            return call(host, method, *args, **rest)

        cloud.service.db.write = dying_write  # type: ignore[method-assign]
        cloud.bus.call = dying_call  # type: ignore[method-assign]

    def before(self, effect: int) -> None:
        with self._lock:
            self._left, self.died = effect, False

    def _step(self) -> None:
        if threading.current_thread().name != "job-volume":
            return
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self.died = True
                raise Died


def _snapshot(cloud: Cloud, volume_id: str) -> str:
    body = {"snapshot": {"volume_id": volume_id}}
    made = cloud.json("POST", "/snapshots", status=202, json=body)["snapshot"]
    assert cloud.settled(made["id"], "snapshots")["status"] == "available"
    return str(made["id"])


def _available(cloud: Cloud, volume_id: str, **expected: Any) -> None:
    volume = cloud.settled(volume_id)
    assert volume["status"] == "available", volume
    assert {key: volume[key] for key in expected} == expected


def _create(cloud: Cloud) -> None:
    _available(cloud, cloud.create()["id"])


def _from_image(cloud: Cloud) -> None:
    _available(cloud, cloud.create(imageRef=IMAGE_ID)["id"], bootable="true")


def _delete(cloud: Cloud) -> None:
    volume = cloud.available()["id"]
    _snapshot(cloud, volume)
    cloud.json("DELETE", f"/volumes/{volume}?cascade=true", status=202)
    cloud.until(lambda: cloud.is_gone(volume))


def _extend(cloud: Cloud) -> None:
    volume = cloud.available()["id"]
    cloud.act(volume, "os-extend", {"new_size": 2})
    _available(cloud, volume, size=2)


def _clone_and_snapshot(cloud: Cloud) -> None:
    volume = cloud.available()["id"]
    clone = cloud.create(source_volid=volume)["id"]
    snapshot = _snapshot(cloud, volume)
    _available(cloud, clone)
    cloud.act(volume, "revert", {"snapshot_id": snapshot})
    _available(cloud, volume)


def _migrate(cloud: Cloud) -> None:
    volume = cloud.available()
    here = volume["os-vol-host-attr:host"]
    there = here.replace("node1", "node2") if "node1" in here else here.replace("node2", "node1")
    cloud.act(volume["id"], "os-migrate_volume", {"host": there}, "admin")
    shown = cloud.until(lambda: cloud.show(volume["id"])["migration_status"] == "success" and cloud.show(volume["id"]))
    assert shown["os-vol-host-attr:host"] == there


def _upload(cloud: Cloud) -> None:
    volume = cloud.available()["id"]
    image = cloud.act(volume, "os-volume_upload_image", {"image_name": "x"})["os-volume_upload_image"]["image_id"]
    _available(cloud, volume)
    assert cloud.images.images[image]["status"] == "active"


def _back_up_and_restore(cloud: Cloud) -> None:
    volume = cloud.available()["id"]
    made = cloud.json("POST", "/backups", status=202, json={"backup": {"volume_id": volume}})["backup"]["id"]
    assert cloud.settled(made, "backups")["status"] == "available"
    _available(cloud, volume)
    cloud.json("POST", f"/backups/{made}/restore", status=202, json={"restore": {"volume_id": volume}})
    _available(cloud, volume)
    assert cloud.settled(made, "backups")["status"] == "available"
    cloud.json("DELETE", f"/backups/{made}", status=202)
    cloud.until(lambda: cloud.is_gone(made, "backups"))


WORKS: list[Callable[[Cloud], None]] = [
    _create,
    _from_image,
    _delete,
    _extend,
    _clone_and_snapshot,
    _migrate,
    _upload,
    _back_up_and_restore,
]


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.__name__)
def test_a_job_that_dies_at_any_step_is_done(
    cloud: Cloud, work: Callable[[Cloud], None], database_backend: str
) -> None:
    cloud.images.data[IMAGE_ID] = b"image"
    drivers = [cloud.add_host(name) for name in ("node1", "node2")]
    quotas = {"quota_set": dict.fromkeys(("volumes", "gigabytes", "snapshots", "backups", "backup_gigabytes"), -1)}
    cloud.json("PUT", "/os-quota-sets/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "admin", json=quotas)
    cloud.start_engine()
    deaths = Deaths(cloud)
    times = 0
    for effect in _effects(database_backend, WORKS.index(work), 40):
        deaths.before(effect)
        work(cloud)
        if not deaths.died:
            break
        times += 1
    assert times, "nothing died"
    assert not deaths.died
    deaths.before(-1)
    known = {volume["id"] for volume in cloud.json("GET", "/volumes?all_tenants=1", "admin")["volumes"]}

    def stored() -> list[str]:
        return sorted(each for driver in drivers for each in driver._volumes)

    cloud.until(lambda: stored() == sorted(known))


class _Requests:
    """Lets the request that is being answered die before its n-th effect."""

    def __init__(self, cloud: Cloud, patched: pytest.MonkeyPatch, effect: int) -> None:
        self._left = effect
        self.died = False
        write, call = cloud.service.db.write, cloud.bus.call

        @contextlib.contextmanager
        def dying_write() -> Iterator[Any]:
            self._step()
            with write() as connection:
                yield connection

        def dying_call(*args: Any, **rest: Any) -> Any:
            if args[0] != "engine":
                self._step()
            return call(*args, **rest)

        patched.setattr(cloud.service.db, "write", dying_write)
        patched.setattr(cloud.bus, "call", dying_call)

    def _step(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self._left -= 1
            if self._left == 0:
                self.died = True
                raise Died


def _dies(cloud: Cloud, effect: int, method: str, path: str, **rest: Any) -> bool:
    """Whether the request died; without the effect it was answered."""
    with pytest.MonkeyPatch.context() as patched:
        requests = _Requests(cloud, patched, effect)
        with contextlib.suppress(Died):
            cloud.call(method, path, **rest)
    return requests.died


def _attach(cloud: Cloud, volume_id: str, effect: int) -> bool:
    body = {"attachment": {"volume_uuid": volume_id, "connector": {"host": "node1"}}}
    return _dies(cloud, effect, "POST", "/attachments", json=body)


def _connect(cloud: Cloud, volume_id: str, effect: int) -> bool:
    """As Compute does: reserved at first, connected when the host is known."""
    made = cloud.json("POST", "/attachments", json={"attachment": {"volume_uuid": volume_id}})["attachment"]["id"]
    body = {"attachment": {"connector": {"host": "node1"}}}
    return _dies(cloud, effect, "PUT", f"/attachments/{made}", json=body)


def _detach(cloud: Cloud, volume_id: str, effect: int) -> bool:
    body = {"attachment": {"volume_uuid": volume_id, "connector": {"host": "node1"}}}
    made = cloud.json("POST", "/attachments", json=body)["attachment"]["id"]
    cloud.json("POST", f"/attachments/{made}/action", status=204, json={"os-complete": {}})
    return _dies(cloud, effect, "DELETE", f"/attachments/{made}")


@pytest.mark.parametrize("act", [_attach, _connect, _detach], ids=lambda act: act.__name__)
def test_an_attachment_whose_request_died_can_be_taken_back(
    running: Cloud, act: Callable[[Cloud, str, int], bool], database_backend: str
) -> None:
    deaths = 0
    for effect in _effects(database_backend, 2, 20):
        volume = running.available()["id"]
        died = act(running, volume, effect)
        for attachment in running.json("GET", "/attachments")["attachments"]:
            running.json("DELETE", f"/attachments/{attachment['id']}")
        assert running.settled(volume)["status"] == "available"
        assert running.drivers["node1"]._volumes[volume].attachments == []
        running.json("DELETE", f"/volumes/{volume}", status=202)
        running.until(lambda volume=volume: running.is_gone(volume))  # type: ignore[misc]
        if not died:
            break
        deaths += 1
    assert deaths
