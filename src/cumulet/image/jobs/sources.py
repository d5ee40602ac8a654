"""Where imported data comes from: everything that is not in a store yet is brought into the staging area first."""

from __future__ import annotations

from typing import Any

import msgspec
from cryptography.fernet import InvalidToken
from sqlalchemy.engine import Connection

from cumulet.image.domain.records import Image
from cumulet.image.jobs.progress import TaskFailed, TaskRun
from cumulet.image.schemas.images import RESERVED_NAMESPACE, ImageSchema
from cumulet.image.service import ImageService
from cumulet.image.stores.base import DataNotFound
from cumulet.image.transfer.external import Download, FetchFailed, fetch
from cumulet.image.transfer.filtering import EndpointFilter
from cumulet.image.transfer.receiving import copy
from cumulet.kernel.client import Unreachable
from cumulet.kernel.jobs import Retry

_MOST_METADATA = 1 << 20  # bytes
_ELSEWHERE_S = 2.0


def acquire(service: ImageService, task: TaskRun, method: str, parameters: dict[str, Any]) -> None:
    """Have the data where the import reads it. Raises what `progress.KNOWN_FAILURES` names."""
    if method == "glance-direct":
        _find_staged(service, task)
    elif method == "web-download":
        _stage(service, task, fetch(service.filtering, parameters["uri"]), None)
    elif method == "glance-download":
        _from_other_service(service, task, parameters)


def _find_staged(service: ImageService, task: TaskRun) -> None:
    """Raises Retry where another host has the data, whose engine is to do the work."""
    staging = service.stores.staging
    try:
        staging.size(staging.url_for(task.image_id))
    except DataNotFound:
        node = task.image().staged_on
        if node not in (None, service.node):
            raise Retry(_ELSEWHERE_S, f"the data is staged on {node}") from None
        raise TaskFailed("The staged data is lost.") from None


def _stage(service: ImageService, task: TaskRun, download: Download, expected: int | None) -> None:
    """Write a download into the staging area. Raises TaskFailed when its size is not the expected one."""
    writer = service.stores.staging.writer(task.image_id)
    try:
        size = copy(download, writer, limit=service.conf.image_size_cap, progress=task.progress)
        if expected is not None and size != expected:
            raise TaskFailed(f"The downloaded data has {size} bytes instead of {expected}.")

        def staged(connection: Connection, image: Image) -> None:
            image.size = size
            image.staged_on = service.node
            writer.publish()

        task.change(staged)
    finally:
        writer.abort()
        download.close()


def _from_other_service(service: ImageService, task: TaskRun, parameters: dict[str, Any]) -> None:
    """An image of another region, read with the token of who asked for it."""
    try:
        token = service.vault.unseal(task.job.payload["secret"] or "")
    except InvalidToken:
        raise TaskFailed("The token of the request cannot be read on this host.") from None
    endpoint = _endpoint(service, token, parameters["glance_region"], parameters["glance_service_interface"])
    url = f"{endpoint}/v2/images/{parameters['glance_image_id']}"
    filtering = EndpointFilter(endpoint)
    remote = _metadata(filtering, url, token)
    if remote.get("status") != "active":
        raise TaskFailed(f"Source image status should be active instead of {remote.get('status')}")
    attributes = ImageSchema(service.conf).attributes(
        {name: remote.get(name) for name in ("disk_format", "container_format")}
    )
    prefixes = tuple(service.conf.glance_download_properties.extra_properties)
    taken = {
        name: value
        for name, value in remote.items()
        if name.startswith(prefixes) and not name.startswith(RESERVED_NAMESPACE) and isinstance(value, str)
    }
    download = fetch(filtering, f"{url}/file", headers={"X-Auth-Token": token})
    _stage(service, task, download, remote.get("size"))

    def describe(connection: Connection, image: Image) -> None:
        image.disk_format = attributes["disk_format"]
        image.container_format = attributes["container_format"]
        image.properties.update(taken)

    task.change(describe)


def _metadata(filtering: EndpointFilter, url: str, token: str) -> dict[str, Any]:
    download = fetch(filtering, url, headers={"X-Auth-Token": token, "Accept": "application/json"})
    try:
        data = b""
        while len(data) <= _MOST_METADATA and (piece := download.read(_MOST_METADATA)):
            data += piece
        metadata = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise FetchFailed(f"{url} is not the description of an image: {error}") from error
    finally:
        download.close()
    if not isinstance(metadata, dict) or not isinstance(metadata.get("size"), int):
        raise FetchFailed("Size attribute of remote image could not be determined.")
    return metadata


def _endpoint(service: ImageService, token: str, region: str, interface: str) -> str:
    """Where the other region's Image service is, as the token's catalog says."""
    env = service.env
    try:
        answer = env.transport.request("GET", f"{env.auth_url}/auth/catalog", headers={"X-Auth-Token": token})
    except Unreachable as error:
        raise FetchFailed("The Identity service does not answer, so the catalog cannot be read.") from error
    if answer.status != 200:
        raise TaskFailed("The token of the request is not valid any more.")
    for entry in answer.json()["catalog"]:
        if entry["type"] != "image":
            continue
        for endpoint in entry["endpoints"]:
            if endpoint["interface"] == interface and endpoint.get("region_id", endpoint.get("region")) == region:
                return str(endpoint["url"]).rstrip("/").removesuffix("/v2")
    raise TaskFailed(f"{interface} glance endpoint not found for region {region}")
