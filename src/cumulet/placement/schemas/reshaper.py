"""The body of `POST /reshaper`."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from cumulet.placement.schemas.base import UuidKey
from cumulet.placement.schemas.inventories import Replace


class Reshape(Struct, forbid_unknown_fields=True):
    """`allocations` has the form of `POST /allocations` at the same microversion, and may be empty."""

    inventories: Annotated[dict[UuidKey, Replace], Meta(min_length=1)]
    allocations: dict[UuidKey, Any]
