"""What names and other texts may hold, whichever noun's they are."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

Description = Annotated[str, Meta(max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")]
ImageRef = Annotated[
    str, Meta(pattern=r"^([0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12})?$")
]
"""An image's id; empty for a server that starts from a volume."""
Text = Annotated[str, Meta(pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f]*$")]
Trimmed = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^(?!\s)[^\x00-\x1f\x7f]*(?<!\s)$")]
"""Printable, without spaces around."""
Zone = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^(?!\s)[^\x00-\x1f\x7f:]*(?<!\s)$")]
"""A colon parts a zone from the host and the node in it."""
HostName = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9\-._]*$")]
