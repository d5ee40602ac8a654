"""Bodies of `/v3/regions` (Identity API v3, Regions)."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

RegionId = Annotated[str, Meta(min_length=0, max_length=255)]


class RegionFields(Struct):
    """What a client may say of a region; other keys are kept in `extra` and given back, as the original does."""

    id: RegionId | None = None
    description: str | UnsetType | None = UNSET
    parent_region_id: RegionId | UnsetType | None = UNSET


class RegionBody(Struct):
    region: RegionFields


class RegionQuery(Struct):
    parent_region_id: str | None = None
