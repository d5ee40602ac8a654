"""An image's data goes out: which range of it, and from which of its copies."""

from __future__ import annotations

import logging
import re
from typing import Any, NamedTuple

from cumulet.image.domain import access
from cumulet.image.domain.records import Image
from cumulet.image.guards import Guard
from cumulet.image.service import ImageService
from cumulet.image.stores.base import DataNotFound, Reader, StoreError
from cumulet.kernel.errors import BadRequest, Forbidden, RangeNotSatisfiable, ServiceUnavailable

LOG = logging.getLogger(__name__)
_RANGE = re.compile(r"^\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$", re.IGNORECASE)
_CONTENT_RANGE = re.compile(r"^\s*bytes\s+(\d+)-(\d+)/(\d+|\*)\s*$", re.IGNORECASE)


class Span(NamedTuple):
    """`length` bytes from `start` of a file of `size` bytes."""

    start: int
    length: int
    size: int

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.start + self.length - 1}/{self.size}"


def span_of(range_header: str | None, content_range: str | None, size: int | None) -> Span | None:
    """The range asked for, None for all. `Content-Range` is heeded too, as the original does for old clients.

    Raises BadRequest for several ranges, RangeNotSatisfiable.
    """
    if range_header is not None:
        if "," in range_header:
            raise BadRequest(
                "Requests with multiple ranges are not supported in Glance. You may make multiple single-range "
                "requests instead."
            )
        return _of_range(range_header, _known(size))
    if content_range is not None:
        return _of_content_range(content_range, _known(size))
    return None


def _known(size: int | None) -> int:
    if size is None:
        raise RangeNotSatisfiable("The size of the image is not known, so no range of it can be given.")
    return size


def _of_range(header: str, size: int) -> Span:
    match = _RANGE.match(header)
    if match is None or not (match[1] or match[2]):
        raise RangeNotSatisfiable("Invalid Range header.")
    if not match[1]:
        length = min(int(match[2]), size)
        if not length:
            raise RangeNotSatisfiable("Invalid Range header.")
        return Span(size - length, length, size)
    start = int(match[1])
    end = min(int(match[2]), size - 1) if match[2] else size - 1
    _check_start(start, size, "Range")
    if end < start:
        raise RangeNotSatisfiable("Invalid Range header.")
    return Span(start, end - start + 1, size)


def _of_content_range(header: str, size: int) -> Span:
    match = _CONTENT_RANGE.match(header)
    if match is None or int(match[2]) < int(match[1]):
        raise RangeNotSatisfiable("Invalid Content-Range header.")
    start, end = int(match[1]), int(match[2])
    if end >= size:
        raise RangeNotSatisfiable(
            "Invalid stop position in Content-Range header. The stop position MUST be in the inclusive range "
            f"[0, {size - 1}]."
        )
    _check_start(start, size, "Content-Range")
    return Span(start, end - start + 1, size)


def _check_start(start: int, size: int, header: str) -> None:
    if start >= size:
        raise RangeNotSatisfiable(
            f"Invalid start position in {header} header. Start position MUST be in the inclusive range [0, {size - 1}]."
        )


def find(service: ImageService, guard: Guard, image_id: str, preferred: list[str]) -> Image:
    """The image that may be read, its locations in the order of preference. Raises NotFound, Forbidden, BadRequest."""
    seen = access.show(service, guard, image_id, "download_image")
    image = seen.image
    if image.status == "deactivated" and not guard.is_admin:
        raise Forbidden("The requested image has been deactivated. Image data download is forbidden.")
    image.locations = service.view.best(image.locations)
    if preferred:
        guard.check("download_from_store", seen)
        _prefer(service, image, preferred)
    return image


def _prefer(service: ImageService, image: Image, preferred: list[str]) -> None:
    if not service.stores.multiple:
        raise BadRequest("Store selection for download is not available when multiple backends are not enabled.")
    for name in preferred:
        if name not in service.stores.by_name:
            raise BadRequest(f"Store '{name}' is not configured.")
    image.locations.sort(key=lambda place: place["metadata"].get("store") not in preferred)


def open_data(service: ImageService, image: Image, span: Span | None) -> Reader | None:
    """The data from the first copy that can be read, None for an image without any. Raises ServiceUnavailable."""
    problem: StoreError | None = None
    for place in image.locations:
        try:
            return _open(service, place, span)
        except StoreError as error:
            LOG.warning("image %s cannot be read from %s: %s", image.id, place["metadata"].get("store"), error.message)
            problem = error
    if problem is None or isinstance(problem, DataNotFound):
        return None
    raise ServiceUnavailable(problem.message)


def _open(service: ImageService, place: dict[str, Any], span: Span | None) -> Reader:
    store = service.stores.of(place)
    if store is None:
        raise StoreError(f"no store knows {place['metadata'].get('store') or 'this location'}")
    if span is None:
        return store.open(place["url"])
    return store.open(place["url"], offset=span.start, length=span.length)
