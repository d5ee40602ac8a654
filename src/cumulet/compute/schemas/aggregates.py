"""Bodies of `/v2.1/os-aggregates` (Compute API, Host aggregates)."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from cumulet.compute.schemas.names import HostName, Trimmed, Zone
from cumulet.compute.schemas.servers import Key


class Create(Struct, forbid_unknown_fields=True):
    name: Trimmed
    availability_zone: Zone | None = None


class CreateBody(Struct, forbid_unknown_fields=True):
    aggregate: Create


class Update(Struct, forbid_unknown_fields=True):
    name: Trimmed | UnsetType = UNSET
    availability_zone: Zone | UnsetType | None = UNSET


class UpdateBody(Struct, forbid_unknown_fields=True):
    aggregate: Update


class Host(Struct, forbid_unknown_fields=True):
    host: HostName


class Metadata(Struct, forbid_unknown_fields=True):
    """Null takes a key away."""

    metadata: dict[Key, Annotated[str, Meta(max_length=255)] | None]
