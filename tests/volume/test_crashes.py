"""Work that dies between any two of its steps, and is done again: nothing is lost, nothing hangs.

Before the n-th effect of a job (a transaction, or a call to a back end) it dies, for every n there is.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.volume.support import IMAGE_ID, Cloud


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


@pytest.mark.parametrize(
    "work",
    [_create, _from_image, _delete, _extend, _clone_and_snapshot, _migrate, _upload],
    ids=lambda work: work.__name__,
)
def test_a_job_that_dies_at_any_step_is_done(cloud: Cloud, work: Callable[[Cloud], None]) -> None:
    cloud.images.data[IMAGE_ID] = b"image"
    drivers = [cloud.add_host(name) for name in ("node1", "node2")]
    quotas = {"quota_set": dict.fromkeys(("volumes", "gigabytes", "snapshots"), -1)}
    cloud.json("PUT", "/os-quota-sets/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "admin", json=quotas)
    cloud.start_engine()
    deaths = Deaths(cloud)
    for effect in range(1, 30):
        deaths.before(effect)
        work(cloud)
        if not deaths.died:
            break
    assert effect > 2, "nothing died"
    assert not deaths.died
    deaths.before(-1)
    known = {volume["id"] for volume in cloud.json("GET", "/volumes?all_tenants=1", "admin")["volumes"]}

    def stored() -> list[str]:
        return sorted(each for driver in drivers for each in driver._volumes)

    cloud.until(lambda: stored() == sorted(known))


@pytest.mark.parametrize("effect", [1, 2, 3])
def test_an_attachment_whose_request_died_can_be_taken_back(running: Cloud, effect: int) -> None:
    volume = running.available()["id"]
    left = [effect]
    write, call = running.service.db.write, running.bus.call

    @contextlib.contextmanager
    def dying_write() -> Iterator[Any]:
        _count(left)
        with write() as connection:
            yield connection

    def dying_call(*args: Any, **rest: Any) -> Any:
        if args[0] != "engine":
            _count(left)
        return call(*args, **rest)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(running.service.db, "write", dying_write)
        patched.setattr(running.bus, "call", dying_call)
        body = {"attachment": {"volume_uuid": volume, "connector": {"host": "node1"}}}
        with contextlib.suppress(Died):
            running.call("POST", "/attachments", json=body)
    for attachment in running.json("GET", "/attachments")["attachments"]:
        running.json("DELETE", f"/attachments/{attachment['id']}")
    assert running.settled(volume)["status"] == "available"
    running.json("DELETE", f"/volumes/{volume}", status=202)
    running.until(lambda: running.is_gone(volume))


def _count(left: list[int]) -> None:
    if threading.current_thread() is threading.main_thread():
        left[0] -= 1
        if left[0] == 0:
            raise Died
