"""Bodies of `/resource_classes`."""

from __future__ import annotations

from msgspec import Struct

from cumulet.placement.schemas.base import CustomName


class Named(Struct, forbid_unknown_fields=True):
    """`CUSTOM_` and at least one of A to Z, 0 to 9 and _."""

    name: CustomName
