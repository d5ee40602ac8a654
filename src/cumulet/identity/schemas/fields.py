"""The kinds of values that bodies are made of, with the bounds the Identity API and the tables give them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\S")]
Description = Annotated[str, Meta(max_length=16383)]  # 64 KiB in the longest encoding: MariaDB's TEXT
ShortDescription = Annotated[str, Meta(max_length=255)]
Id = Annotated[str, Meta(min_length=1, max_length=64)]
ResourceId = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9-]+$")]
"""The id of a domain, project, user… where a client may name it in a body."""
RegionId = Annotated[str, Meta(min_length=1, max_length=255)]
