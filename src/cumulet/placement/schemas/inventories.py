"""Bodies of `/resource_providers/{uuid}/inventories`."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from cumulet.placement.schemas.base import LARGEST, ClassName

Positive = Annotated[int, Meta(ge=1, le=LARGEST)]
Ratio = Annotated[float, Meta(le=3.40282e38)]


class Record(Struct, forbid_unknown_fields=True, kw_only=True):
    """One inventory among several."""

    total: Positive
    reserved: Annotated[int, Meta(ge=0, le=LARGEST)] = 0
    min_unit: Positive = 1
    max_unit: Positive = LARGEST
    step_size: Positive = 1
    allocation_ratio: Ratio = 1.0


class Create(Record, forbid_unknown_fields=True, kw_only=True):
    resource_class: ClassName
    resource_provider_generation: int | UnsetType = UNSET


class Update(Record, forbid_unknown_fields=True, kw_only=True):
    resource_provider_generation: int


class Replace(Struct, forbid_unknown_fields=True):
    resource_provider_generation: int
    inventories: dict[str, Record]
