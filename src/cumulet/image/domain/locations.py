"""Where an image's data lies, as clients may see and change it.

Two interfaces: patches of `locations` (only with `show_multiple_locations`), and `/v2/images/{id}/locations`, whose
additions are checked and hashed by a job (`jobs.locations`).
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable
from typing import Any

from sqlalchemy.engine import Connection

from cumulet.image.domain import access, quotas, records, removal, tasks
from cumulet.image.domain.records import Image, Location, Seen
from cumulet.image.domain.status import check_formats
from cumulet.image.guards import Guard
from cumulet.image.schemas.patches import Change
from cumulet.image.service import ImageService
from cumulet.image.stores.base import Store, StoreError
from cumulet.image.transfer.filtering import Refused
from cumulet.kernel.errors import BadRequest, Conflict, Forbidden, NotFound, PayloadTooLarge

Sizes = dict[str, int | None]
"""Bytes at URLs, as far as their stores know."""


def probe(service: ImageService, guard: Guard, image_id: str, changes: Iterable[Change]) -> Sizes:
    """Ask the stores about URLs that a patch brings in, before its transaction: they may be slow.

    Nobody makes the service ask who could not change the locations anyway. Raises Forbidden, NotFound, BadRequest.
    """
    wanted = [change for change in changes if change.name == "locations" and change.operation != "remove"]
    if not wanted:
        return {}
    _check_changeable(service, wanted[0].operation)
    with service.db.read() as connection:
        seen = records.load(connection, guard.ctx, image_id, is_admin=guard.is_admin)
    guard.check("set_image_location", seen)
    known = {place["url"] for place in seen.image.locations}
    sizes: Sizes = {}
    for change in wanted:
        for place in change.value if change.operation == "replace" else [change.value]:
            url = place["url"]
            if url not in known and url not in sizes:
                sizes[url] = probe_one(service, url)
    return sizes


def probe_one(service: ImageService, url: str) -> int | None:
    """The size of external data. Raises BadRequest for a URL that no store may read."""
    store = external_store(service, url)
    if store is None:
        raise BadRequest("Invalid location")
    try:
        return store.size(url)
    except StoreError as error:
        raise BadRequest(f"Invalid location: {error.message}") from None


def external_store(service: ImageService, url: str) -> Store | None:
    """The store for a URL that a client names; never one of this host's own files."""
    store = service.stores.claiming(url)
    return None if store is None or store.kind == "file" else store


def _check_changeable(service: ImageService, operation: str) -> None:
    if not service.conf.show_multiple_locations:
        verb = {"replace": "update", "add": "add", "remove": "remove"}[operation]
        raise Forbidden(f"It's not allowed to {verb} locations if locations are invisible.")


def change(
    service: ImageService, connection: Connection, guard: Guard, seen: Seen, change: Change, sizes: Sizes
) -> list[Location]:
    """One change of a patch, on an image that is locked. Returns the locations whose data is to be deleted."""
    if change.operation == "remove":
        return [_remove(service, guard, seen, change)]
    if change.operation == "replace" and not change.value:
        raise Forbidden("Cannot set locations to empty list.")
    guard.check("set_image_location", seen)
    _check_changeable(service, change.operation)
    image = seen.image
    if image.status not in ("active", "queued"):
        raise Conflict(f"It's not allowed to {change.operation} locations if image status is {image.status}.")
    places = [change.value] if change.operation == "add" else list(change.value)
    validation = _validation(service, image, places)
    named = [_named(service, place) for place in places]
    if change.operation == "add":
        _add(service, connection, image, named[0], change.position, sizes)
    else:
        _replace(service, connection, image, named, sizes)
    if image.status == "queued":
        check_formats(image)
        for name, value in validation.items():
            setattr(image, name, value)
        image.status = "active"
    return []


def _named(service: ImageService, place: dict[str, Any]) -> Location:
    """The location with the name of its store, as far as one knows the URL."""
    metadata = dict(place["metadata"])
    store = service.stores.claiming(place["url"])
    if store is not None and service.stores.multiple:
        metadata["store"] = store.name
    return {"url": place["url"], "metadata": metadata}


def _add(
    service: ImageService, connection: Connection, image: Image, place: Location, position: str | None, sizes: Sizes
) -> None:
    at = _position(position, len(image.locations), may_append=True)
    if at is None:
        raise BadRequest("Invalid position for adding a location.")
    if place in image.locations:
        raise BadRequest(f"The location {place['url']} already exists")
    _grow(service, connection, image, [*image.locations, place], sizes)
    image.locations.insert(at, place)


def _replace(service: ImageService, connection: Connection, image: Image, places: list[Location], sizes: Sizes) -> None:
    if sorted(place["url"] for place in places) != sorted(place["url"] for place in image.locations):
        if image.locations:
            raise BadRequest(f"Original locations is not empty: {[place['url'] for place in image.locations]}")
        for index, place in enumerate(places):
            if place in places[:index]:
                raise BadRequest(f"The location {place['url']} already exists")
        _grow(service, connection, image, places, sizes)
    image.locations = places


def _grow(service: ImageService, connection: Connection, image: Image, places: list[Location], sizes: Sizes) -> None:
    maximum = service.conf.image_location_quota
    if 0 <= maximum < len(places):
        raise PayloadTooLarge(
            "The limit has been exceeded on the number of allowed image locations. "
            f"Attempted: {len(places)}, Maximum: {maximum}"
        )
    if image.size is None:
        image.size = next((size for place in places if (size := sizes.get(place["url"])) is not None), None)
    if image.size is not None:
        added = image.size * (len(places) - len(image.locations))
        quotas.check_storage(service, connection, image.owner, added)


