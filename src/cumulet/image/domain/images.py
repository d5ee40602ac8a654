"""Images: making, changing and deleting their records."""

from __future__ import annotations

import copy
from typing import Any

from sqlalchemy.exc import IntegrityError

from cumulet.image.domain import locations, quotas, records, removal
from cumulet.image.domain.records import Image, Seen
from cumulet.image.guards import Guard
from cumulet.image.schemas.images import ATTRIBUTES, RESERVED_NAMESPACE
from cumulet.image.schemas.patches import Change
from cumulet.image.service import ImageService
from cumulet.kernel.db import violates_unique
from cumulet.kernel.errors import Conflict, Forbidden, PayloadTooLarge
from cumulet.kernel.ids import uuid_id

_FORMATS = ("disk_format", "container_format")


def create(
    service: ImageService, guard: Guard, attributes: dict[str, Any], properties: dict[str, str]
) -> tuple[Image, dict[str, Any]]:
    """The image and its row. Raises Forbidden, Conflict for an id in use, PayloadTooLarge for a quota exceeded."""
    values = dict(attributes)
    owner = values.pop("owner", guard.ctx.project_id)
    visibility = values.pop("visibility", "shared")
    guard.check_new(owner, visibility, values)
    check_tag_quota(service, values.get("tags", []))
    check_property_quota(service, properties)
    for name in properties:
        _check_protection(service, guard, name, "create")
    now = service.now()
    image = Image(
        id=values.pop("id", None) or uuid_id(),
        owner=owner,
        visibility=visibility,
        properties=properties,
        created_at=now,
        updated_at=now,
        **values,
    )
    allowance = quotas.allowance(service, owner)
    try:
        with service.db.write() as connection:
            allowance.check(connection, quotas.COUNT_TOTAL, delta=1)
            return image, records.insert(connection, image)
    except IntegrityError as error:
        if violates_unique(error):
            raise Conflict(f"Image ID {image.id} already exists!") from None
        raise


def update(service: ImageService, guard: Guard, image_id: str, changes: list[Change]) -> Image:
    """Apply a patch, all of it or nothing. Raises what the change that is refused calls for."""
    sizes = locations.probe(service, guard, image_id, changes)
    with service.db.write() as connection:
        seen = records.load(connection, guard.ctx, image_id, is_admin=guard.is_admin, lock=True)
        guard.check("get_image", seen)
        if not changes:
            return seen.image
        before = copy.deepcopy(seen.image)
        image = seen.image
        removed: list[records.Location] = []
        for change in changes:
            if change.name == "locations":
                removed += locations.change(service, connection, guard, seen, change, sizes)
            else:
                _change(service, guard, seen, change)
        if set(image.properties) - set(before.properties):
            check_property_quota(service, image.properties)
        check_tag_quota(service, image.tags)
        image.updated_at = service.now()
        records.save(connection, before, image)
        removal.enqueue(service, connection, guard.ctx, image.id, removed)
    if removed:
        service.wake()
    return image


def _change(service: ImageService, guard: Guard, seen: Seen, change: Change) -> None:
    image, name = seen.image, change.name
    if change.operation == "replace" and name == "owner" and not guard.is_admin:
        raise Forbidden("Owner can't be updated by non admin.")
    if name == "visibility" and change.operation != "remove":
        guard.check_visibility(change.value, seen.target())
    guard.check("modify_image", seen)
    if name in ATTRIBUTES:
        _change_attribute(image, change)
    else:
        _change_property(service, guard, image, change)


def _change_attribute(image: Image, change: Change) -> None:
    name = change.name
    if change.operation == "remove":
        raise Forbidden(f"Property {name} may not be removed.")
    if change.operation == "add" and change.strict_add:
        raise Conflict(f"Property {name} already present.")
    if name in _FORMATS and image.status not in ("queued", "importing"):
        raise Forbidden(f"Attribute {name} can be only replaced for a queued image.")
    setattr(image, name, change.value)


