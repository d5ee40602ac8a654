"""Bodies of `/v2.1/flavors` (Compute API, Flavors)."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

Name = Annotated[str, Meta(min_length=1, max_length=255)]
_Positive = Annotated[int, Meta(ge=1, le=2**31 - 1)]
_Size = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class FlavorFields(Struct, forbid_unknown_fields=True):
    """Numbers come as numbers or as text, so the handler reads this without strictness."""

    name: Name
    ram: _Positive
    vcpus: _Positive
    disk: _Size
    id: str | int | None = None
    swap: _Size = 0
    ephemeral: Annotated[_Size, Meta()] = 0
    rxtx_factor: Annotated[float, Meta(gt=0, le=3.40282e38)] | UnsetType = UNSET
    is_public: bool = True
    description: Annotated[str, Meta(max_length=65535)] | UnsetType | None = UNSET


class FlavorBody(Struct, forbid_unknown_fields=True):
    flavor: FlavorFields
