"""Bodies of `/qos-specs` (Block Storage API, Quality of service specifications)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

QosKey = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9\-_:. /]{1,255}$")]
QosValues = dict[QosKey, Annotated[str, Meta(max_length=255)] | int | float | None]


class UnsetKeys(Struct, forbid_unknown_fields=True):
    keys: list[Annotated[str, Meta(min_length=1, max_length=255)]]
