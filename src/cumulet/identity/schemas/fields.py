"""The kinds of values that bodies are made of, with the bounds the Identity API and the tables give them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

# PostgreSQL keeps no NUL in a text, so no field takes one.
_NAME = r"^[^\x00]*[^\s\x00][^\x00]*$"
_TEXT = r"^[^\x00]*$"
Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=_NAME)]
ShortName = Annotated[str, Meta(min_length=1, max_length=64, pattern=_NAME)]
"""The name of a project, domain or group."""
Description = Annotated[str, Meta(max_length=16383, pattern=_TEXT)]  # 64 KiB in the longest encoding: MariaDB's TEXT
ShortDescription = Annotated[str, Meta(max_length=255, pattern=_TEXT)]
Id = Annotated[str, Meta(min_length=1, max_length=64)]
ResourceId = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9-]+$")]
"""The id of a domain, project, user… where a client may name it in a body."""
RegionId = Annotated[str, Meta(min_length=1, max_length=255)]
