"""Bodies of `/resource_providers/{uuid}/aggregates`: a bare list before 1.19."""

from __future__ import annotations

from msgspec import Struct

from cumulet.placement.schemas.base import Uuid

Uuids = list[Uuid]


class Replace(Struct, forbid_unknown_fields=True):
    aggregates: Uuids
    resource_provider_generation: int