def _remove(service: ImageService, guard: Guard, seen: Seen, change: Change) -> Location:
    guard.check("delete_image_location", seen)
    _check_changeable(service, "remove")
    image = seen.image
    if image.status != "active":
        raise Conflict(f"It's not allowed to remove locations if image status is {image.status}.")
    if len(image.locations) == 1:
        raise Forbidden("Cannot remove last location in the image.")
    at = _position(change.position, len(image.locations), may_append=False)
    if at is None:
        raise BadRequest("Invalid position for removing a location.")
    return image.locations.pop(at)


def _position(text: str | None, length: int, *, may_append: bool) -> int | None:
    if text == "-":
        return length if may_append else length - 1
    if text is None or not text.isdecimal():
        return None
    at = int(text[:10])
    return at if may_append or at < length else None


def _validation(service: ImageService, image: Image, places: list[dict[str, Any]]) -> dict[str, str]:
    """The checksums that locations bring, as far as they are new. Raises Conflict where they contradict."""
    given: dict[str, str] = {}
    for place in places:
        for name, value in (place.get("validation_data") or {}).items():
            if given.setdefault(name, value) != value:
                raise Conflict(f"Conflicting values for {name}")
    new: dict[str, str] = {}
    for name, value in given.items():
        current = getattr(image, name)
        if current and current != value:
            raise Conflict(f"{name} is already set with a different value")
        if current != value:
            new[name] = value
    if not new:
        return {}
    if image.status != "queued":
        raise Conflict(f"New value(s) for {', '.join(new)} may only be provided when image status is 'queued'")
    _check_digests(service, new)
    return new


def _check_digests(service: ImageService, values: dict[str, str]) -> None:
    wanted = service.conf.hashing_algorithm
    if values.get("os_hash_algo") != wanted:
        raise Conflict(f"os_hash_algo must be {wanted}, not {values.get('os_hash_algo')}")
    for name, algorithm in (("checksum", "md5"), ("os_hash_value", wanted)):
        if name not in values:
            continue
        try:
            digest = bytes.fromhex(values[name])
        except ValueError:
            raise Conflict(f"{name} ({values[name]}) is not a valid hexadecimal value") from None
        size = hashlib.new(algorithm, usedforsecurity=False).digest_size
        if len(digest) != size:
            raise Conflict(f"{name} ({values[name]}) is not the correct size for {algorithm} (should be {size} bytes)")


def listed(service: ImageService, guard: Guard, image_id: str) -> list[Location]:
    """Raises NotFound, Forbidden."""
    seen = access.show(service, guard, image_id, "fetch_image_location")
    return [{"url": place["url"], "metadata": place["metadata"]} for place in seen.image.locations]


def add(service: ImageService, guard: Guard, image_id: str, url: str, validation: dict[str, str]) -> None:
    """Start the task that takes the location up. Raises NotFound, Forbidden, Conflict, BadRequest."""
    seen = access.show(service, guard, image_id)
    _check_addable(seen.image)
    guard.check("add_image_location", seen)
    store = external_store(service, url)
    if store is None or store.kind != "http":
        if "service" not in {*guard.ctx.roles, *guard.ctx.service_roles}:
            raise Forbidden("http store must be enabled to use location API by normal user.")
        store = service.stores.claiming(url)
        if store is None:
            raise BadRequest(f"URI for add location does not pass filtering: {url}")
    if store.kind == "http":
        check_external_url(service, url, "add location")
    with service.db.write() as connection:
        seen = records.load(connection, guard.ctx, image_id, is_admin=guard.is_admin, lock=True)
        _check_addable(seen.image)
        before = copy.deepcopy(seen.image)
        task_input = {"image_id": image_id, "loc_url": url, "validation_data": validation}
        tasks.start_on_image(service, connection, guard.ctx, seen.image, tasks.LOCATION_IMPORT, task_input)
        records.save(connection, before, seen.image)
    service.wake()


def _check_addable(image: Image) -> None:
    if image.status != "queued":
        raise Conflict(f"It's not allowed to add locations if image status is {image.status}.")


def check_external_url(service: ImageService, url: str, purpose: str) -> None:
    try:
        service.filtering.check(url)
    except Refused:
        raise BadRequest(f"URI for {purpose} does not pass filtering: {url}") from None


def remove_from_store(service: ImageService, guard: Guard, store_name: str, image_id: str) -> Location:
    """Let go of the copy in one store. Returns its location. Raises NotFound, Forbidden, Conflict."""
    if not service.stores.multiple:
        raise NotFound("The resource could not be found.")
    if store_name not in service.stores.by_name:
        raise Conflict(f"The selected store {store_name} is not available on this node.")
    with service.db.write() as connection:
        seen = records.load(connection, guard.ctx, image_id, is_admin=guard.is_admin, lock=True)
        guard.check("get_image_location", seen)
        guard.check("delete_image_location", seen)
        image = seen.image
        if image.status != "active":
            raise Conflict("It's not allowed to remove image data from store if image status is not 'active'")
        if len(image.locations) == 1:
            raise Forbidden(
                "Cannot delete image data from the only store containing it. Consider deleting the image instead."
            )
        found = next((place for place in image.locations if place["metadata"].get("store") == store_name), None)
        if found is None:
            raise NotFound(f"Image {image_id} is not stored in store {store_name}.")
        before = copy.deepcopy(image)
        image.locations.remove(found)
        image.updated_at = service.now()
        records.save(connection, before, image)
        removal.enqueue(service, connection, guard.ctx, image_id, [found])
    service.wake()
    return found
