"""Bodies of `/v3/regions` (Identity API v3, Regions)."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from cumulet.identity.schemas.fields import RegionId, ShortDescription


class RegionFields(Struct):
    """What a client may say of a region; other keys are kept in `extra` and given back, as the original does.

    An empty `id` asks for one to be made.
    """

    id: Annotated[str, Meta(max_length=255)] | None = None
    description: ShortDescription | UnsetType | None = UNSET
    parent_region_id: RegionId | UnsetType | None = UNSET


class RegionBody(Struct):
    region: RegionFields


class RegionQuery(Struct, forbid_unknown_fields=True):
    parent_region_id: RegionId | None = None
