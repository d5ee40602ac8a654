"""Things with keys that a client had added: how they are read from a body and shown again."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from cumulet.identity import views
from cumulet.identity.schemas.flags import truth
from cumulet.identity.service import Identity
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call

_encode = msgspec.json.Encoder().encode
NOTHING = Raw(b"{}")


def given(call: Call[Identity], name: str, body: type[Struct]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A body `{"<name>": {…}}` as plain (attributes that the Struct declares, all others).

    Flags are bools; space around names and tags does not count, as in the original. Raises BadRequest.
    """
    known, extra = views.known_and_extra(call, name, body)
    values: dict[str, Any] = msgspec.to_builtins(known)
    for flag in ("enabled", "is_domain"):
        if flag in values:
            values[flag] = truth(values[flag])
    if "name" in values:
        values["name"] = values["name"].strip()
    if "tags" in values:
        values["tags"] = tags(values["tags"])
    values.pop("extra", None)
    return values, extra


def tags(given: list[str]) -> list[str]:
    """Without the space around them. Raises BadRequest when two are the same."""
    stripped = [tag.strip() for tag in given]
    if len(set(stripped)) < len(stripped):
        raise BadRequest("Invalid input for field 'tags': one stands there twice.")
    return stripped


def spliced(extra: str, view: Struct) -> Struct | Raw:
    """A view with the keys of `extra` (a JSON object as text) before its own, without decoding them."""
    if extra == "{}":
        return view
    return Raw(extra[:-1].encode() + b"," + _encode(view)[1:])
