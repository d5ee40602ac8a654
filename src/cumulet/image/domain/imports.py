"""Imports: what a request for one needs, and the task that it becomes. `jobs.imports` does the work."""

from __future__ import annotations

import copy
from typing import Any

from cumulet.image.domain import quotas, records, tasks
from cumulet.image.domain.locations import check_external_url
from cumulet.image.domain.records import Image
from cumulet.image.guards import Guard
from cumulet.image.schemas.imports import ImportRequest
from cumulet.image.service import ImageService
from cumulet.kernel.errors import BadRequest, Conflict

NAMES_SEPARATOR = ","


def start(
    service: ImageService, guard: Guard, image_id: str, request: ImportRequest, *, store_header: str | None
) -> None:
    """Begin an import of an image. Raises NotFound, Forbidden, Conflict, BadRequest, OverQuota."""
    if request.method == "web-download":
        check_external_url(service, request.parameters["uri"], "web-download")
    stores = _stores(service, request, store_header)
    secret = None
    if request.method == "glance-download":
        secret = service.vault.seal(guard.ctx.auth_token or "")
    allowance = quotas.allowance(service, guard.ctx.project_id)
    with service.db.write() as connection:
        allowance.check(connection, quotas.SIZE_TOTAL)
        seen = records.load(connection, guard.ctx, image_id, is_admin=guard.is_admin, lock=True)
        image = seen.image
        _check_status(image, request.method)
        guard.check("copy_image" if request.method == "copy-image" else "modify_image", seen)
        if request.method == "glance-direct" and image.writer is not None:
            raise Conflict("Image is being staged; it can be imported when that is done")
        before = copy.deepcopy(image)
        if request.method == "copy-image":
            stores = _missing_stores(image, stores, request)
        if not stores:
            # The image is everywhere already: shown as a copy that has ended.
            show_progress(image, importing=[], failed=[])
            records.save(connection, before, image)
            return
        task_input = {"image_id": image_id, "import_req": request.body, "backend": stores}
        tasks.start_on_image(service, connection, guard.ctx, image, tasks.IMAGE_IMPORT, task_input, secret=secret)
        if request.method != "copy-image":
            image.status = "importing"
        show_progress(image, importing=stores if service.stores.multiple else [], failed=[])
        records.save(connection, before, image)
    service.wake()


def _check_status(image: Image, method: str) -> None:
    if image.status == "active" and method != "copy-image":
        raise Conflict("Image with status active cannot be target for import")
    if image.status != "active" and method == "copy-image":
        raise Conflict("Only images with status active can be targeted for copying")
    if image.status != "queued" and method in ("web-download", "glance-download"):
        raise Conflict(f"Image needs to be in 'queued' state to use '{method}' method")
    if image.status != "uploading" and method == "glance-direct":
        raise Conflict("Image needs to be staged before 'glance-direct' method can be used")
    for name in ("container_format", "disk_format"):
        if not getattr(image, name):
            raise Conflict(f"'{name}' needs to be set before import")


def _stores(service: ImageService, request: ImportRequest, header: str | None) -> list[str]:
    """The stores to import to. Raises BadRequest for a contradiction, Conflict for a store that is not there."""
    if not service.stores.multiple:
        if not request.all_stores_must_succeed:
            raise BadRequest("All_stores_must_succeed can only be set with enabled_backends")
        return [service.stores.default]
    if request.all_stores:
        if request.stores is not None or header is not None:
            raise BadRequest("All_stores parameter can't be used with x-image-meta-store header or stores parameter")
        return service.stores.writable()
    if request.stores is not None and header is not None:
        raise BadRequest("Stores parameter and x-image-meta-store header can't be both specified")
    wanted = request.stores if request.stores is not None else [header or service.stores.default]
    for name in wanted:
        if name not in service.stores.by_name:
            raise Conflict(f"Unknown scheme '{name}' found in URI")
        if service.stores.by_name[name].read_only:
            raise Conflict(f"The store {name} is read-only")
    return list(dict.fromkeys(wanted))


def _missing_stores(image: Image, stores: list[str], request: ImportRequest) -> list[str]:
    there = {str(place["metadata"].get("store")) for place in image.locations}
    if not request.all_stores:
        for name in stores:
            if name in there:
                raise BadRequest(f"Image is already present at store '{name}'")
    return [name for name in stores if name not in there]


def show_progress(image: Image, *, importing: list[str], failed: list[str]) -> None:
    image.properties[tasks.IMPORTING] = NAMES_SEPARATOR.join(sorted(importing))
    image.properties[tasks.FAILED] = NAMES_SEPARATOR.join(sorted(failed))


def names_in(image: Image, key: str) -> list[str]:
    return [name for name in image.properties.get(key, "").split(NAMES_SEPARATOR) if name]


def start_legacy(service: ImageService, guard: Guard, task_input: dict[str, Any]) -> tasks.Task:
    """The older import: a task that makes the image too. Raises BadRequest."""
    url = task_input["import_from"]
    if not url.startswith(("http://", "https://")):
        if url.startswith(("file:///", "filesystem:///")):
            raise BadRequest("File based imports are not allowed. Please use a non-local source of image data.")
        raise BadRequest(
            "The given uri is not valid. Please specify a valid uri from the following list of supported uri ['http']"
        )
    check_external_url(service, url, "legacy import task")
    with service.db.write() as connection:
        task = tasks.create(service, connection, guard.ctx, tasks.IMPORT, task_input)
    service.wake()
    return task
