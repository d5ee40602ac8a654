"""How images look in answers (Image API v2, `#/images/schema`), made straight into bytes."""

from __future__ import annotations

import functools
from datetime import date, timedelta
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType
from oslo_config import cfg

from cumulet.image.domain.records import SHOWN_NAMES, Image

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_PROPERTIES, _TAGS, _LOCATIONS, _STORES = (
    SHOWN_NAMES.index(name) for name in ("properties", "tags", "locations", "stores")
)
_CREATED, _UPDATED = SHOWN_NAMES.index("created_at"), SHOWN_NAMES.index("updated_at")


class _Body(msgspec.Struct):
    """The attributes in the order of `records.SHOWN`; properties follow as members of the same JSON object."""

    id: str
    name: str | None
    status: str
    visibility: str
    owner: str | None
    disk_format: str | None
    container_format: str | None
    size: int | None
    virtual_size: int | None
    min_disk: int
    min_ram: int
    protected: bool
    os_hidden: bool
    checksum: str | None
    os_hash_algo: str | None
    os_hash_value: str | None
    created_at: str
    updated_at: str
    tags: Raw
    self_: str = msgspec.field(name="self")
    file: str
    schema: str = "/v2/schemas/image"
    stores: str | UnsetType = UNSET
    locations: list[dict[str, Any]] | UnsetType = UNSET
    direct_url: str | UnsetType = UNSET


@functools.lru_cache(maxsize=4096)
def _day(number: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=number)).isoformat()


_MINUTES = [f"T{minute // 60:02}:{minute % 60:02}:" for minute in range(24 * 60)]
_SECONDS = [f"{second:02}Z" for second in range(60)]


def moment(at: int) -> str:
    """`2026-01-31T12:00:00Z` from microseconds since 1970. A list has two of them a row, hence the tables."""
    day, second = divmod(at // 1_000_000, 86_400)
    return _day(day) + _MINUTES[second // 60] + _SECONDS[second % 60]


class ImageView:
    """Makes images into JSON under one service's configuration. `weight` orders stores for `direct_url`."""

    def __init__(self, conf: cfg.ConfigOpts, *, multiple_stores: bool, weights: dict[str, int]) -> None:
        self._show_stores = multiple_stores
        self._show_locations = conf.show_multiple_locations
        self._show_direct_url = conf.show_image_direct_url
        self._weights = weights

    def row(self, row: Any) -> bytes:
        """One image from a row of `records.SHOWN`."""
        image_id = row[0]
        path = f"/v2/images/{image_id}"
        make: Any = _Body  # its fields are told by position
        body = make(
            *row[:_CREATED],
            moment(row[_CREATED]),
            moment(row[_UPDATED]),
            Raw(row[_TAGS]),
            path,
            path + "/file",
        )
        if self._show_stores and row[_STORES]:
            body.stores = row[_STORES]
        if self._show_locations or self._show_direct_url:
            self._add_locations(body, _decode(row[_LOCATIONS]))
        properties = row[_PROPERTIES]
        if properties == "{}":
            return _encode(body)
        # The attributes come last: a property of the same name could not shadow one.
        return properties[:-1].encode() + b"," + _encode(body)[1:]

    def image(self, image: Image) -> bytes:
        return self.row(image.shown())

    def _add_locations(self, body: _Body, locations: list[dict[str, Any]]) -> None:
        shown = [{"url": place["url"], "metadata": place["metadata"]} for place in locations]
        if self._show_locations:
            body.locations = shown
        if self._show_direct_url and shown:
            body.direct_url = self.best(shown)[0]["url"]

    def best(self, locations: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Locations in the order in which they are read: by the weight of their stores, as they stand otherwise."""
        return sorted(locations, key=lambda place: -self._weights.get(place["metadata"].get("store"), 0))
