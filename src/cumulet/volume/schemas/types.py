"""Bodies of `/types` (Block Storage API, Volume types)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from cumulet.volume.bodies import Boolean, Name

SpecKey = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9\-_:. ]{1,255}$")]
ExtraSpecs = dict[SpecKey, Name]


class NewType(Struct, forbid_unknown_fields=True):
    name: str
    description: Name | None = None
    is_public: Boolean = None
    extra_specs: ExtraSpecs | None = None
