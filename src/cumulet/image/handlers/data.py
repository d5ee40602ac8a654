"""`/v2/images/{image_id}/file` and `/stage` (Image API v2, Image data)."""

from __future__ import annotations

from collections.abc import Iterator

from cumulet.image.domain import cache, data, download
from cumulet.image.domain.download import Span
from cumulet.image.domain.records import Image
from cumulet.image.guards import Guard
from cumulet.image.service import ImageService
from cumulet.image.stores.base import Reader, chunks
from cumulet.image.transfer.receiving import CHUNK
from cumulet.kernel.bodies import BodyCut
from cumulet.kernel.errors import BadRequest, NotFound, UnsupportedMediaType
from cumulet.kernel.http import NO_CONTENT, Call, Reply

_OCTETS = "application/octet-stream"


class Body:
    """A request's body as a source of data, which ends where it says or not at all."""

    def __init__(self, call: Call[ImageService], length: int | None) -> None:
        stream = call.req.stream
        # What has come already is hashed and written while the next piece comes.
        self._read = getattr(stream, "read1", stream.read)
        self._left = call.req.content_length
        self._announced = length
        self._size = 0

    def read(self, size: int) -> bytes:
        if self._left is not None:
            size = min(size, self._left)
            if not size:
                return self._end()
        piece: bytes = self._read(size)
        self._size += len(piece)
        if self._left is not None:
            if not piece:
                raise BodyCut
            self._left -= len(piece)
            return piece
        return piece or self._end()

    def _end(self) -> bytes:
        if self._announced is not None and self._size != self._announced:
            raise BadRequest(f"The image has {self._size} bytes instead of the {self._announced} announced.")
        return b""


def _announced(call: Call[ImageService]) -> int | None:
    """`X-OpenStack-Image-Size`: what clients say that cannot give a Content-Length."""
    text = call.header("X-Openstack-Image-Size")
    if text is None:
        return None
    if not text.strip().isdecimal():
        raise BadRequest("Invalid or missing image size in request headers.")
    return int(text)


def _check_content_type(call: Call[ImageService]) -> None:
    given = (call.req.content_type or "").partition(";")[0].strip().lower()
    if given != _OCTETS:
        raise UnsupportedMediaType(f"Invalid content type {given or None}")


def upload(call: Call[ImageService], image_id: str) -> Reply:
    service = call.service
    _check_content_type(call)
    announced = _announced(call)
    name = call.header("X-Image-Meta-Store") if service.stores.multiple else None
    store = service.stores.by_name.get(name or service.stores.default)
    if store is None:
        raise BadRequest(f"Unknown scheme '{name}' found in URI")
    size = announced if announced is not None else call.req.content_length
    guard = Guard(service, call.ctx)
    intake = data.begin(service, guard, image_id, "saving", rule="upload_image", size=size)
    data.upload(service, intake, store, Body(call, announced))
    return NO_CONTENT


def stage(call: Call[ImageService], image_id: str) -> Reply:
    service = call.service
    if "glance-direct" not in service.conf.enabled_import_methods:
        raise NotFound("'glance-direct' method is not available at this site.")
    _check_content_type(call)
    announced = _announced(call)
    size = announced if announced is not None else call.req.content_length
    intake = data.begin(service, Guard(service, call.ctx), image_id, "uploading", rule="modify_image", size=size)
    data.stage(service, intake, Body(call, announced))
    return NO_CONTENT


def show(call: Call[ImageService], image_id: str) -> Reply:
    service = call.service
    preferred = [name.strip() for name in call.query().get("prefer", [""])[-1].split(",") if name.strip()]
    image = download.find(service, Guard(service, call.ctx), image_id, preferred)
    if not image.locations:
        return NO_CONTENT
    span = download.span_of(call.header("Range"), call.header("Content-Range"), image.size)
    if call.req.method == "HEAD":
        return _reply(image, span, iter(()))
    reader = _open(service, image, span)
    return NO_CONTENT if reader is None else _reply(image, span, chunks(reader, CHUNK))


def _open(service: ImageService, image: Image, span: Span | None) -> Reader | None:
    offset, length = (0, None) if span is None else (span.start, span.length)
    cached = cache.open_cached(service, image, offset=offset, length=length)
    return cached if cached is not None else download.open_data(service, image, span)


def _reply(image: Image, span: Span | None, stream: Iterator[bytes]) -> Reply:
    headers = {"Content-MD5": image.checksum} if image.checksum else {}
    if span is not None:
        headers["Content-Range"] = span.content_range
        return Reply(None, 206, headers, content_type=_OCTETS, stream=stream, length=span.length)
    return Reply(None, 200, headers, content_type=_OCTETS, stream=stream, length=image.size)
