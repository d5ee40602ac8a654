"""Bodies of a volume type's encryption (Block Storage API, Volume types)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Cipher = Annotated[str, Meta(max_length=255)] | None
KeySize = Annotated[int, Meta(ge=0, le=2**31 - 1)] | None


class NewEncryption(Struct):
    provider: Annotated[str, Meta(max_length=255)]
    control_location: Literal["front-end", "back-end"]
    cipher: Cipher = None
    key_size: KeySize = None


class ChangedEncryption(Struct):
    provider: Any = None
    control_location: Literal["front-end", "back-end"] | None = None
    cipher: Cipher = None
    key_size: KeySize = None
