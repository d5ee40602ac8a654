"""Imports: data from staging, the web, another Image service or another store, into the stores asked for."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Connection

from cumulet.image.domain import download, quotas, records, removal, tasks
from cumulet.image.domain.data import take_in
from cumulet.image.domain.imports import names_in, show_progress
from cumulet.image.domain.records import Image, Location
from cumulet.image.jobs import plugins, sources
from cumulet.image.jobs.progress import KNOWN_FAILURES, TaskFailed, TaskRun, reason_of
from cumulet.image.schemas.images import ImageSchema
from cumulet.image.service import ImageService
from cumulet.image.stores.base import Reader, StoreError
from cumulet.image.transfer.inspection import Inspection
from cumulet.image.transfer.receiving import Received, receive
from cumulet.kernel.ids import uuid_id
from cumulet.kernel.jobs import Job, JobRegistry


def register(registry: JobRegistry) -> None:
    registry.register(tasks.IMAGE_IMPORT, run, on_failure=give_up)
    registry.register(tasks.IMPORT, run_legacy, on_failure=give_up)


def run(job: Job, service: ImageService) -> None:
    task = TaskRun.begin(job, service)
    if task is not None:
        request = task.task["input"]["import_req"]
        _run(Import(task, request, task.task["input"]["backend"]))


def run_legacy(job: Job, service: ImageService) -> None:
    """The older task makes its image itself."""
    task = TaskRun.begin(job, service)
    if task is None:
        return
    given = task.task["input"]
    if not task.image_id:
        try:
            task.image_id = _make_image(task, given["image_properties"])
        except KNOWN_FAILURES as error:
            with service.db.write() as connection:
                job.fence(connection)
                tasks.fail(service, connection, task.task["id"], reason_of(error))
            return
    request = {"method": {"name": "web-download", "uri": given["import_from"]}}
    _run(Import(task, request, [service.stores.default]))


def _make_image(task: TaskRun, given: dict[str, Any]) -> str:
    service = task.service
    defaults = {} if given else {"disk_format": "qcow2", "container_format": "bare"}
    attributes, properties = ImageSchema(service.conf).new({**defaults, **given})
    now = service.now()
    image = Image(
        **{"visibility": "shared", "owner": task.task["owner"] or None, "id": uuid_id(), **attributes},
        status="importing",
        properties={**properties, tasks.LOCK: task.task["id"]},
        created_at=now,
        updated_at=now,
    )
    with service.db.write() as connection:
        task.job.fence(connection)
        records.insert(connection, image)
        tasks.set_image(connection, task.task["id"], image.id)
    return image.id


class Import:
    """One import on its way. A run that follows an interrupted one goes on with the stores that are missing."""

    def __init__(self, task: TaskRun, request: dict[str, Any], stores: list[str]) -> None:
        self.task = task
        self.service = task.service
        self.method: str = request["method"]["name"]
        self.parameters: dict[str, Any] = request["method"]
        self.stores = stores
        self.must_succeed: bool = request.get("all_stores_must_succeed", True)

    @property
    def is_copy(self) -> bool:
        return self.method == "copy-image"

    def check_quota(self, image: Image) -> None:
        size = (image.size or 0) // quotas.MIB
        allowance = quotas.allowance(self.service, self.task.task["owner"])
        with self.service.db.write() as connection:
            if self.method == "glance-direct":
                allowance.check(connection, quotas.SIZE_TOTAL, delta=size)
            else:
                allowance.check(connection, quotas.STAGE_TOTAL, delta=size)
                allowance.check(connection, quotas.COUNT_UPLOADING)

    def open(self, image: Image) -> Reader:
        """The data to import: staged, or in a store already."""
        if not self.is_copy:
            staging = self.service.stores.staging
            return staging.open(staging.url_for(image.id))
        reader = download.open_data(self.service, image, None)
        if reader is None:
            raise TaskFailed("Image not found in any configured store")
        return reader

    def into_store(self, name: str, *, is_last: bool) -> None:
        """Raises what `KNOWN_FAILURES` names."""
        image = self.task.image()
        store = self.service.stores.by_name.get(name)
        if store is None:
            raise StoreError(f"There is no store {name}.")
        if any(place["url"] == store.url_for(image.id) for place in image.locations):
            self.task.change(lambda connection, image: self._arrived(image, name, is_last=is_last))
            return
        reader = self.open(image)
        writer = store.writer(image.id)
        try:
            source = Inspection(
                reader,
                self.service.conf,
                disk_format=image.disk_format or "",
                container_format=image.container_format or "",
            )
            algorithm = image.os_hash_algo or self.service.conf.hashing_algorithm
            cap = self.service.conf.image_size_cap
            received = receive(source, writer, algorithm=algorithm, limit=cap, progress=self.task.progress)

            def arrive(connection: Connection, image: Image) -> None:
                quotas.check_storage(self.service, connection, image.owner, received.size)
                self._take_in(image, name, writer.url, received)
                self._arrived(image, name, is_last=is_last)
                writer.publish()

            self.task.change(arrive)
        finally:
            writer.abort()
            reader.close()

    def _take_in(self, image: Image, name: str, url: str, received: Received) -> None:
        if not image.locations:
            image.size = None  # that of the staged data, which a plugin may have changed
        take_in(image, self.service.stores.by_name[name], url, received, multiple=self.service.stores.multiple)

    def _arrived(self, image: Image, name: str, *, is_last: bool) -> None:
        self._note(image, done=name)
        if image.status == "importing" and (is_last or not self.must_succeed):
            image.status = "active"

    def store_failed(self, name: str) -> None:
        self.task.change(lambda connection, image: self._note(image, done=name, failed=name))

    def _note(self, image: Image, *, done: str, failed: str | None = None) -> None:
        importing = [one for one in names_in(image, tasks.IMPORTING) if one != done]
        failures = names_in(image, tasks.FAILED)
        if failed is not None and failed not in failures:
            failures.append(failed)
        show_progress(image, importing=importing, failed=failures)

    def is_done(self, image: Image) -> bool:
        """Whether a run before this one brought the data everywhere, and ended before it could say so."""
        if tasks.IMPORTING in image.properties and self.service.stores.multiple:
            return not set(self.stores) & set(names_in(image, tasks.IMPORTING))
        return image.status == "active" and not self.is_copy


def _run(work: Import) -> None:
    try:
        image = work.task.image()
        if not work.is_done(image):
            _bring(work, image)
        if work.task.image().status != "active":
            raise TaskFailed("None of the uploads finished!")
        work.task.succeed({"image_id": work.task.image_id})
    except KNOWN_FAILURES as error:
        with work.service.db.write() as connection:
            work.task.job.fence(connection)
            _revert(work.service, connection, work.task.task, work.task.image_id, reason_of(error))
            work.task.job.complete(connection)
        work.service.wake()


def _bring(work: Import, image: Image) -> None:
    work.check_quota(image)
    sources.acquire(work.service, work.task, work.method, work.parameters)
    if not work.is_copy:
        plugins.apply(work.service, work.task)
    for index, name in enumerate(work.stores, 1):
        try:
            work.into_store(name, is_last=index == len(work.stores))
        except KNOWN_FAILURES:
            if work.must_succeed:
                raise
            work.store_failed(name)


def give_up(job: Job, service: ImageService, connection: Connection, reason: str) -> None:
    """The engine will not try again: the image is as before, and the task says why."""
    task = tasks.get(connection, job.payload["task_id"])
    if task is not None and task["status"] not in ("success", "failure"):
        _revert(service, connection, task, task["image_id"] or "", reason)


def _revert(service: ImageService, connection: Connection, task: tasks.Task, image_id: str, reason: str) -> None:
    tasks.fail(service, connection, task["id"], reason)
    image = records.load_any(connection, image_id, lock=True) if image_id else None
    if image is None or image.properties.get(tasks.LOCK) != task["id"]:
        if image_id and image is None:
            stores = task["input"].get("backend") or [service.stores.default]
            own = _own_data(service, stores, image_id)
            removal.enqueue(service, connection, None, image_id, own, staged_on=service.node)
        return
    if task["type"] == tasks.IMPORT:
        removal.enqueue(service, connection, None, image_id, image.locations, staged_on=image.staged_on or service.node)
        records.delete(connection, image_id)
        return
    _restore(service, connection, task, image)


def _restore(service: ImageService, connection: Connection, task: tasks.Task, image: Image) -> None:
    before = records.of_values(image.columns())
    request, stores = task["input"]["import_req"], task["input"]["backend"]
    is_copy = request["method"]["name"] == "copy-image"
    added = [place for place in image.locations if place["metadata"].get("store") in stores]
    if not service.stores.multiple:
        added = list(image.locations)
    image.locations = [place for place in image.locations if place not in added]
    failed = [*names_in(image, tasks.FAILED), *names_in(image, tasks.IMPORTING)]
    show_progress(image, importing=[], failed=list(dict.fromkeys(failed)))
    del image.properties[tasks.LOCK]
    if not is_copy:
        image.status = "queued"
        image.size = image.virtual_size = None
        image.checksum = image.os_hash_algo = image.os_hash_value = None
    # What a download published that was interrupted right before it said so is on this host.
    staged_on = None if is_copy else image.staged_on or service.node
    image.staged_on = None
    image.updated_at = service.now()
    records.save(connection, before, image)
    kept = {place["url"] for place in image.locations}
    places = {place["url"]: place for place in [*_own_data(service, stores, image.id), *added]}
    gone = [place for url, place in places.items() if url not in kept]
    removal.enqueue(service, connection, None, image.id, gone, staged_on=staged_on)


def _own_data(service: ImageService, stores: list[str], image_id: str) -> list[Location]:
    """What an import may have left in its stores that died right before the image told of it."""
    found: list[Location] = []
    for name in stores:
        store = service.stores.by_name.get(name)
        url = store.url_for(image_id) if store is not None else None
        if url is not None:
            found.append({"url": url, "metadata": {"store": name}})
    return found
