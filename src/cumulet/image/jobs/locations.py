"""Locations that were added: their data read and hashed ([DEFAULT] do_secure_hash) before or after the image is active.

With checksums given the image waits for them to be right; without, it is active at once and they follow.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Connection

from cumulet.image.domain import records, tasks
from cumulet.image.domain.records import Image
from cumulet.image.jobs.progress import KNOWN_FAILURES, TaskFailed, TaskRun, reason_of
from cumulet.image.service import ImageService
from cumulet.image.stores.base import DataNotFound, StoreError
from cumulet.image.transfer.hashing import Hashes
from cumulet.image.transfer.receiving import CHUNK
from cumulet.kernel.jobs import Job, JobRegistry

_PROGRESS_BYTES = 64 << 20


def register(registry: JobRegistry) -> None:
    registry.register(tasks.LOCATION_IMPORT, run, on_failure=give_up)


def run(job: Job, service: ImageService) -> None:
    task = TaskRun.begin(job, service)
    if task is None:
        return
    url: str = task.task["input"]["loc_url"]
    validation: dict[str, str] = task.task["input"]["validation_data"] or {}
    try:
        _take_up(task, url)
        if service.conf.do_secure_hash and validation:
            _hash(task, url, validation["os_hash_algo"])
            _verify(task, validation)
            task.change(_activate)
        elif service.conf.do_secure_hash:
            task.change(_activate)
            _hash_if_possible(task, url)
        else:
            task.change(lambda connection, image: _trust(image, validation))
        task.succeed({"image_id": task.image_id})
    except KNOWN_FAILURES as error:
        with service.db.write() as connection:
            job.fence(connection)
            _revert(service, connection, task.task, reason_of(error))
            job.complete(connection)


def _take_up(task: TaskRun, url: str) -> None:
    """Note the location on the image. Raises TaskFailed for a URL that no store knows."""
    service = task.service
    store = service.stores.claiming(url)
    if store is None:
        raise TaskFailed("Invalid location")
    size = store.size(url)

    def noted(connection: Connection, image: Image) -> None:
        metadata: dict[str, Any] = {"store": store.name} if service.stores.multiple else {}
        place = {"url": url, "metadata": metadata}
        if place not in image.locations:
            image.locations.append(place)
        if image.size is None:
            image.size = size
        if image.status == "queued" and task.task["input"]["validation_data"]:
            image.status = "importing"

    task.change(noted)


def _hash(task: TaskRun, url: str, algorithm: str) -> None:
    """Read the data as often as it takes (`http_retries`) and note its checksums. Raises StoreError."""
    retries = max(1, task.service.conf.http_retries)
    for attempt in range(1, retries + 1):
        try:
            size, hashes = _read(task, url, algorithm)
            break
        except DataNotFound:
            raise
        except StoreError:
            if attempt == retries:
                raise
            task.job.wait(min(5.0, 0.2 * attempt))

    def noted(connection: Connection, image: Image) -> None:
        image.size = size
        image.checksum = hashes.checksum
        image.os_hash_algo = algorithm
        image.os_hash_value = hashes.value

    task.change(noted)


def _read(task: TaskRun, url: str, algorithm: str) -> tuple[int, Hashes]:
    store = task.service.stores.claiming(url)
    if store is None:
        raise TaskFailed("Invalid location")
    reader = store.open(url)
    size = 0
    try:
        with Hashes(algorithm) as hashes:
            while chunk := reader.read(CHUNK):
                hashes.update(chunk)
                before, size = size, size + len(chunk)
                if before // _PROGRESS_BYTES != size // _PROGRESS_BYTES:
                    task.progress(size)
    finally:
        reader.close()
    return size, hashes


def _hash_if_possible(task: TaskRun, url: str) -> None:
    """The image is active already: data that cannot be read leaves it without checksums, not without itself."""
    try:
        _hash(task, url, task.service.conf.hashing_algorithm)
    except StoreError as error:
        with task.service.db.write() as connection:
            tasks.say(task.service, connection, task.task["id"], f"No checksums: {error.message}")


def _verify(task: TaskRun, validation: dict[str, str]) -> None:
    found = task.image().os_hash_value
    if found != validation["os_hash_value"]:
        raise TaskFailed(
            f"os_hash_value: ({validation['os_hash_value']}) not matched with actual os_hash_value: ({found})"
        )


def _activate(connection: Connection, image: Image) -> None:
    image.status = "active"


def _trust(image: Image, validation: dict[str, str]) -> None:
    for name, value in validation.items():
        setattr(image, name, value)
    image.status = "active"


def give_up(job: Job, service: ImageService, connection: Connection, reason: str) -> None:
    task = tasks.get(connection, job.payload["task_id"])
    if task is not None and task["status"] not in ("success", "failure"):
        _revert(service, connection, task, reason)


def _revert(service: ImageService, connection: Connection, task: tasks.Task, reason: str) -> None:
    """An image that is not active is queued again, without checksums; what it was told of stays where it lies."""
    tasks.fail(service, connection, task["id"], reason)
    image = records.load_any(connection, task["image_id"] or "", lock=True)
    if image is None or image.properties.get(tasks.LOCK) != task["id"]:
        return
    before = records.of_values(image.columns())
    del image.properties[tasks.LOCK]
    if image.status != "active":
        image.status = "queued"
        image.size = image.virtual_size = None
        image.checksum = image.os_hash_algo = image.os_hash_value = None
        url = task["input"]["loc_url"]
        image.locations = [place for place in image.locations if place["url"] != url or _is_web(service, url)]
    image.updated_at = service.now()
    records.save(connection, before, image)


def _is_web(service: ImageService, url: str) -> bool:
    """The original keeps web locations on the image, since its HTTP store cannot delete (LP 2076648)."""
    store = service.stores.claiming(url)
    return store is not None and store.kind == "http"