def _change_property(service: ImageService, guard: Guard, image: Image, change: Change) -> None:
    name = change.name
    there = name in image.properties and _protected_from(service, guard, name, "read") is False
    if change.operation == "add":
        if there and change.strict_add:
            raise Conflict(f"Property {name} already present.")
    elif not there:
        raise Conflict(f"Property {name} does not exist.")
    if change.operation == "remove":
        _check_protection(service, guard, name, "delete")
        del image.properties[name]
        return
    _check_protection(service, guard, name, "update" if name in image.properties else "create")
    image.properties[name] = change.value


def _protected_from(service: ImageService, guard: Guard, name: str, operation: Any) -> bool:
    return service.protections is not None and not service.protections.allow(guard.ctx, name, operation)


def _check_protection(service: ImageService, guard: Guard, name: str, operation: Any) -> None:
    if _protected_from(service, guard, name, operation):
        raise Forbidden(f"Attribute '{name}' is reserved.")


def check_property_quota(service: ImageService, properties: dict[str, str]) -> None:
    maximum = service.conf.image_property_quota
    attempted = sum(not name.startswith(RESERVED_NAMESPACE) for name in properties)
    if 0 <= maximum < attempted:
        raise PayloadTooLarge(
            "The limit has been exceeded on the number of allowed image properties. "
            f"Attempted: {attempted}, Maximum: {maximum}"
        )


def check_tag_quota(service: ImageService, tags: list[str]) -> None:
    maximum = service.conf.image_tag_quota
    if 0 <= maximum < len(tags):
        raise PayloadTooLarge(
            "The limit has been exceeded on the number of allowed image tags. "
            f"Attempted: {len(tags)}, Maximum: {maximum}"
        )


def add_tag(service: ImageService, guard: Guard, image_id: str, tag: str) -> None:
    """Raises NotFound, Forbidden, PayloadTooLarge for the quota."""
    _retag(service, guard, image_id, lambda tags: tags if tag in tags else [*tags, tag])


def remove_tag(service: ImageService, guard: Guard, image_id: str, tag: str) -> bool:
    """Whether the image had the tag."""
    found = False

    def without(tags: list[str]) -> list[str]:
        nonlocal found
        found = tag in tags
        return [one for one in tags if one != tag]

    _retag(service, guard, image_id, without)
    return found


def _retag(service: ImageService, guard: Guard, image_id: str, change: Any) -> None:
    with service.db.write() as connection:
        seen = records.load(connection, guard.ctx, image_id, is_admin=guard.is_admin, lock=True)
        guard.check("modify_image", seen)
        before = copy.deepcopy(seen.image)
        seen.image.tags = change(before.tags)
        if seen.image.tags == before.tags:
            return
        check_tag_quota(service, seen.image.tags)
        seen.image.updated_at = service.now()
        records.save(connection, before, seen.image)


def delete(service: ImageService, guard: Guard, image_id: str) -> None:
    """The record at once; its data by a job of the same transaction. Raises NotFound, Forbidden."""
    with service.db.write() as connection:
        seen = records.load(connection, guard.ctx, image_id, is_admin=guard.is_admin, lock=True)
        guard.check("delete_image", seen)
        image = seen.image
        if image.protected:
            raise Forbidden(f"Image {image_id} is protected and cannot be deleted.")
        job = removal.enqueue(service, connection, guard.ctx, image.id, image.locations, staged_on=image.staged_on)
        records.delete(connection, image_id)
    if job:
        service.wake()


def deactivate(service: ImageService, guard: Guard, image_id: str) -> None:
    _switch(service, guard, image_id, "deactivate", "active", "deactivated")


def reactivate(service: ImageService, guard: Guard, image_id: str) -> None:
    _switch(service, guard, image_id, "reactivate", "deactivated", "active")


def _switch(service: ImageService, guard: Guard, image_id: str, rule: str, old: str, new: str) -> None:
    """Raises Forbidden for an image that is neither. An image that is already as wanted is left alone."""
    with service.db.write() as connection:
        seen = records.load(connection, guard.ctx, image_id, is_admin=guard.is_admin, lock=True)
        guard.check(rule, seen)
        image = seen.image
        if image.status not in (old, new):
            raise Forbidden(f"Not allowed to {rule} image in status '{image.status}'")
        if image.status == old:
            before = copy.deepcopy(image)
            image.status = new
            image.updated_at = service.now()
            records.save(connection, before, image)
