"""Bodies and queries of `/traits` and of a provider's traits."""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import Meta, Struct

CUSTOM_TRAIT = re.compile(r"CUSTOM_[A-Z0-9_]{1,248}")
QUERY_KEYS = frozenset({"name", "associated"})


class Replace(Struct, forbid_unknown_fields=True):
    traits: list[Annotated[str, Meta(min_length=1, max_length=255)]]
    resource_provider_generation: int
