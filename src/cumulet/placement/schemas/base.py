"""Names and numbers as several of Placement's bodies have them."""

from __future__ import annotations

import uuid
from typing import Annotated

from msgspec import Meta

LARGEST = 0x7FFFFFFF
"""The largest amount in an inventory."""

# A UUID in any of the forms that the original takes: with or without hyphens, braces, or `urn:uuid:`.
Uuid = Annotated[str, Meta(pattern=r"^(urn:)?(uuid:)?\{?([0-9a-fA-F]-?){32}\}?$", max_length=48)]
UuidKey = Annotated[str, Meta(pattern="^[0-9a-fA-F-]{36}$")]
ClassName = Annotated[str, Meta(pattern="^[A-Z0-9_]+$", max_length=255)]
CustomName = Annotated[str, Meta(pattern="^CUSTOM_[A-Z0-9_]+$", max_length=255)]
ExternalId = Annotated[str, Meta(min_length=1, max_length=255)]


def is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def canonical(text: str) -> str:
    """`urn:uuid:ABCD…` as `abcd…`, with hyphens."""
    return str(uuid.UUID(text))
